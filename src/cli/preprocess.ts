/** Files named `*.in` go through the C preprocessor first, as buildah's and podman's do. */
import type { KubefileSource } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { runProgram } from '../sys/run-program.ts';

export interface PreprocessOptions {
  /** Where `#include "FILE"` is looked for. */
  readonly context: string;
  /** Words of `--cpp-flag`. */
  readonly flags: readonly string[];
  readonly report: Reporter;
  readonly signal: AbortSignal;
}

export const isPreprocessed = (path: string): boolean => path.endsWith('.in');

/**
 * Only for files whose author is trusted: an `#include` reads any file of the host. Comments look like bad directives
 * to cpp, so what it finds wrong is a warning as long as it prints anything. Lines of messages are those of the result.
 * Throws TOOL_MISSING without a cpp, KUBEFILE_SYNTAX for no result at all.
 */
export async function preprocessed(
  source: KubefileSource,
  { context, flags, report, signal }: PreprocessOptions,
): Promise<KubefileSource> {
  if (!isPreprocessed(source.path)) return source;
  const args = ['-E', '-P', '-traditional', '-undef', '-iquote', context, ...flags, '-'];
  const { status, stdout, stderr } = await runProgram('cpp', args, { input: source.text, signal });
  if (status === 0) return { ...source, text: stdout };
  const problems = stderr.trim();
  if (stdout.trim() === '') {
    throw new ArchBuildError('KUBEFILE_SYNTAX', `the C preprocessor makes nothing of ${source.path}`, {
      hint: problems,
    });
  }
  report({ type: 'warning', text: `the C preprocessor on ${source.path}: ${problems}` });
  return { ...source, text: stdout };
}
