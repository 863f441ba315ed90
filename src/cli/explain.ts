/** Errors to text and exit status: the only place that does either. */
import { ArchBuildError, type ErrorCode } from '../errors.ts';
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
  if (!(error instanceof ArchBuildError)) return isFullDisk(error) ? 1 : BUG;
  if (error.code === 'INTERRUPTED') return 130;
  if (USAGE.includes(error.code)) return 2;
  return HOST.includes(error.code) ? HOST_INCAPABLE : 1;
}

export function printError(error: unknown): void {
  if (error instanceof ArchBuildError) {
    process.stderr.write(`${colour(formatDiagnostic(error))}\n`);
    return;
  }
  const system = systemFailure(error);
  if (system !== undefined) {
    process.stderr.write(`${colour(formatDiagnostic(system))}\n`);
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${chalk.red('this is a bug in arch-build')}, please report it with the lines below and what you ran:\n${stack}\n`,
  );
}

const FULL: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE'];

const isFullDisk = (error: unknown): boolean => systemFailure(error) !== undefined;

/** Failures of the machine that can come from any file operation. */
function systemFailure(error: unknown): ArchBuildError | undefined {
  if (error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd')
    return new ArchBuildError('IO', 'the working directory does not exist any more', { cause: error });
  if (!(error instanceof Error) || !('code' in error) || !FULL.includes(String(error.code))) return undefined;
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: 'free space on the store’s file system: `arch-build prune`, or another --root',
    EDQUOT: 'the quota is used up: `arch-build prune`, or another --root',
    EROFS: 'the file system is read-only: name another directory with --root',
    EIO: 'the disk reports errors: see the kernel log',
    EMFILE: 'raise the limit of open files (ulimit -n)',
    ENFILE: 'the system has too many open files',
  };
  const hint = hints[String(error.code)];
  return new ArchBuildError('IO', error.message, { ...(hint === undefined ? {} : { hint }), cause: error });
}

const colour = (text: string): string =>
  text
    .replace(/^error\[[A-Z_]+\]/, (head) => chalk.red.bold(head))
    .replace(/^hint:/m, (head) => chalk.cyan(head));
