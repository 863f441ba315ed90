/**
 * Starts one sandbox: hands a plan to the helper program and waits for the command at its end.
 *
 * Everything the plan makes (mounts, namespaces, processes) belongs to the helper and vanishes with it: when the
 * command ends, when the signal aborts, and when this process is killed.
 */
import { spawn, type StdioOptions } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { finished } from 'node:stream/promises';
import type { Readable, Writable } from 'node:stream';
import { ArchBuildError } from '../errors.ts';
import type { ResourceUsage } from '../events.ts';
import { describeOperation, encodePlan, type Operation } from './plan.ts';
import { nativeProgram } from './native.ts';
import { openPipe, type Pipe } from './pipe.ts';

export type Outcome =
  | { readonly kind: 'exited'; readonly status: number }
  | { readonly kind: 'signaled'; readonly signal: string };

export interface SandboxOptions {
  /** Kills the whole sandbox at once; the call then throws INTERRUPTED. */
  readonly signal?: AbortSignal;
  /** Where the command's output goes; without it the command inherits our own streams. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', data: Buffer) => void;
  /** `null` (the default) is /dev/null; a number is an open descriptor, such as a terminal's. */
  readonly stdin?: 'inherit' | number | null;
  /** Descriptors for the command's stdout and stderr instead of `onOutput`. */
  readonly terminal?: number;
  /** Told at the end what the command's processes have used. */
  readonly onUsage?: (usage: ResourceUsage) => void;
  /** Told how to pass a signal on to the command. */
  readonly onStart?: (forward: (signal: NodeJS.Signals) => void) => void;
}

/** A command that could not be started: which operation the kernel refused, and why. */
export class SandboxRefusal extends ArchBuildError {
  readonly operation: Operation | undefined;
  readonly errno: string;

  constructor(operation: Operation | undefined, errno: string) {
    super('SANDBOX', `the kernel refused "${describeRefused(operation)}": ${errno}`, {
      hint: hintFor(operation, errno),
    });
    this.operation = operation;
    this.errno = errno;
  }
}

/** Runs the plan to its end. Throws SandboxRefusal when an operation fails, INTERRUPTED when aborted. */
export async function runSandbox(plan: readonly Operation[], options: SandboxOptions = {}): Promise<Outcome> {
  options.signal?.throwIfAborted();
  const encoded = encodePlan(plan);
  const helper = nativeProgram('sandbox'); // before the pipes: one that is not there must leave none open
  const output = options.onOutput === undefined ? undefined : { stdout: openPipe(), stderr: openPipe() };
  const child = spawn(helper, [String(process.pid)], {
    stdio: stdioOf(options, output),
    detached: true, // its own session: Ctrl-C reaches us alone, and we decide
    env: {},
  });
  const kill = (): void => void child.kill('SIGKILL');
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const forwarded = output === undefined ? [] : forwardOutput(output, options);
    options.onStart?.((signal) => void child.kill(signal));
    const [, planPipe, statusPipe] = [child.stdin, child.stdio[3] as Writable, child.stdio[4] as Readable];
    planPipe.on('error', () => undefined); // a helper that dies early says so on its status pipe
    planPipe.end(encoded);
    const closed = new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve());
    });
    const [report] = await Promise.all([readAll(statusPipe), closed, ...forwarded]);
    if (options.signal?.aborted === true) throw new ArchBuildError('INTERRUPTED', 'interrupted');
    const usage = parseUsage(report);
    if (usage !== undefined) options.onUsage?.(usage);
    return parseReport(report, plan);
  } finally {
    options.signal?.removeEventListener('abort', kill);
  }
}

interface Output {
  readonly stdout: Pipe;
  readonly stderr: Pipe;
}

function stdioOf(options: SandboxOptions, output: Output | undefined): StdioOptions {
  const stdin = options.stdin === null || options.stdin === undefined ? 'ignore' : options.stdin;
  const other = options.terminal ?? 'inherit';
  return [stdin, output?.stdout.writeEnd ?? other, output?.stderr.writeEnd ?? other, 'pipe', 'pipe'];
}

/** Until nobody can write any more. Our own copies of the write ends are closed: the child has its own. */
function forwardOutput(output: Output, { onOutput }: SandboxOptions): Promise<void>[] {
  return (['stdout', 'stderr'] as const).map((name) => {
    const { reader, writeEnd } = output[name];
    closeSync(writeEnd);
    reader.on('data', (data: Buffer) => onOutput?.(name, data));
    return finished(reader, { writable: false });
  });
}

async function readAll(stream: Readable): Promise<string> {
  let text = '';
  stream.setEncoding('utf8').on('data', (data: string) => (text += data));
  await finished(stream).catch(() => undefined);
  return text;
}

/** Only the first line counts: a refusal is followed by the exit of the process that met it. */
function parseReport(report: string, plan: readonly Operation[]): Outcome {
  const [kind, first, , errno] = report.split('\n', 1)[0]?.split(' ') ?? [];
  if (kind === 'exit') return { kind: 'exited', status: Number(first) };
  if (kind === 'signal') return { kind: 'signaled', signal: signalName(Number(first)) };
  if (kind === 'fail') throw new SandboxRefusal(plan[Number(first)], errnoName(Number(errno)));
  throw new ArchBuildError('SANDBOX', 'the sandbox helper ended without a word', {
    hint: 'it was killed from outside, or the machine is out of memory',
  });
}

const BLOCK_BYTES = 512;

/** The line behind the outcome; a sandbox that was killed has none. */
function parseUsage(report: string): ResourceUsage | undefined {
  const words = /^usage (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(report)?.slice(1).map(Number);
  if (words === undefined) return undefined;
  const [user = 0, system = 0, peak = 0, read = 0, written = 0] = words;
  return {
    userMs: user / 1000,
    systemMs: system / 1000,
    peakBytes: peak * 1024,
    readBytes: read * BLOCK_BYTES,
    writtenBytes: written * BLOCK_BYTES,
  };
}

/** What usually is behind it, by operation (or type of mount) and error; empty for any error. */
const REFUSED: readonly (readonly [what: string, errno: string, hint: string])[] = [
  ['overlay', 'ENODEV', 'the kernel has no overlayfs: load it with `modprobe overlay`'],
  [
    'overlay',
    'EINVAL',
    'the file system of the store cannot hold an overlay: name another directory with --root',
  ],
  ['unshare', 'EPERM', 'mount namespaces are forbidden here: see `arch-build doctor`'],
  ['enter', 'ENOSPC', 'raise the limit: sysctl user.max_user_namespaces=15000'],
  [
    'enter',
    'EPERM',
    'user namespaces are forbidden here: see `arch-build doctor`, or build with --isolation host or prefix',
  ],
  [
    'ids',
    'EINVAL',
    'this user or group id is not mapped here: give the user more in /etc/subuid and /etc/subgid',
  ],
  [
    'raise',
    'EPERM',
    'only root may raise a limit beyond `ulimit -H`, and nobody that of open files beyond /proc/sys/fs/nr_open',
  ],
  ['devpts', 'ENOSPC', 'all pseudo-terminals are in use (sysctl kernel.pty.max)'],
];

function hintFor(operation: Operation | undefined, errno: string): string {
  const what = operation?.op === 'mount' && operation.type !== '' ? operation.type : operation?.op;
  const known = REFUSED.find(([each, code]) => each === what && code === errno);
  return known?.[2] ?? 'run `arch-build doctor`: it tells what this host lacks';
}

function describeRefused(operation: Operation | undefined): string {
  return operation === undefined ? 'plan' : describeOperation(operation);
}

const nameOf = (table: Record<string, number>, value: number): string | undefined =>
  Object.entries(table).find(([, number]) => number === value)?.[0];

const errnoName = (errno: number): string => nameOf(constants.errno, errno) ?? `errno ${errno}`;
const signalName = (signal: number): string => nameOf(constants.signals, signal) ?? `signal ${signal}`;
