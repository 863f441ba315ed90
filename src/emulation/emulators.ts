/** Finds the emulator of a machine: all places in order, each file checked, and why a file was passed over. */
import { readdirSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { hostArchitecture, type Architecture } from './architecture.ts';
import { checkEmulator, objection } from './emulator-file.ts';
import { EmulatorMemory } from './emulator-memory.ts';
import { compareVersions, isTooOld, matchesVersion } from './emulator-version.ts';
import { packageEmulators, pinnedPackages } from './pins.ts';

export type EmulatorSource = 'explicit' | 'environment' | 'store' | 'package' | 'path' | 'distribution';

export interface Emulator {
  /** The machine it emulates. */
  readonly arch: string;
  readonly path: string;
  readonly version: string;
  /** Hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly source: EmulatorSource;
}

export interface RejectedEmulator {
  readonly path: string;
  readonly source: EmulatorSource;
  /** Continues the sentence "PATH …". */
  readonly why: string;
}

export interface LookupOptions {
  /** Files or directories the user named (`--emulator`); one that emulates another machine is passed over. */
  readonly explicit?: readonly string[];
  /** This version, or the newest that begins so (`10`): first in the list, and the only one to be found. */
  readonly version?: string;
  /** Versions that have crashed: what is left is the choice, whatever version was asked for. */
  readonly crashed?: ReadonlySet<string>;
  /** ARCH_BUILD_EMULATORS (directories, separated by colons) and PATH are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Root of the store. */
  readonly storeDirectory?: string;
  readonly host?: Architecture;
  /** Instead of the folders distributions use. */
  readonly distributionFolders?: readonly string[];
}

export interface Lookup {
  /** Best first. */
  readonly usable: readonly Emulator[];
  readonly rejected: readonly RejectedEmulator[];
}

const DISTRIBUTION_FOLDERS = [
  '/usr/bin',
  '/usr/local/bin',
  '/usr/libexec/qemu',
  '/usr/libexec',
  '/usr/lib/qemu',
];

/** Every emulator of the machine on this host. Never throws because of a bad file. */
export async function lookUpEmulators(architecture: Architecture, options: LookupOptions): Promise<Lookup> {
  const host = options.host ?? hostArchitecture();
  const memory = new EmulatorMemory(options.storeDirectory);
  const usable: Emulator[] = [];
  const rejected: RejectedEmulator[] = [];
  for (const { path, source } of candidates(architecture, options)) {
    const check = await checkEmulator(path, architecture, { host, memory });
    if (check.kind === 'usable') usable.push(emulatorOf(architecture, { path, source, ...check.identity }));
    else if (check.kind === 'unusable' || source !== 'explicit') {
      rejected.push({ path, source, why: objection(check) });
    }
  }
  return { usable: inOrder(usable, architecture, options), rejected };
}

/** The version asked for comes first; those too old for the machine last, unless the user named the file. */
function inOrder(
  usable: readonly Emulator[],
  architecture: Architecture,
  { version }: LookupOptions,
): Emulator[] {
  const isAsked = (each: Emulator): boolean => version !== undefined && matchesVersion(each.version, version);
  const isLast = (each: Emulator): boolean =>
    each.source !== 'explicit' && isTooOld(each.version, architecture);
  const others = usable.filter((each) => !isAsked(each));
  const newestFirst = (a: Emulator, b: Emulator): number => compareVersions(b.version, a.version);
  return [
    ...usable.filter(isAsked).sort(newestFirst),
    ...others.filter((each) => !isLast(each)),
    ...others.filter(isLast),
  ];
}

export async function findEmulators(
  architecture: Architecture,
  options: LookupOptions,
): Promise<readonly Emulator[]> {
  return (await lookUpEmulators(architecture, options)).usable;
}

/** The one to use. Throws EMULATOR_UNUSABLE when what is there (or was asked for) is no good, EMULATOR_MISSING. */
export async function findEmulator(architecture: Architecture, options: LookupOptions): Promise<Emulator> {
  const { usable, rejected } = await lookUpEmulators(architecture, options);
  const [asked] = rejected.filter(({ source }) => source === 'explicit');
  if (asked !== undefined) throw unusable(architecture, asked);
  const best = usable.find((each) => isAllowed(each, options));
  if (best !== undefined) return best;
  if (usable.length > 0) throw noSuchVersion(architecture, usable, options);
  if (rejected[0] !== undefined) throw unusable(architecture, rejected[0]);
  throw new ArchBuildError('EMULATOR_MISSING', `no emulator for ${architecture.arch} on this host`, {
    hint: hintFor(architecture),
  });
}

/** After a crash any other version will do; before, only the one asked for. */
const isAllowed = ({ version }: Emulator, { version: asked, crashed = NONE }: LookupOptions): boolean =>
  crashed.size > 0 ? !crashed.has(version) : asked === undefined || matchesVersion(version, asked);

const NONE: ReadonlySet<string> = new Set();

function noSuchVersion(
  { arch, emulator }: Architecture,
  usable: readonly Emulator[],
  { version, crashed = NONE }: LookupOptions,
): ArchBuildError {
  const there = versionsOf(usable).join(', ');
  const what =
    version === undefined || crashed.size > 0
      ? `no emulator for ${arch} is left: those of this host have crashed (${there})`
      : `no emulator of version ${version} for ${arch} on this host, which has ${there}`;
  const pinned = versionsOf(pinnedPackages().filter((each) => emulator in each.emulators));
  const fitting = pinned.find((each) => version !== undefined && matchesVersion(each, version));
  const fetch = `arch-build emulators fetch --emulator-version ${fitting ?? 'VERSION'} ${emulator}`;
  const hint = fitting === undefined ? `\`${fetch}\` has ${pinned.join(', ')}` : `run \`${fetch}\``;
  return new ArchBuildError('EMULATOR_MISSING', what, { hint });
}

/** Each once. */
export const versionsOf = (those: readonly { readonly version: string }[]): string[] => [
  ...new Set(those.map(({ version }) => version)),
];

const hintFor = ({ emulator }: Architecture): string =>
  `run \`arch-build emulators fetch ${emulator}\`, or where there is no network \`arch-build emulators import FILE\` with a static qemu-${emulator}`;

function unusable(architecture: Architecture, { path, why }: RejectedEmulator): ArchBuildError {
  return new ArchBuildError('EMULATOR_UNUSABLE', `${path} ${why}`, { hint: hintFor(architecture) });
}

type Found = Omit<Emulator, 'arch'>;

function emulatorOf({ arch }: Architecture, { path, version, sha256, sizeBytes, source }: Found): Emulator {
  return { arch, path, version, sha256, sizeBytes, source };
}

interface Candidate {
  readonly path: string;
  readonly source: EmulatorSource;
}

/** Existing files only, except what the user named; each file once, whatever links lead to it. */
function candidates(architecture: Architecture, options: LookupOptions): Candidate[] {
  const { explicit = [], environment, storeDirectory, distributionFolders = DISTRIBUTION_FOLDERS } = options;
  const at = (source: EmulatorSource, paths: readonly string[]): Candidate[] =>
    paths.map((path) => ({ path, source }));
  const kits = (folders: readonly string[]): string[] =>
    folders.flatMap((folder) => filesOfKit(folder, architecture));
  const flat = (folders: readonly string[]): string[] =>
    folders.flatMap((folder) => filesIn(folder, architecture));
  const all = [
    ...at(
      'explicit',
      explicit.flatMap((path) => (isDirectory(path) ? filesOfKit(path, architecture) : [path])),
    ),
    ...at('environment', kits(directories(environment['ARCH_BUILD_EMULATORS']))),
    ...at('store', storeDirectory === undefined ? [] : kits([join(storeDirectory, 'emulators')])),
    ...at('package', kits([join(packageEmulators(), 'downloads')])),
    ...at('path', flat(directories(environment['PATH']))),
    ...at('distribution', flat(distributionFolders)),
  ];
  const seen = new Set<string>();
  return all.filter(({ path }) => {
    const real = realPath(path);
    const isNew = !seen.has(real);
    seen.add(real);
    return isNew;
  });
}

/** Relative ones would mean something else in every working directory. */
const directories = (list: string | undefined): string[] => (list ?? '').split(':').filter(isAbsolute);

function filesIn(folder: string, { emulator }: Architecture): string[] {
  const names = new Set(list(folder));
  return [`qemu-${emulator}-static`, `qemu-${emulator}`]
    .filter((name) => names.has(name))
    .map((name) => join(folder, name));
}

/** A folder of emulators, or of such folders by version: pinned versions first, then newer before older. */
function filesOfKit(folder: string, architecture: Architecture): string[] {
  const versions = list(folder).filter((name) => /^\d/.test(name));
  const rank = new Map(pinnedPackages().map(({ version }, index) => [version, index]));
  const rankOf = (version: string): number => rank.get(version) ?? rank.size;
  versions.sort((a, b) => rankOf(a) - rankOf(b) || compareVersions(b, a));
  return [folder, ...versions.map((version) => join(folder, version))].flatMap((each) =>
    filesIn(each, architecture),
  );
}

/** Empty for what is not a readable directory. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
