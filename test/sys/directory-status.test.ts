/** The same answers as Node's own lstat, for everything a directory may have in it. */
import { closeSync, lstatSync, mkdirSync, openSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmodSync, chownSync, linkSync, lutimesSync, truncateSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DirectoryStatus, type FileStatus } from '../../src/sys/directory-status.ts';
import { openScratch } from '../support/scratch.ts';

const FIELDS = ['mode', 'uid', 'gid', 'size', 'nlink', 'ino', 'dev', 'rdev', 'mtimeNs', 'ctimeNs'] as const;
const fieldsOf = (status: FileStatus | undefined): unknown =>
  status && FIELDS.map((field) => `${field} ${String(status[field])}`);

function statusesOf(directory: string, names: readonly string[]): unknown[] {
  const fd = openSync(directory, 'r');
  try {
    const reader = new DirectoryStatus(fd);
    const statuses = names.map((name) => reader.read(name)); // all are read before one is looked at
    return statuses.map(fieldsOf);
  } finally {
    closeSync(fd);
  }
}

const byNode = (directory: string, names: readonly string[]): unknown[] =>
  names.map((name) =>
    fieldsOf(
      lstatSync(Buffer.from(`${directory}/${name}`, 'latin1'), { bigint: true, throwIfNoEntry: false }),
    ),
  );

it('says of files, links, directories and sockets what lstat says', async () => {
  await using scratch = await openScratch();
  const at = (name: string): string => join(scratch.directory, name);
  writeFileSync(at('file'), 'content');
  chmodSync(at('file'), 0o6751);
  linkSync(at('file'), at('second'));
  writeFileSync(at('large'), '');
  truncateSync(at('large'), 5 * 2 ** 32);
  mkdirSync(at('directory'));
  symlinkSync('file', at('link'));
  symlinkSync('nowhere', at('dangling'));
  lutimesSync(at('dangling'), -1.5, 1.000000001);
  utimesSync(at('directory'), 0, 4_000_000_000.123);
  writeFileSync(Buffer.from(`${scratch.directory}/\xff\xfe name`, 'latin1'), '');
  writeFileSync(at('n'.repeat(255)), '');
  if (process.getuid?.() === 0) chownSync(at('large'), 4_000_000_000, 70_000);
  const socket = createServer().listen(at('socket'));
  const names = readdirSync(scratch.directory, { encoding: 'latin1' });
  expect(names).toHaveLength(9);
  expect(statusesOf(scratch.directory, names)).toEqual(byNode(scratch.directory, names));
  socket.close();
});

it('says of devices what lstat says, and nothing of what is not there', () => {
  const names = [...readdirSync('/dev', { encoding: 'latin1' }), 'no such file'];
  expect(statusesOf('/dev', names)).toEqual(byNode('/dev', names));
  expect(statusesOf('/dev', ['no such file'])).toEqual([undefined]);
});

it('keeps apart what it has said of many', async () => {
  await using scratch = await openScratch();
  const names = Array.from({ length: 200 }, (_, index) => `file-${String(index)}`);
  for (const [size, name] of names.entries()) writeFileSync(scratch.path(name), 'x'.repeat(size));
  expect(statusesOf(scratch.directory, names)).toEqual(byNode(scratch.directory, names));
});
