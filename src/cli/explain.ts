/** Errors to text and exit status: the only place that does either. */
import { ArchBuildError, systemFailure, type ErrorCode } from '../errors.ts';
import { onStderr as chalk } from './colours.ts';
import { formatDiagnostic } from './diagnostic.ts';

const BUG = 70;

const USAGE: readonly ErrorCode[] = ['USAGE'];
/** The exit status for a host that cannot do what was asked. */
export const HOST_INCAPABLE = 3;

const HOST: readonly ErrorCode[] = [
  'HOST_INCAPABLE',
  'EMULATOR_MISSING',
  'EMULATOR_UNUSABLE',
  'BINFMT',
  'SANDBOX',
  'TOOL_MISSING',
];

/** 0 done, 1 failed, 2 wrong usage, 3 this host cannot do it, 70 a bug of ours, 130 interrupted. */
export function exitStatusOf(error: unknown): number {
  if (!(error instanceof ArchBuildError)) return systemFailure(error) === undefined ? BUG : 1;
  if (error.code === 'INTERRUPTED') return 130;
  if (USAGE.includes(error.code)) return 2;
  return HOST.includes(error.code) ? HOST_INCAPABLE : 1;
}

export function printError(error: unknown): void {
  const ours = error instanceof ArchBuildError ? error : systemFailure(error);
  if (ours !== undefined) {
    process.stderr.write(`${colour(formatDiagnostic(ours))}\n`);
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${chalk.red('this is a bug in arch-build')}, please report it with the lines below and what you ran:\n${stack}\n`,
  );
}

const colour = (text: string): string =>
  text
    .replace(/^error\[[A-Z_]+\]/, (head) => chalk.red.bold(head))
    .replace(/^hint:/m, (head) => chalk.cyan(head));
