/**
 * Fetches emulators from the distribution's archive into the store. Packages are only unpacked, never installed, and
 * both the package and each program must have the pinned digest.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { openSession } from '../sys/scratch.ts';
import { downloadPackage } from './apt.ts';
import { hostArchitecture, type Architecture } from './architecture.ts';
import { unpackFiles } from './deb.ts';
import { isTooOld, matchesVersion } from './emulator-version.ts';
import { versionsOf, type Emulator } from './emulators.ts';
import { pinnedPackages, type PinnedFile, type PinnedPackage, type PinnedToolbox } from './pins.ts';
import { describeShelved, putOnShelf, sha256Of, shelfPath } from './shelf.ts';

export interface FetchOptions {
  /** Root of the store. */
  readonly storeDirectory: string;
  readonly report: Reporter;
  readonly signal?: AbortSignal;
  /** One of the pinned versions; the default is the first one good for the machine that an archive of this host serves. */
  readonly version?: string;
  /** Instead of our own pins. */
  readonly pins?: readonly PinnedPackage[];
}

/**
 * The emulators of these machines, fetched unless the store has them already. Throws EMULATOR_MISSING when no pin
 * has them, DIGEST_MISMATCH, NETWORK when no archive serves them, TOOL_MISSING without apt and dpkg.
 */
export async function fetchEmulators(
  architectures: readonly Architecture[],
  options: FetchOptions,
): Promise<readonly Emulator[]> {
  const emulators: Emulator[] = [];
  for (const group of groupsOf(architectures, options)) emulators.push(...(await fetchGroup(group, options)));
  return emulators;
}

/** Machines that the same packages have good emulators for, and these packages, best first. */
interface Group {
  readonly architectures: readonly Architecture[];
  readonly packages: readonly PinnedPackage[];
}

/** One download for as many machines as possible: only those that the first package is too old for go elsewhere. */
function groupsOf(architectures: readonly Architecture[], options: FetchOptions): Group[] {
  const suitable = suitablePackages(architectures, options);
  const isTold = options.version !== undefined;
  const groups = new Map<string, Group>();
  for (const architecture of architectures) {
    const good = suitable.filter(({ version }) => isTold || !isTooOld(version, architecture));
    const packages = good.length > 0 ? good : suitable;
    const key = versionsOf(packages).join(' ');
    const before = groups.get(key)?.architectures ?? [];
    groups.set(key, { architectures: [...before, architecture], packages });
  }
  return [...groups.values()];
}

async function fetchGroup(
  { architectures, packages }: Group,
  options: FetchOptions,
): Promise<readonly Emulator[]> {
  let refusal: ArchBuildError | undefined;
  for (const pinned of packages) {
    try {
      await fetchMissing(pinned, architectures, options);
      return await describeShelved(architectures, pinned.version, options);
    } catch (error) {
      if (!(error instanceof ArchBuildError) || error.code !== 'NETWORK') throw error;
      options.report({ type: 'debug', text: error.message });
      refusal ??= error;
    }
  }
  throw refusal ?? new ArchBuildError('EMULATOR_MISSING', 'no emulators are pinned');
}

function suitablePackages(
  architectures: readonly Architecture[],
  options: FetchOptions,
): readonly PinnedPackage[] {
  const { version, pins = pinnedPackages() } = options;
  const host = hostArchitecture().arch;
  const ofHost = pins.filter((each) => each.host === host);
  const offered = ofHost.filter((each) => version === undefined || matchesVersion(each.version, version));
  const suitable = offered.filter(({ emulators }) =>
    architectures.every(({ emulator }) => emulator in emulators),
  );
  if (suitable.length > 0) return suitable;
  const wanted = architectures.map(({ arch }) => arch).join(', ');
  const of = version === undefined ? '' : ` of version ${version}`;
  throw new ArchBuildError('EMULATOR_MISSING', `no emulator for ${wanted}${of} is pinned for ${host} hosts`, {
    hint:
      offered.length === 0 && ofHost.length > 0
        ? `pinned are ${versionsOf(ofHost).join(', ')}; bring any other along and run \`arch-build emulators import FILE\``
        : 'bring a static qemu program along and run `arch-build emulators import FILE`',
  });
}

async function fetchMissing(
  pinned: PinnedPackage,
  architectures: readonly Architecture[],
  options: FetchOptions,
): Promise<void> {
  const missing = new Map<string, PinnedFile>(); // by place: two machines may share a program
  for (const architecture of architectures) {
    const file = pinned.emulators[architecture.emulator];
    const path = shelfPath(options.storeDirectory, pinned.version, architecture);
    if (file !== undefined && !(await hasDigest(path, file))) missing.set(path, file);
  }
  if (missing.size === 0) return;
  await using session = openSession(join(options.storeDirectory, 'tmp'));
  const deb = await fetchPackage(pinned, session.makeDirectory('fetch'), options);
  const unpacked = session.makeDirectory('unpack');
  await unpackFiles(deb, {
    files: [...missing.values()].map(({ file }) => file),
    directory: unpacked,
    ...signalOf(options),
  });
  for (const [place, pin] of missing) {
    const path = join(unpacked, pin.file);
    await requireDigest(path, pin, pin.file);
    await putOnShelf(path, place);
  }
}

/** A package with its pinned digest, in an empty directory. Throws as `fetchEmulators` does. */
export async function fetchPackage(
  pinned: Omit<PinnedToolbox, 'arch' | 'architecture' | 'program'> &
    Partial<Pick<PinnedToolbox, 'architecture'>>,
  directory: string,
  options: Pick<FetchOptions, 'report' | 'signal'>,
): Promise<string> {
  const name = `${pinned.package} ${pinned.packageVersion}`;
  const megabytes = Math.ceil(pinned.size / 1_000_000);
  options.report({
    type: 'info',
    text: `fetching ${name} (${megabytes} MB) from the ${pinned.distribution} archive`,
  });
  const { architecture } = pinned;
  const wanted = {
    name: pinned.package,
    version: pinned.packageVersion,
    suite: pinned.suite,
    ...(architecture === undefined ? {} : { architecture }),
  };
  const deb = await downloadPackage(wanted, { directory, ...signalOf(options) });
  await requireDigest(deb, pinned, name);
  return deb;
}

const signalOf = ({ signal }: Pick<FetchOptions, 'signal'>): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

type Pin = Pick<PinnedFile, 'size' | 'sha256'>;

/** Throws DIGEST_MISMATCH. */
export async function requireDigest(path: string, { size, sha256 }: Pin, name: string): Promise<void> {
  const found = await sha256Of(path);
  if (found === sha256) return;
  const seen = (await stat(path)).size;
  throw new ArchBuildError(
    'DIGEST_MISMATCH',
    `${name} is not what was pinned: sha256 ${found} and ${seen} bytes instead of ${sha256} and ${size}`,
    { hint: 'do not use it: the archive or something on the way has changed the file' },
  );
}

export async function hasDigest(path: string, { size, sha256 }: Pin): Promise<boolean> {
  try {
    return (await stat(path)).size === size && (await sha256Of(path)) === sha256;
  } catch {
    return false;
  }
}
