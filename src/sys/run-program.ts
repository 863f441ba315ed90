/** Runs an ordinary program of the host to its end and gives back what it said. Not for steps: those have sandboxes. */
import { constants } from 'node:os';
import type { Options } from 'execa';
import { ArchBuildError } from '../errors.ts';

export interface RunProgramOptions {
  readonly input?: string | Uint8Array;
  /** The program's whole environment; without it, ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Kills the program; the call then throws INTERRUPTED. */
  readonly signal?: AbortSignal;
  /** What the program has started ends with it, and all of them with us, however we end. Excludes `input`. */
  readonly endsWithUs?: boolean;
}

export interface ProgramResult {
  /** As a shell would say it: 128 + n for a program that died of signal n (a time-out: 128 + SIGKILL). */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Never throws because of the exit status. Throws TOOL_MISSING when there is no such program, IO when the kernel
 * refuses to start it, INTERRUPTED when aborted. Output beyond 16 MiB ends the program.
 *
 * Beware: like a shell, Node gives a file of a format that the kernel does not know to /bin/sh (execvp does), so a
 * foreign program ends with status 127 or worse; look at its header first.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: RunProgramOptions = {},
): Promise<ProgramResult> {
  interruptedIf(options.signal);
  const { execa } = await import('execa'); // 20 ms that most commands can do without
  if (options.endsWithUs !== true)
    return outcome(file, await execa(file, args, execaOptions(options)), options);
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const;
  const { stdin: _stdin, ...rest } = execaOptions(options);
  const group = execa('/bin/sh', ['-c', TOGETHER, 'sh', file, ...args], { ...rest, stdio, detached: true });
  void group.once('exit', () => killGroup(group.pid));
  return outcome(file, await group, options);
}

/** The shell leads a process group of its own; our end of descriptor 3 closes with us, whoever ends us. */
const TOGETHER = `"$@" 3<&- & program=$!
{ read _ <&3; kill -KILL 0; } >/dev/null 2>&1 & watcher=$!
wait $program; status=$?
kill -KILL $watcher; exit $status`;

function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch {
    // nothing of it is left
  }
}

/** `first | second`: the result of `second`, with the status and words of `first` when that one went wrong. */
export async function runPipe(
  first: readonly [string, ...string[]],
  second: readonly [string, ...string[]],
  options: Omit<RunProgramOptions, 'input'> = {},
): Promise<ProgramResult> {
  interruptedIf(options.signal);
  const [file, ...args] = first;
  const [nextFile, ...nextArgs] = second;
  const { execa } = await import('execa');
  const source = execa(file, args, { ...execaOptions(options), buffer: { stdout: false } });
  const piped = await source.pipe(nextFile, nextArgs, execaOptions(options));
  const [from, to] = [outcome(file, await source, options), outcome(nextFile, piped, options)];
  return from.status === 0 ? to : { ...to, status: from.status, stderr: from.stderr };
}

const MAX_OUTPUT = 16 * 1024 * 1024;

function execaOptions({
  input,
  env,
  cwd,
  timeoutMs,
  signal,
}: RunProgramOptions): Options & { reject: false } {
  return {
    reject: false,
    stripFinalNewline: false,
    maxBuffer: MAX_OUTPUT,
    killSignal: 'SIGKILL',
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    ...(env === undefined ? {} : { env, extendEnv: false }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  };
}

interface Finished {
  readonly exitCode?: number | undefined;
  readonly signal?: NodeJS.Signals | undefined;
  readonly code?: string | undefined;
  readonly stdout?: unknown;
  readonly stderr?: unknown;
  readonly cause?: unknown;
}

function outcome(file: string, result: Finished, { signal }: RunProgramOptions): ProgramResult {
  interruptedIf(signal);
  const status =
    result.exitCode ?? (result.signal === undefined ? undefined : 128 + constants.signals[result.signal]);
  if (status === undefined) throw refusal(file, result);
  return { status, stdout: textOf(result.stdout), stderr: textOf(result.stderr) };
}

const textOf = (output: unknown): string => (typeof output === 'string' ? output : '');

function refusal(file: string, { code, cause }: Finished): ArchBuildError {
  if (code === 'ENOENT') return new ArchBuildError('TOOL_MISSING', `there is no program ${file}`, { cause });
  return new ArchBuildError('IO', `cannot start ${file}: ${code ?? 'unknown reason'}`, { cause });
}

function interruptedIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new ArchBuildError('INTERRUPTED', 'interrupted');
}
