/** What a RUN (or `run`) that could not be started, or has failed, is told as. */
import { ArchBuildError } from '../errors.ts';
import type { Explanation } from '../emulation/failures.ts';
import type { GroupEvents } from '../sys/cgroup/group.ts';
import type { GroupLimits } from '../sys/cgroup/limits.ts';
import { SandboxRefusal, type Outcome } from '../sys/sandbox.ts';
import type { RunCommand } from './heredoc-command.ts';

/** The command itself could not be started: that is the image's or the user's matter, not the sandbox's. */
export function startFailure(error: unknown, { argv }: Pick<RunCommand, 'argv'>): unknown {
  if (!(error instanceof SandboxRefusal)) return error;
  const { operation, errno } = error;
  if (operation?.op === 'exec') {
    const hints: Readonly<Record<string, string>> = {
      ENOENT:
        'the image has no such program, or its ELF interpreter is missing; shell form needs /bin/sh in the image (a Kubefile is lent one)',
      ENOEXEC: 'the program is for another architecture than the platform being built, or no program at all',
      EACCES: 'the program is not executable',
    };
    return new ArchBuildError('RUN_FAILED', `cannot start ${JSON.stringify(argv[0])}: ${errno}`, {
      ...(hints[errno] === undefined ? {} : { hint: hints[errno] }),
      cause: error,
    });
  }
  if (operation?.op === 'workdir') {
    return new ArchBuildError(
      'RUN_FAILED',
      `cannot enter the working directory ${operation.path}: ${errno}`,
      { cause: error },
    );
  }
  return error;
}

/** The command has ended, and not well. */
export function runFailure(
  outcome: Outcome,
  { argv }: RunCommand,
  explained: Pick<Explanation, 'what' | 'hint'> | undefined,
): ArchBuildError {
  const how =
    outcome.kind === 'exited' ? `exited with status ${outcome.status}` : `was killed by ${outcome.signal}`;
  const what = `${JSON.stringify(argv.join(' ').slice(0, 200))} ${how}`;
  return new ArchBuildError('RUN_FAILED', explained === undefined ? what : `${what} (${explained.what})`, {
    ...(explained === undefined ? {} : { hint: explained.hint }),
  });
}

/** What the limits of its control group have done to a command; undefined for nothing. */
export function limitsReached(
  { killed, refused }: GroupEvents,
  { memoryBytes, pids }: GroupLimits,
): Pick<Explanation, 'what' | 'hint'> | undefined {
  if (killed > 0) {
    const limit = memoryBytes === undefined ? '' : ` of ${sizeText(memoryBytes)}`;
    return {
      what: `its memory${limit} was used up, and the kernel killed ${killed === 1 ? 'a process' : `${killed} processes`}`,
      hint: 'give it more with --memory, or let it do less at once (make -j1)',
    };
  }
  if (refused === 0) return undefined;
  return {
    what: `it reached its limit of ${pids === undefined ? '' : `${pids} `}processes, and ${refused === 1 ? 'one more was' : `${refused} more were`} refused`,
    hint: 'give it more with --pids-limit, or let it do less at once (make -j1)',
  };
}

const sizeText = (bytes: number): string =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} KiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
