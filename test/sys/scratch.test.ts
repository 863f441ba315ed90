/** Session directories: gone at the end, after kill -9, and after kill -9 of the reaper too. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openSession } from '../../src/sys/scratch.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

const OPEN = `
  import { openSession } from './sys/scratch.ts';
  import { writeFileSync } from 'node:fs';
  const session = openSession(process.argv[2]!);
  const directory = session.makeDirectory('work');
  writeFileSync(directory + '/file', 'x');
  console.log(directory);
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await session[Symbol.asyncDispose]();
`;

/** As soon as the call has done its work below the directory. */
const KILLED_BEHIND = `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  import { openSession } from './sys/scratch.ts';
  const [parent, call] = process.argv.slice(2) as [string, 'mkdirSync' | 'renameSync'];
  const real = fs[call] as (...args: unknown[]) => unknown;
  const killed = (...args: unknown[]) => {
    const result = real(...args);
    if (String(args[0]).startsWith(parent + '/')) process.kill(process.pid, 'SIGKILL');
    return result;
  };
  Object.assign(fs, { [call]: killed });
  syncBuiltinESMExports();
  console.log('opening');
  openSession(parent);
`;

async function goneWithin(path: string, seconds: number): Promise<boolean> {
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    await sleep(20);
    if (!existsSync(path)) return true;
  }
  return false;
}

function reapersOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return words.includes('arch-build-reaper') && words.includes(directory);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('a session', () => {
  it('has directories of its own, and nothing is left at its end', async () => {
    await using scratch = await openScratch('session');
    const session = openSession(scratch.path('a/tmp'));
    const [first, second] = [session.makeDirectory('x'), session.makeDirectory('x')];
    expect(first).not.toBe(second);
    for (const directory of [first, second]) expect(dirname(directory)).toBe(session.directory);
    writeFileSync(join(first, 'file'), '');
    expect(reapersOf(session.directory)).toHaveLength(1);
    await session[Symbol.asyncDispose]();
    expect(readdirSync(scratch.path('a/tmp'))).toEqual([]);
    expect(reapersOf(session.directory)).toEqual([]);
    await session[Symbol.asyncDispose](); // a second time is no error
  });

  it('is removed by the reaper within five seconds of kill -9', async () => {
    await using scratch = await openScratch('session');
    using program = await buildProgram(OPEN);
    await using child = program.start([scratch.path('tmp')]);
    const directory = dirname(await child.line());
    await child.kill();
    expect(await goneWithin(directory, 5)).toBe(true);
    for (const end = performance.now() + 5000; performance.now() < end && reapersOf(directory).length > 0;)
      await sleep(20);
    expect(reapersOf(directory)).toEqual([]);
  });

  it.each(['mkdirSync', 'renameSync'])('is removed when kill -9 comes right behind its %s', async (call) => {
    await using scratch = await openScratch('session');
    mkdirSync(scratch.path('tmp'));
    using program = await buildProgram(KILLED_BEHIND);
    await using child = program.start([scratch.path('tmp'), call]);
    expect(await child.line()).toBe('opening');
    expect(await child.end()).toBe(null);
    for (
      const end = performance.now() + 5000;
      performance.now() < end && readdirSync(scratch.path('tmp')).length > 0;
    )
      await sleep(20);
    expect(readdirSync(scratch.path('tmp'))).toEqual([]);
  });

  it('is swept by the next one when the reaper was killed as well', async () => {
    await using scratch = await openScratch('session');
    using program = await buildProgram(OPEN);
    await using child = program.start([scratch.path('tmp')]);
    const directory = dirname(await child.line());
    for (const pid of reapersOf(directory)) process.kill(pid, 'SIGKILL');
    await child.kill();
    await sleep(300);
    expect(existsSync(directory)).toBe(true);
    await using next = openSession(scratch.path('tmp'));
    expect(readdirSync(scratch.path('tmp'))).toEqual([next.directory.slice(scratch.path('tmp').length + 1)]);
  });

  it('is not swept while its process lives, by however many others', async () => {
    await using scratch = await openScratch('session');
    using program = await buildProgram(OPEN);
    const children = Array.from({ length: 5 }, () => program.start([scratch.path('tmp')]));
    const directories = await Promise.all(children.map((child) => child.line()));
    for (const directory of directories) expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('x');
    expect(await Promise.all(children.map((child) => child.end()))).toEqual([0, 0, 0, 0, 0]);
    expect(readdirSync(scratch.path('tmp'))).toEqual([]);
  });

  it('leaves alone what is no session, and one that is just being opened', async () => {
    await using scratch = await openScratch('session');
    await scratch.write('tmp/notes', '');
    for (const name of ['opening-new', 'opening-old', 'session-unlocked']) {
      mkdirSync(scratch.path('tmp', name));
    }
    writeFileSync(scratch.path('tmp/opening-new/lock'), '');
    writeFileSync(scratch.path('tmp/opening-old/lock'), '');
    utimesSync(scratch.path('tmp/opening-old'), 0, 0);
    await using session = openSession(scratch.path('tmp'));
    const left = readdirSync(scratch.path('tmp')).filter(
      (name) => join(scratch.path('tmp'), name) !== session.directory,
    );
    expect(left.sort()).toEqual(['notes', 'opening-new', 'session-unlocked']);
  });

  it('is removed with immutable odds and ends: deep, read-only, and with strange names', async () => {
    await using scratch = await openScratch('session');
    const session = openSession(scratch.path('tmp'));
    const directory = session.makeDirectory('x');
    execFileSync('sh', [
      '-c',
      'mkdir -p "$1/a/b/c" && touch "$1/a/-rf" "$1/$(printf "\\377\\n")" && chmod 0 "$1/a/b"',
      'sh',
      directory,
    ]);
    await session[Symbol.asyncDispose]();
    expect(existsSync(directory)).toBe(false);
  });
});
