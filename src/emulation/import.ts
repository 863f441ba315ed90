/** Brings emulators into the store from a file: a static qemu program, a package that contains some, or our own export, with its toolboxes. */
import { chmod, copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { openSession } from '../sys/scratch.ts';
import { architectureByName, ARCHITECTURES, hostArchitecture, type Architecture } from './architecture.ts';
import { isBundle } from './bundle.ts';
import { listEmulators, unpackFiles } from './deb.ts';
import { identifyEmulator, readBeginning } from './emulator-file.ts';
import { EmulatorMemory } from './emulator-memory.ts';
import type { Emulator } from './emulators.ts';
import { unpackBundle } from './import-bundle.ts';
import { describeShelved, putOnShelf, shelfPath } from './shelf.ts';
import type { Toolbox } from './toolbox.ts';
import { examineToolbox, shelveToolbox, type ToolboxFile } from './toolbox-shelf.ts';

export interface ImportOptions {
  /** Root of the store. */
  readonly storeDirectory: string;
  readonly signal?: AbortSignal;
}

export interface Imported {
  readonly emulators: readonly Emulator[];
  readonly toolboxes: readonly Toolbox[];
}

/**
 * One emulator from a program, or all of them from a .deb or an export, which may have toolboxes too. All are checked
 * like any other before the first gets its place; a file of the same version and machine is replaced. Throws IO,
 * EMULATOR_UNUSABLE, ARCHIVE_INVALID, DIGEST_MISMATCH, TOOL_MISSING.
 */
export async function importPrograms(file: string, options: ImportOptions): Promise<Imported> {
  const beginning = await readBeginning(file).catch((error: unknown) => refuseUnreadable(file, error));
  await using session = openSession(join(options.storeDirectory, 'tmp'));
  const directory = session.makeDirectory('import');
  const programs: Program[] = [];
  const { emulators, toolboxes = [] } = await unpackOffers(file, beginning, { ...options, directory });
  for (const offer of emulators) programs.push(await examine(offer));
  return { emulators: await shelve(programs, options), toolboxes: await shelveAll(toolboxes, options) };
}

/** The same, for a file that has nothing but emulators. */
export const importEmulator = async (file: string, options: ImportOptions): Promise<readonly Emulator[]> =>
  (await importPrograms(file, options)).emulators;

async function shelveAll(files: readonly ToolboxFile[], options: ImportOptions): Promise<Toolbox[]> {
  const toolboxes: Toolbox[] = [];
  for (const file of files) toolboxes.push(await shelveToolbox(file, options));
  return toolboxes;
}

/** A file that is said to be an emulator. */
interface Offer {
  /** A copy of ours. */
  readonly path: string;
  /** What the user knows it as. */
  readonly shown: string;
  /** What an export says that it is. */
  readonly promised?: { readonly arch: string; readonly version: string };
}

interface Offers {
  readonly emulators: readonly Offer[];
  /** Examined. */
  readonly toolboxes?: readonly ToolboxFile[];
}

async function unpackOffers(
  file: string,
  beginning: Buffer,
  options: ImportOptions & { readonly directory: string },
): Promise<Offers> {
  const { directory } = options;
  const offerOf = (name: string): Offer => ({ path: join(directory, name), shown: `${file}: ${name}` });
  if (isBundle(beginning)) {
    const { emulators, toolboxes = [] } = await unpackBundle(file, { directory, ...signalOf(options) });
    const examined = toolboxes.map((each) => {
      const { path, shown } = offerOf(each.file);
      return examineToolbox(path, shown, each);
    });
    return {
      emulators: emulators.map((promised) => ({ ...offerOf(promised.file), promised })),
      toolboxes: await Promise.all(examined),
    };
  }
  if (beginning.subarray(0, DEB_MAGIC.length).equals(DEB_MAGIC)) {
    const members = await chosenMembers(file, options);
    await unpackFiles(file, { files: members, directory, ...signalOf(options) });
    return { emulators: members.map(offerOf) };
  }
  const path = join(directory, basename(file));
  await copyFile(file, path);
  return { emulators: [{ path, shown: file }] };
}

export const DEB_MAGIC = Buffer.from('!<arch>\n');

const signalOf = ({ signal }: ImportOptions): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };

/** Packages hold programs for machines that are not in our table, and links under other names. */
async function chosenMembers(deb: string, { signal }: ImportOptions): Promise<string[]> {
  const members = new Set(await listEmulators(deb, signal));
  const names = [...new Set(ARCHITECTURES.map(({ emulator }) => `usr/bin/qemu-${emulator}`))];
  const chosen = names.flatMap((name) =>
    [`${name}-static`, name].filter((each) => members.has(each)).slice(0, 1),
  );
  if (chosen.length > 0) return chosen;
  throw new ArchBuildError('EMULATOR_UNUSABLE', `${deb} contains no qemu program`, {
    hint: 'the package is called qemu-user-static, or qemu-user since Debian 13',
  });
}

interface Program {
  readonly path: string;
  readonly version: string;
  readonly architecture: Architecture;
}

async function examine({ path, shown, promised }: Offer): Promise<Program> {
  const options = { host: hostArchitecture(), memory: new EmulatorMemory(undefined) };
  await chmod(path, 0o700);
  const identity = await identifyEmulator(path, options);
  if (typeof identity === 'string') throw new ArchBuildError('EMULATOR_UNUSABLE', `${shown} ${identity}`);
  const { target, version } = identity;
  const architecture = architectureByName(target);
  if (architecture === undefined) {
    throw new ArchBuildError('EMULATOR_UNUSABLE', `${shown} emulates ${target}, which is unknown`);
  }
  if (promised !== undefined && (promised.arch !== architecture.emulator || promised.version !== version)) {
    throw new ArchBuildError(
      'EMULATOR_UNUSABLE',
      `${shown} is qemu-${target} ${version}, which is not what it is called`,
    );
  }
  return { path, version, architecture };
}

async function shelve(
  programs: readonly Program[],
  { storeDirectory }: ImportOptions,
): Promise<readonly Emulator[]> {
  const emulators: Emulator[] = [];
  for (const { path, version, architecture } of programs) {
    await putOnShelf(path, shelfPath(storeDirectory, version, architecture));
    emulators.push(...(await describeShelved([architecture], version, { storeDirectory })));
  }
  return emulators;
}

export function refuseUnreadable(file: string, cause: unknown): never {
  throw new ArchBuildError('IO', `cannot read ${file}: ${systemErrorCode(cause) ?? String(cause)}`, {
    cause,
  });
}
