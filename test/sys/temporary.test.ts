/** One temporary directory: where and how it is made, and that nothing of it stays. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openTemporary } from '../../src/sys/temporary.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

describe('a temporary directory', () => {
  it('is for its owner alone, in the place asked for, and gone at its end with what is in it', async () => {
    await using scratch = await openScratch('temporary');
    const temporary = openTemporary('.x', scratch.directory);
    expect(dirname(temporary.directory)).toBe(scratch.directory);
    expect(statSync(temporary.directory).mode & 0o777).toBe(0o700);
    writeFileSync(join(temporary.directory, 'file'), '');
    await temporary[Symbol.asyncDispose]();
    expect(readdirSync(scratch.directory)).toEqual([]);
    await temporary[Symbol.asyncDispose](); // a second time is no error
  });

  it('has the error of the system where it cannot be made', async () => {
    await using scratch = await openScratch('temporary');
    expect(() => openTemporary('x', scratch.path('missing'))).toThrow('ENOENT');
  });

  it('is gone after kill -9', async () => {
    await using scratch = await openScratch('temporary');
    using program = await buildProgram(`
      import { openTemporary } from './sys/temporary.ts';
      console.log(openTemporary('x', process.argv[2]).directory);
      process.stdin.resume();
    `);
    await using child = program.start([scratch.directory]);
    const directory = await child.line();
    expect(existsSync(directory)).toBe(true);
    await child.kill();
    for (const end = performance.now() + 5000; performance.now() < end && existsSync(directory);)
      await sleep(20);
    expect(readdirSync(scratch.directory)).toEqual([]);
  });
});
