/** All rules over one Kubefile: a pure function of the file, the options of the build and what is known around it. */
import { ArchBuildError } from '../../errors.ts';
import type { Instruction, Kubefile } from '../instruction.ts';
import { statementsOf } from '../parse.ts';
import { errorAt, lineText, readSource, type SourceText } from '../source-text.ts';
import { rangeOf } from '../statement.ts';
import { isWanted, parseCheckOptions, type CheckOptions } from './check-options.ts';
import { contextSources } from './context-sources.ts';
import { NO_FACTS, type Finding, type LintFacts, type LintInput, type LintPlatform } from './rule.ts';
import { RULES } from './rules.ts';
import { fromVariables, walkStages } from './stage-walk.ts';

export interface LintOptions {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Never empty. */
  readonly platforms: readonly LintPlatform[];
  /** `build`: what a build warns about. `check`: everything. */
  readonly purpose: 'build' | 'check';
  readonly facts?: LintFacts;
}

export interface LintResult {
  /** In the order of the text. */
  readonly findings: readonly Finding[];
  /** `error=true`: a build must not go on with findings. */
  readonly failsBuild: boolean;
}

const OVERRIDE = 'BUILDKIT_DOCKERFILE_CHECK';

/** Throws KUBEFILE_SYNTAX for `# check=` options that cannot be read, USAGE for those of --build-arg. */
export function lintKubefile(kubefile: Kubefile, options: LintOptions): LintResult {
  const check = checkOptionsOf(kubefile, options);
  const rules = RULES.filter(
    ({ name, when }) =>
      (options.purpose === 'check' || when !== 'check') &&
      isWanted(check, { rule: name, isExperiment: when === 'experimental' }),
  );
  if (rules.length === 0) return { findings: [], failsBuild: check.error };
  const input = inputOf(kubefile, options);
  const findings = rules.flatMap(({ name, find }) =>
    Array.from(find(input), (remark): Finding => ({ rule: name, ...remark })),
  );
  return { findings: findings.sort(byPlace), failsBuild: check.error };
}

/** The words of COPY and ADD whose files rules want to know about. */
export function contextWords(kubefile: Kubefile, options: LintOptions): string[] {
  const { byPlatform } = inputOf(kubefile, options);
  return [...new Set(byPlatform.flatMap((built) => contextSources(kubefile, built).map(({ word }) => word)))];
}

/** The images that FROM names, expanded; stages are not among them. */
export function baseImages(kubefile: Kubefile, options: LintOptions): string[] {
  const { byPlatform } = inputOf(kubefile, options);
  const images = byPlatform.flatMap(({ stages }) =>
    stages.flatMap(({ image, parent }) => (parent === undefined ? [image] : [])),
  );
  return [...new Set(images)];
}

function inputOf(kubefile: Kubefile, { buildArgs, platforms, facts = NO_FACTS }: LintOptions): LintInput {
  const statements = statementsOf(kubefile);
  // Two instructions never start in one line.
  const byLine = new Map(statements.map((statement) => [rangeOf(statement).start.line, statement]));
  const byPlatform = platforms.map((platform) => ({
    platform,
    stages: walkStages(kubefile, { buildArgs, platform, facts }),
  }));
  const [first] = platforms;
  if (first === undefined) throw new TypeError('a check is for at least one platform');
  return {
    kubefile,
    source: readSource(kubefile.text, kubefile.file),
    statements,
    statementOf: ({ range }: Instruction) => byLine.get(range.start.line),
    stages: byPlatform[0]?.stages ?? [],
    byPlatform,
    globals: fromVariables(kubefile, { buildArgs, platform: first }),
    defaults: fromVariables(kubefile, { buildArgs: {}, platform: first }),
    facts,
  };
}

function checkOptionsOf(kubefile: Kubefile, { buildArgs }: LintOptions): CheckOptions {
  const given = buildArgs[OVERRIDE];
  const options = parseCheckOptions(given ?? kubefile.check ?? '');
  if (!('problem' in options)) return options;
  if (given !== undefined) throw new ArchBuildError('USAGE', `--build-arg ${OVERRIDE}: ${options.problem}`);
  const source = readSource(kubefile.text, kubefile.file);
  throw errorAt(source, { line: lineOfCheck(source), column: 1 }, { message: options.problem });
}

const lineOfCheck = (source: SourceText): number =>
  1 +
  Math.max(
    0,
    source.lines.findIndex((_, index) => /^\s*#\s*check\s*=/i.test(lineText(source, index + 1))),
  );

const byPlace = (a: Finding, b: Finding): number =>
  a.position.line - b.position.line || a.position.column - b.position.column || (a.rule < b.rule ? -1 : 1);
