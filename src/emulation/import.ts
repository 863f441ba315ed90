/** Brings emulators into the store from a file: a static qemu program, or a package that contains some. */
import { chmod, copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { openSession } from '../sys/scratch.ts';
import { architectureByName, ARCHITECTURES, hostArchitecture } from './architecture.ts';
import { listEmulators, unpackFiles } from './deb.ts';
import { identifyEmulator, readBeginning } from './emulator-file.ts';
import { EmulatorMemory } from './emulator-memory.ts';
import type { Emulator } from './emulators.ts';
import { describeShelved, putOnShelf, shelfPath } from './shelf.ts';

export interface ImportOptions {
  /** Root of the store. */
  readonly storeDirectory: string;
  readonly signal?: AbortSignal;
}

/**
 * One emulator from a program, or all of them from a .deb. They are checked like any other before they get their place;
 * a file of the same version and machine is replaced. Throws IO, EMULATOR_UNUSABLE, ARCHIVE_INVALID, TOOL_MISSING.
 */
export async function importEmulator(file: string, options: ImportOptions): Promise<readonly Emulator[]> {
  const beginning = await readBeginning(file).catch((error: unknown) => refuse(file, error));
  await using session = openSession(join(options.storeDirectory, 'tmp'));
  const directory = session.makeDirectory('import');
  if (!beginning.subarray(0, DEB_MAGIC.length).equals(DEB_MAGIC)) {
    const copy = join(directory, basename(file));
    await copyFile(file, copy);
    return await shelve(copy, file, options);
  }
  const members = await chosenMembers(file, options);
  await unpackFiles(file, { files: members, directory, ...signalOf(options) });
  const emulators: Emulator[] = [];
  for (const member of members)
    emulators.push(...(await shelve(join(directory, member), `${file}: ${member}`, options)));
  return emulators;
}

const DEB_MAGIC = Buffer.from('!<arch>\n');

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

/** `shown` is what the user knows the file as. */
async function shelve(
  file: string,
  shown: string,
  { storeDirectory }: ImportOptions,
): Promise<readonly Emulator[]> {
  const options = { host: hostArchitecture(), memory: new EmulatorMemory(undefined) };
  await chmod(file, 0o700);
  const identity = await identifyEmulator(file, options);
  if (typeof identity === 'string') throw new ArchBuildError('EMULATOR_UNUSABLE', `${shown} ${identity}`);
  const architecture = architectureByName(identity.target);
  if (architecture === undefined) {
    throw new ArchBuildError('EMULATOR_UNUSABLE', `${shown} emulates ${identity.target}, which is unknown`);
  }
  await putOnShelf(file, shelfPath(storeDirectory, identity.version, architecture));
  return describeShelved([architecture], identity.version, { storeDirectory });
}

function refuse(file: string, cause: unknown): never {
  throw new ArchBuildError('IO', `cannot read ${file}: ${systemErrorCode(cause) ?? String(cause)}`, {
    cause,
  });
}
