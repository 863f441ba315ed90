/** `--build-arg` and `--build-arg-file`. */
import { readFileSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { BuildFlags } from './flags.ts';
import { variablesOf } from './pairs.ts';

/** Of files a later line goes before an earlier one, and the command line before all files. Throws USAGE. */
export function buildArgsOf({
  buildArg,
  buildArgFile,
}: Pick<BuildFlags, 'buildArg' | 'buildArgFile'>): Record<string, string> {
  const words = buildArgFile.flatMap((path) => linesOf(path));
  return { ...variablesOf('--build-arg-file', words), ...variablesOf('--build-arg', buildArg) };
}

/** Empty lines and those that begin with `#` say nothing. Values are what is written: no quotes, no escapes. */
function linesOf(path: string): string[] {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line !== '' && !line.startsWith('#'));
  } catch (cause) {
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new ArchBuildError('USAGE', `--build-arg-file ${path} cannot be read: ${reason}`, { cause });
  }
}
