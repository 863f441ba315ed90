/**
 * doctor --fix: runs the commands of the rows that are safe to run: they concern this host alone, end with a reboot or
 * are simply undone, and change no configuration. Everything else is said, not done.
 */
import { ArchBuildError } from '../errors.ts';
import { runProgram } from '../sys/run-program.ts';
import { commandText } from './checks/check.ts';
import type { CheckResult, DoctorReport } from './doctor.ts';

export interface FixOutcome {
  /** Of the check. */
  readonly id: string;
  readonly state: 'done' | 'failed' | 'needs you';
  /** What was run, or what is to be run or done, as people read it. */
  readonly what: string;
  /** What the command said when it failed. */
  readonly words?: string;
}

export interface FixOptions {
  /** What `arch-build` is here: a command line that starts this program. */
  readonly self: readonly string[];
  readonly isRoot: boolean;
  readonly signal: AbortSignal;
  /** Told of each command before it runs: some take a while. */
  readonly onStart: (what: string) => void;
}

/** Only rows that are in the way (`warn`, `fail`). The same command is run once. Throws INTERRUPTED. */
export async function applyFixes({ checks }: DoctorReport, options: FixOptions): Promise<FixOutcome[]> {
  const outcomes = new Map<string, FixOutcome>();
  for (const check of checks) {
    const { fix, state } = check;
    if (fix === undefined || (state !== 'warn' && state !== 'fail') || outcomes.has(fix)) continue;
    outcomes.set(fix, await applyFix({ ...check, fix }, options));
  }
  return [...outcomes.values()];
}

async function applyFix(
  { id, fix, action }: CheckResult & { readonly fix: string },
  options: FixOptions,
): Promise<FixOutcome> {
  if (action === undefined || action.by !== 'doctor') return { id, state: 'needs you', what: fix };
  const what = action.commands.map(commandText).join(' && ');
  if (action.needsRoot && !options.isRoot) return { id, state: 'needs you', what: `as root: ${what}` };
  options.onStart(what);
  for (const command of action.commands) {
    const words = await runOne(command, options);
    if (words !== undefined) return { id, state: 'failed', what, words };
  }
  return { id, state: 'done', what };
}

/** Undefined when it worked. */
async function runOne(
  [file = '', ...args]: readonly string[],
  { self, signal }: FixOptions,
): Promise<string | undefined> {
  const [program = file, ...before] = file === 'arch-build' ? self : [file];
  try {
    const { status, stderr } = await runProgram(program, [...before, ...args], { signal });
    return status === 0 ? undefined : stderr.trim() || `exit status ${status}`;
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code === 'INTERRUPTED') throw error;
    return error.message;
  }
}
