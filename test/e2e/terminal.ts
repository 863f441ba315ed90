/** The built program in a terminal, as a user has it: what is typed, what is shown, its size, its exit status. */
import { join } from 'node:path';
import { spawn } from 'node-pty';
import type { Cli } from '../support/cli.ts';

export const PROGRAM = join(import.meta.dirname, '../../dist/main.js');
const PATIENCE_MS = 20_000;

export interface Terminal extends AsyncDisposable {
  /** Everything shown so far. */
  text(): string;
  write(text: string): void;
  /** Types, then waits until something shown *after* it matches. */
  type(text: string, expected: string | RegExp): Promise<void>;
  until(expected: string | RegExp): Promise<void>;
  resize(columns: number, rows: number): void;
  /** The exit status, once everything the program wrote was shown. */
  readonly exited: Promise<number>;
}

/** The caller disposes it, which kills the program if it still runs. */
export function openTerminal(
  cli: Cli,
  args: readonly string[],
  { columns = 80, rows = 24 }: { columns?: number; rows?: number } = {},
): Terminal {
  const env = { ...process.env, ARCH_BUILD_ROOT: cli.root, TMPDIR: cli.temporary, TERM: 'xterm' };
  const child = spawn(process.execPath, [PROGRAM, ...args], { cols: columns, rows, env, encoding: 'utf8' });
  let shown = '';
  let running = true;
  const listeners = new Set<() => void>();
  child.onData((data) => {
    shown += data;
    for (const listener of listeners) listener();
  });
  const exited = new Promise<number>((resolve) => {
    child.onExit(({ exitCode }) => {
      running = false;
      resolve(exitCode);
    });
  });
  const waitFor = (expected: string | RegExp, from: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        listeners.delete(check);
      };
      const check = (): void => {
        const text = shown.slice(from);
        if (typeof expected === 'string' ? !text.includes(expected) : !expected.test(text)) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${String(expected)} was not shown; what was:\n${JSON.stringify(shown)}`));
      }, PATIENCE_MS);
      listeners.add(check);
      check();
    });
  return {
    text: () => shown,
    write: (text) => child.write(text),
    type: (text, expected) => {
      const from = shown.length;
      child.write(text);
      return waitFor(expected, from);
    },
    until: (expected) => waitFor(expected, 0),
    resize: (columns, rows) => child.resize(columns, rows),
    exited,
    [Symbol.asyncDispose]: async () => {
      if (running) child.kill('SIGKILL');
      await exited;
    },
  };
}
