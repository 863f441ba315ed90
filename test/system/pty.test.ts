/** A pseudo-terminal: nothing of the output is lost, sizes and statuses arrive, and input is never an error. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openPseudoTerminal, type PseudoTerminal } from '../../src/sys/pty.ts';

const size = { columns: 91, rows: 17 };

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a shell script with the terminal as its three streams; `use` is called while it runs. */
async function onTerminal(
  script: string,
  use?: (terminal: PseudoTerminal) => Promise<void> | void,
): Promise<Ran> {
  const chunks: Buffer[] = [];
  let status: number | null;
  {
    await using terminal = openPseudoTerminal(size, (data) => chunks.push(Buffer.from(data)));
    const { slave } = terminal;
    const child = spawn('setsid', ['-c', 'sh', '-c', script], { stdio: [slave, slave, slave] });
    const ended = once(child, 'exit') as Promise<[number | null]>;
    await use?.(terminal);
    [status] = await ended;
  }
  return { status, output: Buffer.concat(chunks).toString().replaceAll('\r\n', '\n') };
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('a pseudo-terminal', () => {
  it('gives back 200 KB to the byte, 30 times of 30', async () => {
    const expected = Array.from({ length: 4000 }, (_, index) => `line ${index} ${'x'.repeat(40)}\n`).join('');
    expect(expected.length).toBeGreaterThan(200_000);
    const script = `i=0; awk 'BEGIN { x = sprintf("%40s", ""); gsub(" ", "x", x); for (i = 0; i < 4000; i++) print "line " i " " x }'; exit 7`;
    for (let run = 0; run < 30; run += 1) {
      const { status, output } = await onTerminal(script);
      expect(status).toBe(7);
      expect(output.length).toBe(expected.length);
      expect(output === expected).toBe(true);
    }
  }, 120_000);

  it.each([0, 1, 125, 255])('lets the command end with status %d', async (status) => {
    expect(await onTerminal(`exit ${status}`)).toEqual({ status, output: '' });
  });

  it('is a terminal of the size it was given, and of a new one after a resize', async () => {
    const script = `stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done`;
    const { output } = await onTerminal(script, async (terminal) => {
      await sleep(500);
      terminal.resize(120, 40);
    });
    expect(output).toBe('17 91\nready\n40 120\n');
  });

  it('hands on input, and ^C as a signal', async () => {
    const { output, status } = await onTerminal(
      `trap 'echo caught; exit 3' INT; read line; echo "got $line"; while :; do sleep 0.05; done`,
      async (terminal) => {
        await sleep(300);
        terminal.write(Buffer.from('hällo\n'));
        await sleep(300);
        terminal.write(Buffer.from([3]));
      },
    );
    expect(output).toContain('got hällo\n');
    expect(output).toContain('caught\n');
    expect(status).toBe(3);
  });

  it('takes more input than the command reads without an error', async () => {
    const { status } = await onTerminal('stty -icanon -echo; sleep 1; exit 5', async (terminal) => {
      await sleep(300);
      for (let index = 0; index < 32; index += 1) terminal.write(Buffer.alloc(8192, 0x61));
    });
    expect(status).toBe(5);
  });

  it('leaves no descriptor open', async () => {
    await onTerminal('true');
    const before = openFiles();
    for (let run = 0; run < 5; run += 1) await onTerminal('echo x');
    expect(openFiles()).toBe(before);
  });
});
