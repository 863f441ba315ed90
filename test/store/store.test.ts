/** Opening a store: made when missing, shared by builds, alone for removals, and clean after whatever happens. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import { tryLock } from '../../src/sys/lock.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

const OPEN_AND_WAIT = `
  import { openStore } from './store/store.ts';
  const [directory, mode] = process.argv.slice(2);
  const store = await openStore(directory!, mode as 'shared');
  console.log(store.makeDirectory('work'));
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await store[Symbol.asyncDispose]();
`;

describe('a store', () => {
  it('is an OCI layout, made when it is not there, for its owner alone', async () => {
    await using scratch = await openScratch('store');
    {
      await using store = await openStore(scratch.path('a/b/store'));
      expect(store.layout.root).toBe(scratch.path('a/b/store'));
    }
    expect(statSync(scratch.path('a/b/store')).mode & 0o777).toBe(0o700);
    expect(JSON.parse(readFileSync(scratch.path('a/b/store/oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
  });

  it('gives directories of its own file system, gone at the end', async () => {
    await using scratch = await openScratch('store');
    let made: string;
    {
      await using store = await openStore(scratch.directory);
      made = store.makeDirectory('x');
      expect(store.makeDirectory('x')).not.toBe(made);
      expect(made.startsWith(`${store.layout.temporary}/`)).toBe(true);
      expect(readdirSync(made)).toEqual([]);
      writeFileSync(`${made}/file`, '');
    }
    expect(readdirSync(scratch.path('tmp'))).toEqual([]);
  });

  it.each(['file', 'file/below'])('that cannot be a directory is told as such: %s', async (name) => {
    await using scratch = await openScratch('store');
    await scratch.write('file', '');
    await expect(openStore(scratch.path(name))).rejects.toMatchObject({ code: 'STORE' });
  });

  it('is shared by several processes, and alone with an exclusive one', async () => {
    await using scratch = await openScratch('store');
    using program = await buildProgram(OPEN_AND_WAIT);
    await using first = program.start([scratch.directory, 'shared']);
    await using second = program.start([scratch.directory, 'shared']);
    await Promise.all([first.line(), second.line()]);
    expect(tryLock(scratch.path('lock'), 'exclusive')).toBeUndefined();
    await using alone = program.start([scratch.directory, 'exclusive']);
    const got = alone.line();
    expect(await Promise.race([got, sleep(300, 'waits')])).toBe('waits');
    await first.end();
    expect(await Promise.race([got, sleep(200, 'waits')])).toBe('waits');
    await second.end();
    expect(existsSync(await got)).toBe(true);
    expect(tryLock(scratch.path('lock'), 'shared')).toBeUndefined();
    await alone.kill(); // the kernel frees its lock
    using freed = tryLock(scratch.path('lock'), 'exclusive');
    expect(freed).toBeDefined();
  }, 30_000);

  it('loses no temporary directory of another process that is at work', async () => {
    await using scratch = await openScratch('store');
    using program = await buildProgram(OPEN_AND_WAIT);
    await using other = program.start([scratch.directory, 'shared']);
    const theirs = await other.line();
    await using store = await openStore(scratch.directory);
    store.makeDirectory('sweeps');
    expect(existsSync(theirs)).toBe(true);
    expect(await other.end()).toBe(0);
    expect(existsSync(theirs)).toBe(false);
  });

  it('has no session directory for a command that only reads', async () => {
    await using scratch = await openScratch('store');
    await using store = await openStore(scratch.directory);
    expect(store.images.list()).toEqual([]);
    expect(store.blobs.list()).toEqual([]);
    expect(existsSync(store.layout.temporary)).toBe(false);
  });
});
