/** `--check`: what is wrong or surprising in a Kubefile. Builds nothing, fetches nothing. */
import {
  lintKubefile,
  baseImages,
  contextWords,
  type LintOptions,
  type LintResult,
} from '../kubefile/lint/lint.ts';
import type { LintPlatform } from '../kubefile/lint/rule.ts';
import type { Kubefile } from '../kubefile/instruction.ts';
import { ArchBuildError } from '../errors.ts';
import { hostPlatform } from '../emulation/host.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { imageFacts, sourceFacts } from './check-facts.ts';
import { openBuildContext } from './context.ts';
import { writtenKubefile } from './kubefile-of.ts';
import type { BuildOptions, Job } from './options.ts';
import { platformArgs } from './scope.ts';

export interface CheckRequest {
  /** Undefined: nothing is known of base images. */
  readonly store: Store | undefined;
  readonly signal: AbortSignal;
}

export interface CheckResult extends LintResult {
  readonly kubefile: Kubefile;
}

/** Throws what parsing throws, and CONTEXT or IGNORE_PATTERN for a context that cannot be read. */
export async function check({ store, signal }: CheckRequest, options: BuildOptions): Promise<CheckResult> {
  const kubefile = writtenKubefile(options);
  const lint: LintOptions = { ...lintOptions(options), purpose: 'check' };
  const [platform = hostPlatform()] = options.platforms;
  const images = baseImages(kubefile, lint).flatMap((name) => {
    const known = store === undefined ? undefined : imageFacts(store, name, platform);
    return known === undefined ? [] : [[name, known] as const];
  });
  const words = contextWords(kubefile, lint);
  const context = words.length === 0 ? undefined : openBuildContext(options, kubefile.dialect);
  const sources = new Map<string, Awaited<ReturnType<typeof sourceFacts>>>();
  for (const word of context === undefined ? [] : words) {
    signal.throwIfAborted();
    if (context !== undefined) sources.set(word, await sourceFacts(context, word, signal));
  }
  return { kubefile, ...lintKubefile(kubefile, { ...lint, facts: { images: new Map(images), sources } }) };
}

/** Says what a build says of its Kubefile. Throws KUBEFILE_SEMANTICS when `# check=error=true` makes that an error. */
export function warnOf({ report }: Pick<Job, 'report'>, kubefile: Kubefile, options: BuildOptions): void {
  const { findings, failsBuild } = lintKubefile(kubefile, { ...lintOptions(options), purpose: 'build' });
  for (const { rule, message, position } of findings)
    report({ type: 'warning', text: `${message} (${rule})`, location: { file: kubefile.file, ...position } });
  const [first] = findings;
  if (!failsBuild || first === undefined) return;
  const rules = [...new Set(findings.map(({ rule }) => rule))].join(', ');
  throw new ArchBuildError(
    'KUBEFILE_SEMANTICS',
    `the check option error=true makes this an error: ${rules}`,
    {
      location: {
        file: kubefile.file,
        ...first.position,
        sourceLine: sourceLineOf(kubefile, first.position.line),
      },
      hint: 'correct the lines, or skip their rules with # check=skip=RULE',
    },
  );
}

export const sourceLineOf = ({ text }: Kubefile, line: number): string =>
  text
    .replace(/^\ufeff/, '')
    .split('\n')
    [line - 1]?.replace(/\r+$/, '') ?? '';

function lintOptions({ buildArgs, platforms }: BuildOptions): Omit<LintOptions, 'purpose'> {
  return {
    buildArgs,
    platforms: platforms.map((platform): LintPlatform => ({
      name: formatPlatform(platform),
      architecture: platform.architecture,
      args: platformArgs(hostPlatform(), platform, ''),
    })),
  };
}
