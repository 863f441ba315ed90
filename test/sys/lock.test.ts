import { describe, expect, it } from 'vitest';
import { acquireLock, tryLock } from '../../src/sys/lock.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

const HOLD = `
  import { acquireLock } from './sys/lock.ts';
  await acquireLock(process.argv[2]!, process.argv[3] as 'shared', { waitMs: 0 });
  console.log('held');
  setTimeout(() => undefined, 60_000);
`;

describe('a lock', () => {
  it.each([
    ['shared', 'shared', true],
    ['shared', 'exclusive', false],
    ['exclusive', 'shared', false],
    ['exclusive', 'exclusive', false],
  ] as const)('held %s is there for %s: %s', async (held, wanted, granted) => {
    await using scratch = await openScratch('lock');
    using _first = tryLock(scratch.path('l'), held);
    using second = tryLock(scratch.path('l'), wanted);
    expect(second !== undefined).toBe(granted);
  });

  it('is free after it was given back, and giving it back twice frees nobody else’s', async () => {
    await using scratch = await openScratch('lock');
    const first = tryLock(scratch.path('l'), 'exclusive')!;
    first[Symbol.dispose]();
    using second = tryLock(scratch.path('l'), 'exclusive');
    expect(second).toBeDefined();
    first[Symbol.dispose]();
    expect(tryLock(scratch.path('l'), 'shared')).toBeUndefined();
  });

  it('is waited for', async () => {
    await using scratch = await openScratch('lock');
    const first = tryLock(scratch.path('l'), 'exclusive')!;
    setTimeout(() => first[Symbol.dispose](), 100);
    using second = await acquireLock(scratch.path('l'), 'shared', { waitMs: 10_000 });
    expect(second.path).toBe(scratch.path('l'));
  });

  it('is not waited for longer than told', async () => {
    await using scratch = await openScratch('lock');
    using _first = tryLock(scratch.path('l'), 'exclusive');
    const start = performance.now();
    await expect(acquireLock(scratch.path('l'), 'exclusive', { waitMs: 100 })).rejects.toMatchObject({
      code: 'STORE_BUSY',
    });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('is freed by the kernel when its holder is killed', async () => {
    await using scratch = await openScratch('lock');
    using program = await buildProgram(HOLD);
    await using holder = program.start([scratch.path('l'), 'exclusive']);
    expect(await holder.line()).toBe('held');
    expect(tryLock(scratch.path('l'), 'shared')).toBeUndefined();
    await holder.kill();
    using lock = tryLock(scratch.path('l'), 'exclusive');
    expect(lock).toBeDefined();
  });

  it('is not passed on to the programs we start', async () => {
    await using scratch = await openScratch('lock');
    const lock = tryLock(scratch.path('l'), 'exclusive')!;
    const { spawn } = await import('node:child_process');
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    lock[Symbol.dispose]();
    using again = tryLock(scratch.path('l'), 'exclusive');
    expect(again).toBeDefined();
    child.kill('SIGKILL');
  });

  it('in a directory that is not there is a system error', () => {
    expect(() => tryLock('/nonexistent/lock', 'shared')).toThrow(
      expect.objectContaining({ code: 'ENOENT' }) as Error,
    );
  });
});
