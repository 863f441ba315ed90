/** Goes through the stages as a build does, for the names and values that the words of each instruction see. */
import { argValue, scopeOf, type ArgSources, type Variables } from '../arg-values.ts';
import { expandWord } from '../expand.ts';
import type { Instruction, Kubefile, KeyValue } from '../instruction.ts';
import { findBaseStage } from '../select-stages.ts';
import type { LintFacts, LintPlatform, LintStage, LintStep } from './rule.ts';

/** Every image's environment has it. */
const DEFAULT_ENVIRONMENT: Variables = new Map([
  ['PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
]);

export interface WalkOptions {
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly platform: LintPlatform;
  readonly facts: LintFacts;
}

export function walkStages(kubefile: Kubefile, options: WalkOptions): LintStage[] {
  const sources = argSources(kubefile, options);
  const stages: LintStage[] = [];
  for (const stage of kubefile.stages) {
    const image = expandOr(
      stage.from.image,
      new Map([...sources.platformArgs, ...sources.globals]),
      kubefile,
    );
    const base = findBaseStage(kubefile, image, stage.index);
    const parent = base === undefined ? undefined : stages[base.index];
    const known = parent?.end.environment ?? options.facts.images.get(image)?.environment;
    const complete = parent?.complete ?? (known !== undefined || image.toLowerCase() === 'scratch');
    const environment = known ?? DEFAULT_ENVIRONMENT;
    const begin = parent?.end ?? { variables: environment, environment, declared: new Set() };
    stages.push({
      stage,
      parent,
      image,
      complete,
      ...walkStage(kubefile, stage.instructions, { begin, sources }),
    });
  }
  return stages;
}

/** What FROM sees: the ARGs before it, and the automatic ones. */
export function fromVariables(
  kubefile: Kubefile,
  options: Pick<WalkOptions, 'buildArgs' | 'platform'>,
): Variables {
  const { platformArgs, globals } = argSources(kubefile, options);
  return new Map([...platformArgs, ...globals]);
}

function argSources(
  kubefile: Kubefile,
  { buildArgs, platform }: Pick<WalkOptions, 'buildArgs' | 'platform'>,
): ArgSources {
  const sources = { buildArgs, platformArgs: platform.args };
  const globals = new Map<string, string>();
  for (const arg of kubefile.globalArgs.flatMap(({ args }) => args)) {
    const expand = (word: string): string =>
      expandOr(word, new Map([...platform.args, ...globals]), kubefile);
    const value = argValue(arg, { ...sources, globals }, expand);
    if (value !== undefined) globals.set(arg.key, value);
  }
  return { ...sources, globals };
}

function walkStage(
  kubefile: Kubefile,
  instructions: readonly LintStep['instruction'][],
  { begin, sources }: { readonly begin: LintStage['end']; readonly sources: ArgSources },
): Pick<LintStage, 'steps' | 'end'> {
  let variables = new Map(begin.variables);
  const environment = new Map(begin.environment);
  let declared = new Set(begin.declared);
  const steps: LintStep[] = [];
  for (const instruction of instructions) {
    steps.push({ instruction, variables, declared });
    const before = variables;
    const expand = (word: string): string => expandOr(word, before, kubefile);
    if (instruction.keyword === 'ARG') {
      variables = new Map(variables);
      declared = new Set(declared);
      for (const arg of instruction.args) {
        declared.add(arg.key);
        const value = argValue(arg, sources, expand);
        if (value !== undefined) variables.set(arg.key, value);
      }
    } else if (instruction.keyword === 'ENV') {
      variables = new Map(variables);
      for (const [key, value] of expandPairs(instruction.pairs, expand)) {
        variables.set(key, value);
        environment.set(key, value);
      }
    }
  }
  const end = { variables: new Map([...variables, ...environment]), environment, declared };
  return { steps, end };
}

const expandPairs = (pairs: readonly KeyValue[], expand: (word: string) => string): [string, string][] =>
  pairs.map(({ key, value }) => [expand(key), expand(value)]);

/** The word as it is when it cannot be expanded: the build says so itself. */
export function expandOr(word: string, variables: Variables, { escape }: Pick<Kubefile, 'escape'>): string {
  try {
    return expandWord(word, scopeOf(variables), { escape });
  } catch {
    return word;
  }
}

/** The words of an instruction in which a build replaces variables. */
export function expandedWords(instruction: Instruction): string[] {
  switch (instruction.keyword) {
    case 'COPY':
    case 'ADD': {
      const { chown = '', chmod = '', exclude } = instruction.flags;
      const sources = instruction.sources.flatMap((source) => (source.kind === 'word' ? [source.word] : []));
      return [...sources, instruction.destination, chown, chmod, ...exclude];
    }
    case 'ENV':
    case 'LABEL':
      return instruction.pairs.flatMap(({ key, value }) => [key, value]);
    case 'ARG':
      return instruction.args.flatMap(({ value }) => (value === undefined ? [] : [value]));
    case 'EXPOSE':
    case 'VOLUME':
      return [...instruction.words];
    case 'USER':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
    case 'WORKDIR':
      return [instruction.word];
    default:
      return [];
  }
}
