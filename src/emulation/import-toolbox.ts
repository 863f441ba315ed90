/** Brings a toolbox into the store from a file: a static busybox of any machine, or a distribution's package of one. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { openSession } from '../sys/scratch.ts';
import { listMembers, packageName, unpackFiles } from './deb.ts';
import { readBeginning } from './emulator-file.ts';
import { DEB_MAGIC, refuseUnreadable, type ImportOptions } from './import.ts';
import { shelveToolbox } from './toolbox-shelf.ts';
import { identifyToolbox, type Toolbox } from './toolbox.ts';

/**
 * The toolbox, in its place; one of the same machine is replaced. Undefined for a file that is something else.
 * Throws IO, TOOL_MISSING, and ARCHIVE_INVALID for a busybox that cannot be a toolbox.
 */
export async function importToolbox(file: string, options: ImportOptions): Promise<Toolbox | undefined> {
  const { storeDirectory } = options;
  const beginning = await readBeginning(file).catch((error: unknown) => refuseUnreadable(file, error));
  const isPackage = beginning.subarray(0, DEB_MAGIC.length).equals(DEB_MAGIC);
  if (isPackage ? !(await packageName(file, options.signal)).startsWith('busybox') : !beginsElf(beginning))
    return undefined;
  await using session = openSession(join(storeDirectory, 'tmp'));
  const directory = session.makeDirectory('import');
  const path = isPackage ? await unpackBusybox(file, { ...options, directory }) : join(directory, 'busybox');
  if (!isPackage) await copyFile(file, path);
  const found = await identifyToolbox(path);
  if (found === 'is not a busybox' && !isPackage) return undefined;
  if (found === undefined || typeof found === 'string')
    throw new ArchBuildError('ARCHIVE_INVALID', `${file} ${found ?? 'is not there'}`, {
      hint: 'the static one of Debian is in the package busybox-static',
    });
  return await shelveToolbox({ path, identity: found }, options);
}

const beginsElf = (beginning: Buffer): boolean => beginning.subarray(0, 4).toString('latin1') === '\x7fELF';

async function unpackBusybox(
  deb: string,
  { directory, signal }: ImportOptions & { readonly directory: string },
): Promise<string> {
  const members = await listMembers(deb, signal);
  const member = ['bin/busybox', 'usr/bin/busybox'].find((each) => members.includes(each));
  if (member === undefined) throw new ArchBuildError('ARCHIVE_INVALID', `${deb} contains no busybox`);
  await unpackFiles(deb, { files: [member], directory, ...(signal === undefined ? {} : { signal }) });
  return join(directory, member);
}
