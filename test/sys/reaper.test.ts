import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startReaper } from '../../src/sys/reaper.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

async function contentWithin(path: string, seconds: number): Promise<string | undefined> {
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    await sleep(20);
    if (existsSync(path) && readFileSync(path, 'utf8') !== '') return readFileSync(path, 'utf8');
  }
  return undefined;
}

const START = `
  import { startReaper } from './sys/reaper.ts';
  const [file, ...args] = process.argv.slice(2);
  startReaper('printf "%s\\\\n" "$@" > "$1.tmp" && mv "$1.tmp" "$1"', [file!, ...args]);
  console.log('started');
  if (args.includes('throw')) throw new Error('uncaught');
  if (args.includes('leave')) process.exit(3);
  setInterval(() => undefined, 1000);
`;

describe('a reaper', () => {
  it.each(['kill', 'throw', 'leave'])(
    'runs its script with its arguments however we end: %s',
    async (how) => {
      await using scratch = await openScratch('reaper');
      using program = await buildProgram(START);
      const file = scratch.path('done');
      await using child = program.start([file, how, 'a b', '$(id)']);
      expect(await child.line()).toBe('started');
      if (how === 'kill') await child.kill();
      expect(await contentWithin(file, 5)).toBe(`${file}\n${how}\na b\n$(id)\n`);
    },
  );

  it('that is disposed leaves no process and runs nothing', async () => {
    await using scratch = await openScratch('reaper');
    const reaper = startReaper('touch "$1"', [scratch.path('done')]);
    expect(existsSync(`/proc/${reaper.pid ?? 0}`)).toBe(true);
    await reaper[Symbol.asyncDispose]();
    expect(existsSync(`/proc/${reaper.pid ?? 0}`)).toBe(false);
    await sleep(100);
    expect(existsSync(scratch.path('done'))).toBe(false);
    await reaper[Symbol.asyncDispose]();
  });

  it('does not keep its process from ending', async () => {
    await using scratch = await openScratch('reaper');
    using program = await buildProgram(`
      import { startReaper } from './sys/reaper.ts';
      startReaper('touch "$1"', [process.argv[2]!]);
      console.log('last line');
    `);
    await using child = program.start([scratch.path('done')]);
    expect(await child.line()).toBe('last line');
    expect(await child.end()).toBe(0);
  });
});
