/**
 * Runs the built program as a user does: `dist/main.js` with arguments, environment, input and signals.
 *
 * `openCli()` gives each test a store and a temporary directory of its own, so that tests neither share state nor
 * leave any, and so that what a run leaves behind can be seen (host-state.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openScratch, type Scratch } from './scratch.ts';

const PROGRAM = join(import.meta.dirname, '../../dist/main.js');

export interface Outcome {
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  /** Over this process's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: nothing, at its end at once. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Sent once `when` occurs in what the program has printed so far on one of the streams. */
  readonly interrupt?: { readonly signal: NodeJS.Signals; readonly when: string | RegExp };
  /** In front of the command line: a program that runs another, such as setpriv. */
  readonly through?: readonly string[];
  /** Killed with SIGKILL after it; default five minutes. */
  readonly timeoutMs?: number;
}

export interface Cli extends AsyncDisposable {
  readonly scratch: Scratch;
  /** `$ARCH_BUILD_ROOT` of every call. */
  readonly root: string;
  /** `$TMPDIR` of every call. */
  readonly temporary: string;
  /** Whatever the status. */
  call(args: readonly string[], options?: CallOptions): Promise<Outcome>;
  /** Standard output without its last newline. Throws an error that shows both streams unless the status is 0. */
  run(args: readonly string[], options?: CallOptions): Promise<string>;
}

/** The caller disposes it. Throws when the program is not built. */
export async function openCli(): Promise<Cli> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: run \`npm run build\` first`);
  const scratch = await openScratch('cli');
  const root = scratch.path('store');
  const temporary = scratch.path('tmp');
  await mkdir(temporary);
  const call: Cli['call'] = (args, options = {}) =>
    callProgram(args, { ...options, env: { ARCH_BUILD_ROOT: root, TMPDIR: temporary, ...options.env } });
  return {
    scratch,
    root,
    temporary,
    call,
    run: async (args, options) => {
      const outcome = await call(args, options);
      if (outcome.status !== 0) throw new Error(describeFailure(args, outcome));
      return outcome.stdout.replace(/\n$/, '');
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

/** Without a store of its own: for `--help`, `--version` and the like. */
export async function callProgram(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
  const [file = '', ...words] = [...(options.through ?? []), process.execPath, PROGRAM, ...args];
  const child = spawn(file, words, {
    env: environment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 300_000,
    killSignal: 'SIGKILL',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.stdin.on('error', () => undefined); // it may end without having read its input
  child.stdin.end(options.input);
  const printed = collect(child, options.interrupt);
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, stdout: printed.stdout(), stderr: printed.stderr() };
}

/** Not the one of CI: colour and progress must not depend on where the tests run. */
function environment(changes: CallOptions['env'] = {}): NodeJS.ProcessEnv {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env;
  const merged = { ...inherited, ...changes };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}

interface Printed {
  stdout(): string;
  stderr(): string;
}

function collect(child: ChildProcess, interrupt: CallOptions['interrupt']): Printed {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const text = (stream: 'stdout' | 'stderr'): string => Buffer.concat(chunks[stream]).toString('utf8');
  let waiting = interrupt;
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (chunk: Buffer) => {
      chunks[stream].push(chunk);
      if (waiting === undefined || !occursIn(text(stream), waiting.when)) return;
      child.kill(waiting.signal);
      waiting = undefined;
    });
  }
  return { stdout: () => text('stdout'), stderr: () => text('stderr') };
}

function occursIn(text: string, when: string | RegExp): boolean {
  return typeof when === 'string' ? text.includes(when) : when.test(text);
}

function describeFailure(args: readonly string[], { status, signal, stdout, stderr }: Outcome): string {
  const end = signal === null ? `exit status ${String(status)}` : `signal ${signal}`;
  return `arch-build ${args.join(' ')}: ${end}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
}
