import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { architectureByName } from '../../../src/emulation/architecture.ts';
import { findTwins, type TwinSet } from '../../../src/emulation/twins/find-twins.ts';
import { twinTable, writeTwins } from '../../../src/emulation/twins/write-twins.ts';
import { directoryFiles } from '../../support/directory-files.ts';
import { ARM, openImagePair, X86 } from './image-pair.ts';

const MACHINES = { foreign: architectureByName(ARM.arch)!, native: architectureByName(X86.arch)! };

it('writes copies that everybody may read, whatever the umask', async () => {
  await using pair = await openImagePair();
  const set = findTwins(directoryFiles(pair.foreign), directoryFiles(pair.native), MACHINES) as TwinSet;
  const directory = pair.scratch.path('out');
  mkdirSync(directory, { mode: 0o700 });
  const before = process.umask(0o077);
  try {
    await writeTwins(set, directory);
  } finally {
    process.umask(before);
  }
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const programs = ['bin', 'bin/[', 'bin/cat', 'bin/grep', 'bin/gzip'];
  const libraries = ['lib', 'lib/libc.so.6', 'lib/libnss_files.so.2', 'lib/libpcre.so.0'];
  const loaders = ['start', 'start/[', 'start/cat', 'start/grep', 'start/gzip'];
  expect(paths).toEqual([...programs, ...libraries, 'loader', ...loaders, 'table']);
  const mode = (path: string): number => statSync(join(directory, path)).mode & 0o7777;
  for (const path of ['', ...paths]) expect(mode(path), path).toBe(path === 'table' ? 0o644 : 0o755);
  expect(readFileSync(join(directory, 'bin/gzip'))).toEqual(readFileSync(`${pair.native}/bin/gzip`));
  expect(readFileSync(join(directory, 'loader'))).toEqual(readFileSync(set.loader));
  expect(readFileSync(join(directory, 'table'), 'utf8')).toBe(twinTable(set));
});

it('never writes into a directory that has some', async () => {
  await using pair = await openImagePair();
  const set = findTwins(directoryFiles(pair.foreign), directoryFiles(pair.native), MACHINES) as TwinSet;
  const directory = pair.scratch.path('out');
  mkdirSync(directory);
  await writeTwins(set, directory);
  await expect(writeTwins(set, directory)).rejects.toMatchObject({ code: 'EEXIST' });
});

it('writes a table that says what tells a file from another one', () => {
  const facts = {
    inode: 12n,
    sizeBytes: 34n,
    mtimeNs: -5n,
    ctimeNs: 1_700_000_000_123_456_789n,
    mode: 0o100755n,
    links: 1n,
  };
  const programs = [{ name: '[', facts, hostPath: '/x' }];
  const guards = [
    { path: '/etc/ld.so.preload', facts: undefined },
    { path: '/etc/nsswitch.conf', facts },
  ];
  expect(twinTable({ guards, programs })).toBe(`arch-build-twins 1
guard absent /etc/ld.so.preload
guard 12,34,-5,1700000000123456789,33261 /etc/nsswitch.conf
twin 12 34 -5 1700000000123456789 33261 [
`);
});
