/** The programs of a pair of roots that are twins of each other. */
import { basename, dirname } from 'node:path/posix';
import type { InstalledPackage } from './dpkg-database.ts';
import { factsOf, type FileFacts } from './file-facts.ts';
import type { Library, LibraryShelf, RootPair } from './libraries.ts';
import { NEUTRAL_PACKAGES, PROGRAM_DIRECTORIES, type NeutralPrograms } from './neutral-programs.ts';
import type { OwnedFile, PackageRoot } from './package-root.ts';
import { resolveInRoot, resolveParent } from './root-files.ts';

export interface Twin {
  /** No other twin has it. */
  readonly name: string;
  /** Of the foreign program. */
  readonly facts: FileFacts;
  /** The native program, on the host. */
  readonly hostPath: string;
}

/** All names of one foreign program. */
interface Candidate {
  readonly facts: FileFacts;
  readonly hostPath: string;
  readonly libraries: readonly Library[];
  /** Its hard links, without symlinks. */
  readonly links: Set<string>;
}

/** As files of a directory and as words of the table. */
const NAME = /^[A-Za-z0-9_+[][A-Za-z0-9_+.[-]*$/;
const SET_ID = 0o6000;
const EXECUTABLE = 0o111;

export class ProgramSearch {
  readonly #roots: RootPair;
  readonly #shelf: LibraryShelf;
  readonly #loader: OwnedFile;
  /** What those that were found need. */
  readonly libraries: Library[] = [];

  constructor(roots: RootPair, shelf: LibraryShelf, loader: OwnedFile) {
    this.#roots = roots;
    this.#shelf = shelf;
    this.#loader = loader;
  }

  /** By inode number. A program that has a name besides those found may be somebody else's, too: it is left out. */
  find(): Twin[] {
    const candidates = new Map<bigint, Candidate>();
    for (const [name, rule] of Object.entries(NEUTRAL_PACKAGES)) this.#addPackage(candidates, name, rule);
    const names = new Set<string>();
    const twins: Twin[] = [];
    for (const { facts, hostPath, libraries, links } of candidates.values()) {
      if (facts.links !== BigInt(links.size)) continue;
      const [path = ''] = links;
      twins.push({ name: freeName(basename(path), names), facts, hostPath });
      this.libraries.push(...libraries);
    }
    return twins.sort((a, b) => (a.facts.inode < b.facts.inode ? -1 : 1));
  }

  #addPackage(candidates: Map<bigint, Candidate>, name: string, rule: NeutralPrograms): void {
    const { foreign, native } = this.#roots;
    const { arch } = foreign.machine;
    const [theirs, ours] = [foreign.packages.installed(name), native.packages.installed(name)];
    if (theirs === undefined || ours === undefined || theirs.version !== ours.version) return;
    for (const path of foreign.packages.filesOf(theirs)?.listed ?? []) {
      const program = isProgramOf(rule, path, arch) ? genuineProgram(foreign, path, theirs) : undefined;
      const twin = program && genuineProgram(native, path, ours);
      if (program === undefined || twin?.path !== program.path || !isNeutral(rule, program.path, arch))
        continue;
      this.#addProgram(candidates, program, twin);
    }
  }

  #addProgram(candidates: Map<bigint, Candidate>, program: OwnedFile, twin: OwnedFile): void {
    const facts = factsOf(program.file.hostPath);
    const known = candidates.get(facts.inode);
    if (known !== undefined) {
      known.links.add(program.path);
      return;
    }
    const libraries = this.#roots.foreign.isOfMachine(program) ? this.#librariesOf(twin) : undefined;
    if (libraries === undefined) return;
    const { hostPath } = twin.file;
    candidates.set(facts.inode, { facts, hostPath, libraries, links: new Set([program.path]) });
  }

  /** Undefined when it is no program that the root's own loader starts. */
  #librariesOf(twin: OwnedFile): readonly Library[] | undefined {
    const { native } = this.#roots;
    const elf = native.linked(twin);
    if (elf?.interpreter === undefined) return undefined;
    if (resolveInRoot(native.files, elf.interpreter)?.path !== this.#loader.path) return undefined;
    return this.#shelf.closure(elf.needed);
  }
}

function isProgramOf(rule: NeutralPrograms, path: string, arch: string): boolean {
  const directory = dirname(path);
  return (
    (PROGRAM_DIRECTORIES.includes(directory) || directory === rule.directory) && isNeutral(rule, path, arch)
  );
}

function isNeutral({ only, except, machines }: NeutralPrograms, path: string, arch: string): boolean {
  const name = basename(path);
  if (machines?.[name]?.includes(arch) === false) return false;
  return NAME.test(name) && (only?.includes(name) ?? true) && except?.includes(name) !== true;
}

/** Anybody may start it, and it runs with the rights of whoever does. */
function genuineProgram(root: PackageRoot, path: string, owner: InstalledPackage): OwnedFile | undefined {
  const place = resolveParent(root.files, path);
  if (place === undefined || root.packages.isDiverted(place)) return undefined;
  const program = root.genuine(place, owner);
  if (program === undefined || program.file.hasCapabilities === true) return undefined;
  const { mode } = program.file;
  return (mode & SET_ID) === 0 && (mode & EXECUTABLE) === EXECUTABLE ? program : undefined;
}

function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
  taken.add(name);
  return name;
}
