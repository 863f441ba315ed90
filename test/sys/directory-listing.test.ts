/** A directory's names are the same whoever lists them, and of its files the programs are found. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, it, vi } from 'vitest';
import * as native from '../../src/sys/native.ts';
import type * as listings from '../../src/sys/directory-listing.ts';
import { directoriesAndPrograms } from '../../src/sys/find-programs.ts';
import { makeNode, S_IFBLK, S_IFCHR, S_IFIFO } from '../../src/sys/special-file.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';

/** The module as it is where the library was not built. */
async function withoutLibrary(): Promise<typeof listings> {
  vi.resetModules();
  vi.doMock('../../src/sys/native.ts', () => ({ ...native, nativeLibrary: () => undefined }));
  try {
    return await import('../../src/sys/directory-listing.ts');
  } finally {
    vi.doUnmock('../../src/sys/native.ts');
    vi.resetModules();
  }
}

async function everyWay(): Promise<(typeof listings)[]> {
  const [byNode, byLibrary] = [await withoutLibrary(), await import('../../src/sys/directory-listing.ts')];
  expect(byNode.filesLibrary()).toBeUndefined();
  expect(byLibrary.filesLibrary()).toBeDefined();
  return [byNode, byLibrary];
}

const NAMES = [
  'b',
  'a',
  'B',
  'a-b',
  'a.b',
  'a\n',
  ' ',
  'd',
  '\xff\xfe',
  '\xc3\xa9',
  'c'.repeat(255),
  '.wh',
  'x.wh.',
];

describeWith(['root', 'files-library'], 'a listing', () => {
  it('has all names bytewise, with their types', async () => {
    await using scratch = await openScratch('listing');
    for (const name of NAMES) writeFileSync(Buffer.from(`${scratch.directory}/${name}`, 'latin1'), '');
    mkdirSync(scratch.path('directory'));
    symlinkSync('directory', scratch.path('link'));
    makeNode(scratch.path('char'), S_IFCHR | 0o600, { major: 1, minor: 3 });
    makeNode(scratch.path('block'), S_IFBLK | 0o600, { major: 8, minor: 0 });
    makeNode(scratch.path('pipe'), S_IFIFO | 0o600);
    const server = createServer().listen(scratch.path('socket'));
    await once(server, 'listening');
    const types = { directory: 'd', link: 'l', char: 'c', block: 'b', pipe: 'p', socket: 's' };
    const expected = [...NAMES.map((name) => [name, 'f']), ...Object.entries(types)]
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
      .map(([name, type]) => ({ name, type }));
    for (const { listDirectory, entriesOf } of await everyWay())
      expect(entriesOf(listDirectory(Buffer.from(scratch.directory)))).toEqual(expected);
    server.close();
  });

  it('is read by type and by beginning', async () => {
    await using scratch = await openScratch('listing');
    for (const name of ['d', 'dd', 'dark', 'fd']) writeFileSync(scratch.path(name), '');
    for (const name of ['f', 'df', 'z']) mkdirSync(scratch.path(name));
    for (const { listDirectory, namesOf, hasType, nameWith } of await everyWay()) {
      const listing = listDirectory(Buffer.from(scratch.directory));
      expect(namesOf(listing, 'd')).toEqual(['df', 'f', 'z']);
      expect(namesOf(listing, 'f')).toEqual(['d', 'dark', 'dd', 'fd']);
      expect([hasType(listing, 'd'), hasType(listing, 's')]).toEqual([true, false]);
      expect(nameWith(listing, 'da')).toBe('dark');
      expect(nameWith(listing, 'd')).toBe('d');
      expect(nameWith(listing, 'k')).toBeUndefined();
    }
  });

  it('of an empty directory is empty, and of none an error', async () => {
    await using scratch = await openScratch('listing');
    for (const { listDirectory, entriesOf, namesOf } of await everyWay()) {
      const listing = listDirectory(Buffer.from(scratch.directory));
      expect(entriesOf(listing)).toEqual([]);
      expect(namesOf(listing, 'f')).toEqual([]);
      expect(() => listDirectory(Buffer.from(scratch.path('nothing')))).toThrow(/ENOENT/);
    }
  });

  it('of many names is whole', async () => {
    await using scratch = await openScratch('listing');
    const names = Array.from({ length: 5000 }, (_, n) => `a-name-of-some-length-${n}`).sort();
    for (const name of names) writeFileSync(scratch.path(name), '');
    for (const { listDirectory, namesOf } of await everyWay())
      expect(namesOf(listDirectory(Buffer.from(scratch.directory)), 'f')).toEqual(names);
  });
});

describeWith(['root', 'files-library'], 'programs of a directory', () => {
  it('are what begins as they do and is long enough', async () => {
    await using scratch = await openScratch('programs');
    const elf = '\x7fELF';
    const files = {
      a: elf.padEnd(64),
      b: elf.padEnd(63),
      c: 'text'.padEnd(100),
      d: '',
      e: elf,
      p: elf.padEnd(9999),
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(scratch.path(name), content, 'latin1');
    mkdirSync(scratch.path('sub'));
    symlinkSync('a', scratch.path('link'));
    makeNode(scratch.path('pipe'), S_IFIFO | 0o600);
    expect(directoriesAndPrograms(Buffer.from(scratch.directory))).toEqual(['sub', 'a', 'p']);
  });
});
