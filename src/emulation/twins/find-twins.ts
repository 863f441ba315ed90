/**
 * Which programs of a foreign image have a native twin: the program that the same version of the same package has
 * put at the same path of the same image for this machine, when it behaves alike everywhere (neutral-programs.ts).
 */
import type { Architecture } from '../architecture.ts';
import { factsOf, type FileFacts } from './file-facts.ts';
import { LibraryShelf, type Library, type RootPair } from './libraries.ts';
import { nameServicesOf } from './name-services.ts';
import { machineFault } from './neutral-programs.ts';
import { C_LIBRARY, PackageRoot, type OwnedFile } from './package-root.ts';
import { ProgramSearch, type Twin } from './program-search.ts';
import { resolveInRoot, type RootFiles } from './root-files.ts';

/** A path of the foreign root that must be as it was; without facts, nothing must be there. */
export interface Guard {
  readonly path: string;
  readonly facts: FileFacts | undefined;
}

export interface TwinSet {
  /** By inode number. */
  readonly programs: readonly Twin[];
  /** The native root's dynamic loader, on the host. */
  readonly loader: string;
  readonly libraries: readonly Library[];
  readonly guards: readonly Guard[];
}

export interface TwinMachines {
  readonly foreign: Architecture;
  readonly native: Architecture;
}

/** Preloads into every program; twins would go without. */
const PRELOAD = '/etc/ld.so.preload';
/** The C library loads them while it runs: when a thread is cancelled. */
const RUNTIME_LIBRARIES = ['libgcc_s.so.1'];
/** Since then the loader knows --argv0. */
const OLDEST_C_LIBRARY = { major: 2, minor: 33 };

/** A text says why there are none, as in `not accelerated: …`. */
export function findTwins(foreign: RootFiles, native: RootFiles, machines: TwinMachines): TwinSet | string {
  const fault = machineFault(machines.foreign.arch);
  if (fault !== undefined) return fault;
  const roots = {
    foreign: PackageRoot.read(foreign, machines.foreign),
    native: PackageRoot.read(native, machines.native),
  };
  if (roots.foreign === undefined) return "its packages are not dpkg's";
  if (roots.native === undefined)
    return `the packages of the base for ${machines.native.arch} are not dpkg's`;
  if (foreign.lstat(PRELOAD) !== undefined) return `it has a ${PRELOAD}`;
  return gather({ foreign: roots.foreign, native: roots.native });
}

function gather(roots: RootPair): TwinSet | string {
  const loader = loaderOf(roots.native);
  if (loader === undefined) {
    const { major, minor } = OLDEST_C_LIBRARY;
    return `the base for ${roots.native.machine.arch} has no C library of glibc ${major}.${minor} or later`;
  }
  const shelf = new LibraryShelf(roots, loader);
  const services = nameServicesOf(roots.foreign);
  const modules = services && shelf.closure(services.modules);
  if (services === undefined || modules === undefined)
    return 'its name services are not the same in both images';
  const search = new ProgramSearch(roots, shelf, loader);
  const programs = search.find();
  if (programs.length === 0) return 'none of its programs is the same in both images';
  const libraries = [...modules, ...search.libraries, ...(shelf.closure(RUNTIME_LIBRARIES) ?? [])];
  const guards = [PRELOAD, ...services.guarded].map((path) => guardOf(roots.foreign, path));
  return { programs, loader: loader.file.hostPath, libraries: distinct(libraries), guards };
}

/** The one the C library came with, when it is recent enough. */
function loaderOf(native: PackageRoot): OwnedFile | undefined {
  const library = native.packages.installed(C_LIBRARY);
  if (library === undefined || !isRecent(library.version)) return undefined;
  return native.loader();
}

function isRecent(version: string): boolean {
  const [, major, minor] = (/^(?:\d+:)?(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major === undefined || minor === undefined) return false;
  return (
    major > OLDEST_C_LIBRARY.major || (major === OLDEST_C_LIBRARY.major && minor >= OLDEST_C_LIBRARY.minor)
  );
}

function guardOf(root: PackageRoot, path: string): Guard {
  const placed = resolveInRoot(root.files, path);
  return { path, facts: placed === undefined ? undefined : factsOf(placed.file.hostPath) };
}

function distinct(libraries: readonly Library[]): Library[] {
  const byName = new Map(libraries.map((library) => [library.name, library]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
