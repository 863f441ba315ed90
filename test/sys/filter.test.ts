import { execFileSync } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { filterThrough, type FilterProgram } from '../../src/sys/filter.ts';

const shell = (script: string): FilterProgram => ({
  program: 'sh',
  args: ['-c', script],
  debianPackage: 'dash',
});
const complain = (reason: string): Error => new RangeError(`it said: ${reason}`);

async function* chunks(count: number, size = 1 << 16): AsyncGenerator<Buffer> {
  for (let n = 0; n < count; n++) yield await Promise.resolve(Buffer.alloc(size, n));
}

async function run(filter: FilterProgram, input: AsyncIterable<Uint8Array> = chunks(1, 3)): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of filterThrough(filter, input, complain)) parts.push(part);
  return Buffer.concat(parts);
}

describe('a filter', () => {
  it('passes bytes through the program', async () => {
    expect(
      (await run(shell('tr a b'), [Buffer.from('banana')] as unknown as AsyncIterable<Buffer>)).toString(),
    ).toBe('bbnbnb');
  });

  it('carries more than the pipes hold', async () => {
    expect(await run(shell('cat'), chunks(100))).toHaveLength(100 << 16);
  });

  it('does not mind a program that stops reading', async () => {
    expect((await run(shell('echo done; exec <&-'), chunks(100))).toString()).toBe('done\n');
  });

  it("has the host's environment kept out", async () => {
    process.env['XZ_OPT'] = '--nonsense';
    expect((await run(shell('echo "$XZ_OPT"'))).toString()).toBe('\n');
    delete process.env['XZ_OPT'];
  });

  it.each<[string, FilterProgram, string]>([
    ['ends with a status', shell('cat >/dev/null; exit 3'), 'it said: status 3'],
    ['says something', shell('cat >/dev/null; echo one >&2; echo two >&2'), 'it said: two'],
    ['ends by a signal', shell('cat >/dev/null; kill -TERM $$'), 'it said: ended by SIGTERM'],
    ['is killed', shell('cat >/dev/null; kill -KILL $$'), 'it said: ended by SIGKILL'],
    ['fails before it read anything', shell('echo no >&2; exit 1'), 'it said: no'],
  ])('complains when the program %s', async (_name, filter, message) => {
    await expect(run(filter, chunks(40))).rejects.toThrow(message);
  });

  it('names the package of a program that is not there', async () => {
    const missing = { program: 'no-such-program', args: [], debianPackage: 'no-such-package' };
    const expected = { code: 'TOOL_MISSING', hint: 'install the package no-such-package' };
    await expect(run(missing)).rejects.toThrow(expect.objectContaining(expected) as Error);
  });

  it('throws what the input throws', async () => {
    const input = async function* (): AsyncGenerator<Buffer> {
      yield* chunks(3);
      throw new TypeError('the input broke');
    };
    await expect(run(shell('cat'), input())).rejects.toThrow('the input broke');
  });

  it('is gone when the consumer stops', async () => {
    const name = `filter-test-${process.pid}`;
    const running = (): boolean => execFileSync('ps', ['-eo', 'args']).toString().includes(name);
    for await (const part of filterThrough(shell(`yes; : ${name}`), chunks(1), complain)) {
      expect(part.length).toBeGreaterThan(0);
      expect(running()).toBe(true);
      break;
    }
    for (let tries = 0; running() && tries < 100; tries++) await wait(20);
    expect(running()).toBe(false);
  });
});
