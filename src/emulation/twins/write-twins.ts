/**
 * The directory that a step gets: the twins, their loader and libraries, and a table by which the front of the
 * emulator (emulators/front) finds them. Copies, so that nothing of the store is within reach of a step; where the
 * file system can, they share the bytes.
 */
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { factNumbers } from './file-facts.ts';
import type { TwinSet } from './find-twins.ts';

const VERSION = 'arch-build-twins 1';

/** Into an empty directory. Ordinary users may read all of it. */
export async function writeTwins(set: TwinSet, directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const path of [join(directory, 'bin'), join(directory, 'lib'), join(directory, 'start')]) {
    await mkdir(path);
    await chmod(path, 0o755); // whatever the umask
  }
  const programs = set.programs.map(({ name, hostPath }) => [hostPath, join('bin', name)] as const);
  const libraries = set.libraries.map(({ name, hostPath }) => [hostPath, join('lib', name)] as const);
  for (const [from, to] of [[set.loader, 'loader'] as const, ...programs, ...libraries]) {
    await copyFile(from, join(directory, to), constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(join(directory, to), 0o755);
  }
  // What is started is called as it is started, in /proc/PID/comm and by ps.
  for (const { name } of set.programs) await symlink('../loader', join(directory, 'start', name));
  await writeFile(join(directory, 'table'), twinTable(set), { mode: 0o644, flag: 'wx' });
  await chmod(join(directory, 'table'), 0o644);
}

/**
 * Lines of words, all numbers decimal:
 * `guard FACTS PATH` the file that PATH leads to has these facts, `guard absent PATH` nothing is there;
 * `twin INODE SIZE MTIME CTIME MODE NAME` a program with these facts has the twin bin/NAME, by INODE; times in ns.
 */
export function twinTable({ guards, programs }: Pick<TwinSet, 'guards' | 'programs'>): string {
  const lines = [
    VERSION,
    ...guards.map(({ path, facts }) => `guard ${facts ? factNumbers(facts).join(',') : 'absent'} ${path}`),
    ...programs.map(({ facts, name }) => `twin ${factNumbers(facts).join(' ')} ${name}`),
  ];
  return `${lines.join('\n')}\n`;
}
