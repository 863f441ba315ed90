/**
 * What a config file sets: options of the command line, by their long names. Global ones and those of the default command
 * stand at the top, those of another command below its name. All of the file is looked at, whatever command runs.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidArgumentError, type Command, type Option } from 'commander';
import type { YamlLeaf, YamlMapping, YamlTree } from '../../cluster/yaml/tree.ts';
import { didYouMean } from '../../kubefile/suggest.ts';
import type { ConfigFile } from './config-file.ts';

export interface Setting {
  readonly option: Option;
  readonly value: unknown;
}

/** By command; those of the program itself are the global ones. */
export type Settings = ReadonlyMap<Command, readonly Setting[]>;

/** They say what one call is to do, or have been looked at before the file is read. */
const NOT_IN_FILES: ReadonlySet<string> = new Set(['config', 'version', 'help', 'check', 'plan', 'no-color']);

export const nameOf = ({ long }: Option): string => long?.replace(/^--/, '') ?? '';

/** Those that people are shown: the others are refused anyway, or are global ones that may stand behind a command. */
const settable = (command: Command): Option[] =>
  command.options.filter((option) => !option.hidden && !NOT_IN_FILES.has(nameOf(option)));

/** Throws USAGE with the place for what is unknown, there twice, or not what the option takes. */
export function readSettings(program: Command, defaultCommand: Command, file: ConfigFile): Settings {
  const settings = new Map<Command, Setting[]>();
  if (file.tree === undefined) return settings;
  new SettingsReader(program, file, settings).read(file.tree, program, [program, defaultCommand]);
  return settings;
}

interface OwnedOption {
  readonly owner: Command;
  readonly option: Option;
}

const optionOf = (name: string, owners: readonly Command[]): OwnedOption | undefined =>
  owners
    .flatMap((owner) => settable(owner).map((option) => ({ owner, option })))
    .find(({ option }) => nameOf(option) === name);

class SettingsReader {
  readonly #program: Command;
  readonly #file: ConfigFile;
  readonly #settings: Map<Command, Setting[]>;

  constructor(program: Command, file: ConfigFile, settings: Map<Command, Setting[]>) {
    this.#program = program;
    this.#file = file;
    this.#settings = settings;
  }

  /** `owners`: the commands whose options stand here. */
  read(tree: YamlTree, command: Command, owners: readonly Command[]): void {
    if (tree.kind !== 'mapping')
      throw this.#file.mistake(tree, 'write options and their values, such as jobs: 4');
    const seen = new Set<string>();
    for (const { key, value } of tree.entries) {
      if (seen.has(key.text)) throw this.#file.mistake(key, `${key.text} is here twice`);
      seen.add(key.text);
      const child = command.commands.find((each) => each.name() === key.text);
      const option = optionOf(key.text, owners); // `pull` is a policy of builds and a command
      if (child !== undefined && (option === undefined || value.kind === 'mapping'))
        this.read(value, child, [child]);
      else if (option === undefined) throw this.#unknown(key, owners);
      else this.#set(option, value);
    }
  }

  #set({ owner, option }: OwnedOption, tree: YamlTree): void {
    const set = valueOf(option, tree, this.#file);
    if (set === undefined) return;
    const before = this.#settings.get(owner) ?? [];
    this.#settings.set(owner, [...before, { option, value: set.value }]);
  }

  #unknown(key: YamlLeaf, owners: readonly Command[]): Error {
    if (NOT_IN_FILES.has(key.text)) return this.#file.mistake(key, `${key.text} belongs on the command line`);
    const known = [
      ...owners.flatMap(settable).map(nameOf),
      ...owners.flatMap(({ commands }) => commands.map((each) => each.name())),
    ];
    const elsewhere = this.#program.commands.find((command) =>
      settable(command).some((option) => nameOf(option) === key.text),
    );
    const hint =
      didYouMean(key.text.replace(/^-+/, ''), known) ??
      (elsewhere === undefined
        ? undefined
        : `it is an option of ${elsewhere.name()}: write it below "${elsewhere.name()}:"`);
    return this.#file.mistake(key, `there is no option ${JSON.stringify(key.text)} to set here`, hint);
  }
}

/** Undefined for a switch that is off, as it is anyway. */
function valueOf(option: Option, tree: YamlTree, file: ConfigFile): { readonly value: unknown } | undefined {
  const name = nameOf(option);
  if (!option.required && !option.optional) {
    if (tree.kind !== 'text' || tree.type !== 'boolean')
      throw file.mistake(tree, `${name} is a switch: write true or false`);
    return /^true$/i.test(tree.text) ? { value: !option.negate } : undefined;
  }
  const isList = Array.isArray(option.defaultValue);
  const leaves = isList ? leavesOf(option, tree, file) : [tree];
  let value = option.defaultValue as unknown;
  for (const leaf of leaves) {
    if (leaf.kind !== 'text') throw file.mistake(leaf, `${name} takes one value`);
    if (leaf.type === 'null') throw file.mistake(leaf, `${name} has no value here`);
    value = parsed(option, { leaf, before: value }, file);
  }
  return { value };
}

/** A repeatable option may be a list; one of `k=v` words a mapping as well. */
function leavesOf(option: Option, tree: YamlTree, file: ConfigFile): readonly YamlTree[] {
  if (tree.kind === 'list') return tree.items;
  if (tree.kind === 'text') return [tree];
  if (!option.flags.includes('=')) throw file.mistake(tree, `${nameOf(option)} takes a list of values`);
  return pairsOf(tree, file);
}

const pairsOf = ({ entries }: YamlMapping, file: ConfigFile): YamlLeaf[] =>
  entries.map(({ key, value }) => {
    if (value.kind !== 'text') throw file.mistake(value, `${key.text} takes one value`);
    return { ...key, text: `${key.text}=${value.text}` };
  });

function parsed(
  option: Option,
  { leaf, before }: { readonly leaf: YamlLeaf; readonly before: unknown },
  file: ConfigFile,
): unknown {
  const text = isPath(option) ? pathOf(leaf.text, file.directory) : leaf.text;
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, before);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw file.mistake(leaf, `${nameOf(option)} cannot be ${JSON.stringify(leaf.text)}: ${error.message}`);
  }
}

/** The option takes a file or directory of the host and nothing else. */
const isPath = ({ flags }: Option): boolean => /<(?:file|dir|path)>/.test(flags);

/** Of the file's own directory, not of wherever somebody happens to be; `-` is a stream. */
function pathOf(text: string, directory: string): string {
  if (text === '-' || text === '') return text;
  return text.startsWith('~/') ? join(homedir(), text.slice(2)) : resolve(directory, text);
}
