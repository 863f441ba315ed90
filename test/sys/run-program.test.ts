import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runPipe, runProgram } from '../../src/sys/run-program.ts';
import { buildProgram } from '../support/child.ts';

const scratch = mkdtempSync(join(tmpdir(), 'run-program-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const sh = (script: string): [string, string[]] => ['sh', ['-c', script]];

describe('runProgram', () => {
  it.each([
    ['success', 'exit 0', 0],
    ['an exit status', 'exit 7', 7],
    ['the status 255', 'exit 255', 255],
    ['death by SIGKILL', 'kill -9 $$', 137],
    ['death by SIGSEGV', 'kill -11 $$', 139],
  ])('reports %s as a shell would', async (_, script, status) => {
    expect((await runProgram(...sh(script))).status).toBe(status);
  });

  it('gives back both streams, to the byte', async () => {
    expect(await runProgram(...sh('printf "out\\n"; printf " err" >&2'))).toEqual({
      status: 0,
      stdout: 'out\n',
      stderr: ' err',
    });
  });

  it('feeds the input, and has none by default', async () => {
    expect((await runProgram('cat', [], { input: 'hällo' })).stdout).toBe('hällo');
    expect((await runProgram('cat', [])).stdout).toBe('');
  });

  it('gives the program exactly the environment it is told', async () => {
    process.env['RUN_PROGRAM_TEST'] = 'leak';
    try {
      expect((await runProgram('/usr/bin/env', [], { env: { A: '1' } })).stdout).toBe('A=1\n');
      expect((await runProgram('/usr/bin/env', [])).stdout).toContain('RUN_PROGRAM_TEST=leak');
    } finally {
      delete process.env['RUN_PROGRAM_TEST'];
    }
  });

  it('passes arguments on as they are', async () => {
    const args = ['a b', '$HOME', '*', '', '"', "'", '-n'];
    expect((await runProgram('printf', ['%s\\n', ...args])).stdout).toBe(`${args.join('\n')}\n`);
  });

  it('runs where it is told', async () => {
    expect((await runProgram('pwd', [], { cwd: scratch })).stdout).toBe(`${scratch}\n`);
  });

  it('kills a program that takes too long', async () => {
    const started = performance.now();
    expect((await runProgram('sleep', ['30'], { timeoutMs: 100 })).status).toBe(137);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is interrupted by the signal, and kills the program', async () => {
    const controller = new AbortController();
    const marker = join(scratch, 'pid');
    const running = runProgram(...sh(`echo $$ > ${marker}; exec sleep 30`), { signal: controller.signal });
    setTimeout(() => controller.abort(), 200);
    await expect(running).rejects.toThrow(expect.objectContaining({ code: 'INTERRUPTED' }));
    expect(() => process.kill(Number(readFileSync(marker, 'utf8')), 0)).toThrow();
  });

  it('does not start anything when already interrupted', async () => {
    const running = runProgram('touch', [join(scratch, 'started')], { signal: AbortSignal.abort() });
    await expect(running).rejects.toThrow(expect.objectContaining({ code: 'INTERRUPTED' }));
    expect(() => readFileSync(join(scratch, 'started'))).toThrow();
  });

  it('says that a program is not there', async () => {
    await expect(runProgram('no-such-program-here', [])).rejects.toThrow(
      expect.objectContaining({ code: 'TOOL_MISSING' }),
    );
  });

  it.each([
    ['a file that is not executable', 0o644],
    ['a directory', undefined],
  ])('says that %s cannot be started', async (_, mode) => {
    const path = mode === undefined ? scratch : join(scratch, 'bad');
    if (mode !== undefined) writeFileSync(path, '#!/bin/sh\n', { mode });
    await expect(runProgram(path, [])).rejects.toThrow(expect.objectContaining({ code: 'IO' }));
  });

  it('hands what the kernel does not know to a shell, as execvp does', async () => {
    const path = join(scratch, 'foreign');
    writeFileSync(path, Buffer.from('7f454c4602010100000000000000000002001600', 'hex'), { mode: 0o755 });
    expect((await runProgram(path, [])).status).toBe(127);
  });

  it('ends a program that floods us', async () => {
    const { status, stdout } = await runProgram('yes', []);
    expect(status).not.toBe(0);
    expect(stdout.length).toBeLessThanOrEqual(17 * 1024 * 1024);
  });
});

describe('a program that ends with us', () => {
  const together = { endsWithUs: true } as const;
  /** Who is dead and not yet buried does nothing any more. */
  const isAlive = (pid: string): boolean =>
    existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

  it.each([
    ['exit 7', 7],
    ['kill -9 $$', 137],
  ])('has its own status: %s', async (script, status) => {
    const result = await runProgram(...sh(`echo out; echo err >&2; ${script}`), together);
    expect(result).toMatchObject({ status, stdout: 'out\n' });
    expect(result.stderr).toMatch(/^err\n(?:Killed\n)?$/); // the second line is the shell's
  });

  it('takes along what it has started, when it ends and when it is interrupted', async () => {
    const { stdout } = await runProgram(...sh('sleep 30 >/dev/null 2>&1 & echo $!'), together);
    await expect.poll(() => isAlive(stdout.trim())).toBe(false);
    const controller = new AbortController();
    const marker = join(scratch, 'child');
    const running = runProgram(
      ...sh(`sleep 30 & echo $! > ${marker}.new; mv ${marker}.new ${marker}; wait`),
      {
        ...together,
        signal: controller.signal,
      },
    );
    running.catch(() => undefined);
    await expect.poll(() => existsSync(marker)).toBe(true);
    controller.abort();
    await expect(running).rejects.toThrow(expect.objectContaining({ code: 'INTERRUPTED' }));
    await expect.poll(() => isAlive(readFileSync(marker, 'utf8').trim())).toBe(false);
  });

  it('is killed with all it has started when we are', async () => {
    using program = await buildProgram(`
      import { runProgram } from './sys/run-program.ts';
      const script = 'sleep 30 & echo $$ $! > "$1.new"; mv "$1.new" "$1"; wait';
      void runProgram('sh', ['-c', script, 'sh', process.argv[2]!], { endsWithUs: true });
      console.log('started');
    `);
    const marker = join(scratch, 'pids');
    await using child = program.start([marker]);
    await child.line();
    await expect.poll(() => existsSync(marker), { timeout: 10_000 }).toBe(true);
    const pids = readFileSync(marker, 'utf8').trim().split(' ');
    expect(pids.map(isAlive)).toEqual([true, true]);
    await child.kill();
    await expect.poll(() => pids.map(isAlive)).toEqual([false, false]);
  });
});

describe('runPipe', () => {
  it('joins two programs, binary included', async () => {
    const bytes = join(scratch, 'bytes');
    writeFileSync(bytes, Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256)));
    const expected = await runProgram('sha256sum', ['-'], { input: readFileSync(bytes) });
    expect(await runPipe(['cat', bytes], ['sha256sum', '-'])).toEqual(expected);
  });

  it('goes beyond the size of a pipe and of the output limit', async () => {
    const { stdout } = await runPipe(['head', '-c', '50000000', '/dev/zero'], ['wc', '-c']);
    expect(stdout.trim()).toBe('50000000');
  });

  it.each([
    ['first', ['sh', '-c', 'echo one >&2; exit 3'], ['cat'], 3, 'one\n'],
    ['second', ['echo', 'x'], ['sh', '-c', 'cat > /dev/null; echo two >&2; exit 4'], 4, 'two\n'],
  ] as const)('reports what the %s said when it went wrong', async (...[, first, second, status, stderr]) => {
    expect(await runPipe([...first], [...second])).toMatchObject({ status, stderr });
  });

  it.each([
    [['no-such-program-here'], ['cat']],
    [['echo', 'x'], ['no-such-program-here']],
  ] as const)('says that a program is not there: %j | %j', async (first, second) => {
    await expect(runPipe([...first], [...second])).rejects.toThrow(
      expect.objectContaining({ code: 'TOOL_MISSING' }),
    );
  });
});
