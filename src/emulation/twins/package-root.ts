/** A root file system together with what dpkg knows of it: which file is whose, and whether it is still what it was. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path/posix';
import type { Architecture } from '../architecture.ts';
import { DpkgDatabase, type InstalledPackage } from './dpkg-database.ts';
import { machineOf, readLinkedElf, type LinkedElf } from './dynamic-section.ts';
import { NEUTRAL_PACKAGES } from './neutral-programs.ts';
import { openForReading } from './open-file.ts';
import { remembering, resolveInRoot, type PlacedFile, type RootFiles } from './root-files.ts';

export interface OwnedFile extends PlacedFile {
  readonly owner: InstalledPackage;
}

/** The C library's package, on every machine that has twins. */
export const C_LIBRARY = 'libc6';
const C_LIBRARY_NAME = 'libc.so.6';
const MAX_BYTES = 64 << 20;

export class PackageRoot {
  readonly files: RootFiles;
  readonly machine: Architecture;
  readonly packages: DpkgDatabase;
  readonly #genuine = new Map<string, boolean>();
  #libraryOwners: ReadonlyMap<string, InstalledPackage> | undefined;
  #libraryDirectories: readonly string[] | undefined;

  private constructor(files: RootFiles, machine: Architecture, packages: DpkgDatabase) {
    this.files = files;
    this.machine = machine;
    this.packages = packages;
  }

  /** Undefined when its packages are not dpkg's. */
  static read(root: RootFiles, machine: Architecture): PackageRoot | undefined {
    const files = remembering(root);
    const packages = machine.debian === undefined ? undefined : DpkgDatabase.read(files, machine.debian);
    return packages === undefined ? undefined : new PackageRoot(files, machine, packages);
  }

  /** The regular file a path leads to, when it came with this package and has the checksum it came with. */
  genuine(path: string, owner: InstalledPackage): OwnedFile | undefined {
    const placed = resolveInRoot(this.files, path);
    if (placed?.file.kind !== 'file' || placed.file.sizeBytes > MAX_BYTES) return undefined;
    const wanted = this.packages.filesOf(owner)?.md5.get(placed.path);
    if (wanted === undefined || this.packages.isDiverted(placed.path)) return undefined;
    const known = this.#genuine.get(placed.path) ?? md5Of(placed.file.hostPath) === wanted;
    this.#genuine.set(placed.path, known);
    return known ? { ...placed, owner } : undefined;
  }

  /** The library of this name in the loader's own places, when it is genuine and for this machine. */
  library(name: string): OwnedFile | undefined {
    for (const directory of this.libraryDirectories) {
      const placed = resolveInRoot(this.files, `${directory}/${name}`);
      if (placed === undefined) continue;
      const owner = this.#ownerOfLibrary(placed.path);
      const library = owner === undefined ? undefined : this.genuine(placed.path, owner);
      return library !== undefined && this.isOfMachine(library) ? library : undefined;
    }
    return undefined;
  }

  /** What the C library names as its own loader, when that is in its package. */
  loader(): OwnedFile | undefined {
    const owner = this.packages.installed(C_LIBRARY);
    const library = this.library(C_LIBRARY_NAME);
    const interpreter = library && this.linked(library)?.interpreter;
    return owner === undefined || interpreter === undefined ? undefined : this.genuine(interpreter, owner);
  }

  /** What a file of this machine asks its loader for, when it looks for libraries in the loader's own places only. */
  linked({ file }: PlacedFile): LinkedElf | undefined {
    const elf = readLinkedElf(file.hostPath);
    const isUsual = (directory: string): boolean =>
      directory.startsWith('/') &&
      this.libraryDirectories.includes(resolveInRoot(this.files, directory)?.path ?? '');
    return elf?.machine === this.machine && elf.runpath.every(isUsual) ? elf : undefined;
  }

  isOfMachine({ file }: PlacedFile): boolean {
    return machineOf(file.hostPath) === this.machine;
  }

  /** Where the C library is, and where its loader looks besides; without symlinks. */
  get libraryDirectories(): readonly string[] {
    this.#libraryDirectories ??= this.#findLibraryDirectories();
    return this.#libraryDirectories;
  }

  #findLibraryDirectories(): readonly string[] {
    const owner = this.packages.installed(C_LIBRARY);
    const listed = owner === undefined ? [] : (this.packages.filesOf(owner)?.listed ?? []);
    for (const path of listed.filter((each) => each.endsWith(`/${C_LIBRARY_NAME}`))) {
      const library = owner && this.genuine(path, owner);
      if (library === undefined || !this.isOfMachine(library)) continue;
      const directory = dirname(library.path);
      return [...new Set([directory, directory.startsWith('/usr/') ? directory : `/usr${directory}`])];
    }
    return [];
  }

  #ownerOfLibrary(path: string): InstalledPackage | undefined {
    this.#libraryOwners ??= this.#findLibraryOwners();
    return this.#libraryOwners.get(path);
  }

  /** Of an image's hundreds of packages only those are read that programs with a twin depend on. */
  #findLibraryOwners(): ReadonlyMap<string, InstalledPackage> {
    const owners = new Map<string, InstalledPackage>();
    const wanted = [
      C_LIBRARY,
      ...Object.keys(NEUTRAL_PACKAGES),
      ...[...this.packages.names].filter(isNameService),
    ];
    for (const owner of this.packages.withDependencies(wanted))
      for (const path of this.packages.filesOf(owner)?.md5.keys() ?? [])
        if (path.includes('.so')) owners.set(path, owner);
    return owners;
  }
}

const isNameService = (name: string): boolean => name.startsWith('libnss-');

/** One for all files: pages that are there already cost nothing. */
const chunk = Buffer.alloc(256 << 10);

function md5Of(hostPath: string): string | undefined {
  try {
    const hash = createHash('md5');
    using file = openForReading(hostPath);
    for (let length = file.read(chunk); length > 0; length = file.read(chunk))
      hash.update(chunk.subarray(0, length));
    return hash.digest('hex');
  } catch {
    return undefined; // not readable, or a host that has no MD5
  }
}
