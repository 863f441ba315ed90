/** The instructions that change only the image config, as a table of pure functions. */
import { posix } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { expandWord, expandWords } from '../kubefile/expand.ts';
import type {
  ClusterInstruction,
  Command,
  CopyInstruction,
  FromInstruction,
  Instruction,
  KeyValue,
  RunInstruction,
  WorkdirInstruction,
} from '../kubefile/instruction.ts';
import { withEnvironment, type ContainerConfig } from '../oci/image-config.ts';
import { parseExpose } from './expose.ts';
import { healthcheckOf } from './healthcheck.ts';
import { argValue, scopeOf, type ArgSources } from './scope.ts';
import { parseStopSignal } from './stop-signal.ts';
import { containerConfigOf, withContainerConfig, type StageState } from './stage-state.ts';

export interface ConfigStep {
  readonly state: StageState;
  /** The history text. */
  readonly createdBy: string;
}

export interface WordContext {
  readonly escape: '\\' | '`';
  readonly args: ArgSources;
}

export type ConfigInstruction = Exclude<
  Instruction,
  FromInstruction | RunInstruction | CopyInstruction | WorkdirInstruction | ClusterInstruction
>;

const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

export function shellOf(state: StageState): readonly string[] {
  return containerConfigOf(state).Shell ?? DEFAULT_SHELL;
}

/** The words a command stands for: shell form goes to the stage's shell as one word. */
function commandWords(command: Command, shell: readonly string[]): string[] {
  return command.form === 'exec' ? [...command.words] : [...shell, command.text];
}

/** The stage after a config instruction. Throws EXPANSION and KUBEFILE_SEMANTICS for bad operands. */
export function applyConfigInstruction(
  state: StageState,
  instruction: ConfigInstruction,
  words: WordContext,
): ConfigStep {
  const [scope, options] = [scopeOf(state.variables), { escape: words.escape }];
  const expand = (word: string): string => expandWord(word, scope, options);
  const split = (word: string): string[] => expandWords(word, scope, options);
  const step = (next: StageState, operands: string): ConfigStep => ({
    state: next,
    createdBy: `${instruction.keyword} ${operands}`.trimEnd(),
  });
  switch (instruction.keyword) {
    case 'ARG':
      return step(...argStep(state, instruction.args, { expand, args: words.args }));
    case 'ENV':
      return step(...envStep(state, expandPairs(instruction.pairs, expand)));
    case 'LABEL':
      return step(...labelStep(state, expandPairs(instruction.pairs, expand)));
    case 'CMD':
    case 'ENTRYPOINT':
      return step(...commandStep(state, instruction.keyword, instruction.command));
    case 'EXPOSE':
      return step(...exposeStep(state, instruction.words.flatMap(split)));
    case 'VOLUME':
      return step(...volumeStep(state, instruction.words.map(expand)));
    case 'SHELL':
      return step(
        withContainerConfig(state, { Shell: [...instruction.words] }),
        JSON.stringify(instruction.words),
      );
    case 'HEALTHCHECK':
      return step(
        withContainerConfig(state, { Healthcheck: healthcheckOf(instruction) }),
        instruction.source.replace(/^\s*\S+\s+/, ''),
      );
    case 'ONBUILD':
      return step(
        withContainerConfig(state, {
          OnBuild: [...(containerConfigOf(state).OnBuild ?? []), instruction.trigger],
        }),
        instruction.trigger,
      );
    case 'USER':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
      return step(...wordStep(state, instruction.keyword, expand(instruction.word)));
  }
}

type Step = [StageState, string];

/** The history has what the file says, not what is given: an image whose ENV overrides it is the same for all values. */
function argStep(
  state: StageState,
  args: readonly { readonly key: string; readonly value?: string }[],
  { expand, args: sources }: { expand: (word: string) => string; args: ArgSources },
): Step {
  const variables = new Map(state.variables);
  const shown: string[] = [];
  for (const arg of args) {
    const value = argValue(arg, sources, expand);
    shown.push(arg.value === undefined ? arg.key : `${arg.key}=${expand(arg.value)}`);
    if (value !== undefined) variables.set(arg.key, value);
  }
  const declaredArgs = [...new Set([...state.declaredArgs, ...args.map(({ key }) => key)])];
  return [{ ...state, variables, declaredArgs }, shown.join(' ')];
}

const expandPairs = (pairs: readonly KeyValue[], expand: (word: string) => string): KeyValue[] =>
  pairs.map(({ key, value }) => ({ key: expand(key), value: expand(value) }));

const formatPairs = (pairs: readonly KeyValue[]): string =>
  pairs.map(({ key, value }) => `${key}=${value}`).join(' ');

function envStep(state: StageState, pairs: readonly KeyValue[]): Step {
  for (const { key } of pairs) {
    if (key === '') throw new ArchBuildError('KUBEFILE_SEMANTICS', 'ENV names cannot be blank');
  }
  const added = new Map(pairs.map(({ key, value }) => [key, value]));
  const variables = new Map([...state.variables, ...added]);
  return [{ ...state, variables, config: withEnvironment(state.config, added) }, formatPairs(pairs)];
}

function labelStep(state: StageState, pairs: readonly KeyValue[]): Step {
  const Labels = {
    ...containerConfigOf(state).Labels,
    ...Object.fromEntries(pairs.map((p) => [p.key, p.value])),
  };
  return [withContainerConfig(state, { Labels }), formatPairs(pairs)];
}

/** ENTRYPOINT clears the base's CMD; CMD never clears anything. An empty list is no field, as Docker writes it. */
function commandStep(state: StageState, keyword: 'CMD' | 'ENTRYPOINT', command: Command): Step {
  const words = commandWords(command, shellOf(state));
  const { Cmd, Entrypoint, ...rest } = containerConfigOf(state);
  const isCmd = keyword === 'CMD';
  const cmd = isCmd ? words : state.cmdSet ? Cmd : undefined;
  const config = { ...rest, ...listOf('Entrypoint', isCmd ? Entrypoint : words), ...listOf('Cmd', cmd) };
  const next = { ...state, config: { ...state.config, config }, cmdSet: state.cmdSet || isCmd };
  return [next, JSON.stringify(words)];
}

function listOf(key: 'Cmd' | 'Entrypoint', words: readonly string[] | undefined): ContainerConfig {
  return words === undefined || words.length === 0 ? {} : { [key]: words };
}

function exposeStep(state: StageState, words: readonly string[]): Step {
  const ExposedPorts = { ...containerConfigOf(state).ExposedPorts, ...setOf(words.flatMap(parseExpose)) };
  return [withContainerConfig(state, { ExposedPorts }), words.join(' ')];
}

function volumeStep(state: StageState, paths: readonly string[]): Step {
  if (paths.some((path) => path === ''))
    throw new ArchBuildError('KUBEFILE_SEMANTICS', 'VOLUME paths cannot be empty');
  const Volumes = { ...containerConfigOf(state).Volumes, ...setOf(paths) };
  return [withContainerConfig(state, { Volumes }), JSON.stringify(paths)];
}

/** A set as the config writes it. */
const setOf = (keys: readonly string[]): Record<string, object> =>
  Object.fromEntries(keys.map((key) => [key, {}]));

function wordStep(state: StageState, keyword: 'USER' | 'STOPSIGNAL' | 'MAINTAINER', word: string): Step {
  switch (keyword) {
    case 'USER':
      return [withContainerConfig(state, { User: word }), word];
    case 'STOPSIGNAL':
      return [withContainerConfig(state, { StopSignal: parseStopSignal(word) }), word];
    case 'MAINTAINER':
      return [{ ...state, config: { ...state.config, author: word } }, word];
  }
}

/** WORKDIR's new value: relative to the old one, cleaned; the old one where a variable came to nothing. */
export function resolveWorkdir(state: StageState, word: string): string {
  const cleaned = posix.resolve('/', containerConfigOf(state).WorkingDir ?? '', word);
  return cleaned.replace(/^\/\//, '/');
}
