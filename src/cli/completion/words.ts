/** What can be written where on the command line, read from the tables of the commands. Pure. */
import type { Command, Option } from 'commander';

export interface CompletedCommand {
  /** Words between the program's name and its operands: `[]`, `['images']`, `['binfmt', 'ls']`. */
  readonly path: readonly string[];
  readonly description: string;
  readonly subcommands: readonly CompletedWord[];
  readonly options: readonly CompletedOption[];
}

export interface CompletedWord {
  readonly word: string;
  readonly description: string;
}

export interface CompletedOption {
  /** `--file`, `-f`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** It is followed by a value. */
  readonly takesValue: boolean;
  /** The values there are, where they are few; else a value is a file or unknown. */
  readonly choices: readonly string[];
}

export interface ChosenOption {
  /** What a shell's `case` compares the command and the word before with. */
  readonly patterns: string;
  readonly choices: readonly string[];
}

/** The options of a command whose values are few. */
export const chosenOptions = ({ path, options }: CompletedCommand): ChosenOption[] =>
  options
    .filter(({ choices }) => choices.length > 0)
    .map(({ flags, choices }) => ({
      patterns: flags.map((flag) => `'${path.join(' ')} ${flag}'`).join('|'),
      choices,
    }));

/** The program first, every command after its parent. Options of the default command are the program's as well. */
export function completedCommands(program: Command, defaultCommand: string): CompletedCommand[] {
  const build = program.commands.find((command) => command.name() === defaultCommand);
  const [root, ...rest] = describe(program, []);
  if (root === undefined) return [];
  const inherited = build === undefined ? [] : optionsOf(build);
  return [{ ...root, options: uniqueOptions([...root.options, ...inherited]) }, ...rest];
}

function describe(command: Command, path: readonly string[]): CompletedCommand[] {
  const children = command.commands;
  const own: CompletedCommand = {
    path,
    description: command.description(),
    subcommands: children.map((child) => ({ word: child.name(), description: firstClause(child) })),
    options: optionsOf(command),
  };
  return [own, ...children.flatMap((child) => describe(child, [...path, child.name()]))];
}

const firstClause = (command: Command): string => command.description().split(/[;:(]/, 1)[0]?.trim() ?? '';

const HELP: CompletedOption = {
  flags: ['--help', '-h'],
  description: 'display help',
  takesValue: false,
  choices: [],
};

function optionsOf(command: Command): CompletedOption[] {
  return uniqueOptions([...command.options.map(describeOption), HELP]);
}

function describeOption(option: Option): CompletedOption {
  return {
    flags: [option.long, option.short].filter((flag) => typeof flag === 'string'),
    description: option.description,
    takesValue: option.required,
    choices: option.argChoices ?? [],
  };
}

const uniqueOptions = (options: readonly CompletedOption[]): CompletedOption[] => [
  ...new Map(options.map((option) => [option.flags[0], option])).values(),
];
