/** A config file's settings as values of options: what the command line says comes first, then what the environment says. */
import type { Command, Option } from 'commander';
import { readConfigFile } from './config-file.ts';
import { nameOf, readSettings, type Setting, type Settings } from './settings.ts';

export interface CalledCommands {
  readonly program: Command;
  readonly defaultCommand: Command;
  readonly running: Command;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that say what an option says. */
const VARIABLES: Readonly<Record<string, string>> = {
  root: 'ARCH_BUILD_ROOT',
  offline: 'ARCH_BUILD_OFFLINE',
  limit: 'ARCH_BUILD_LIMITS',
  'no-limits': 'ARCH_BUILD_LIMITS',
  authfile: 'REGISTRY_AUTH_FILE',
  'registries-conf': 'CONTAINERS_REGISTRIES_CONF',
  emulator: 'ARCH_BUILD_EMULATORS',
  'source-date-epoch': 'SOURCE_DATE_EPOCH',
};

/** Options that are about the same thing: where one is said, none of the file's counts. */
const ALTERNATIVES: readonly (readonly string[])[] = [
  ['platform', 'emulate'],
  ['progress', 'quiet'],
  ['limit', 'no-limits'],
  ['format', 'json'],
];

/** Throws USAGE for a file that cannot be used, whatever the command. */
export function applyConfig(
  path: string,
  called: CalledCommands,
  environment: Environment = process.env,
): void {
  const { program, defaultCommand, running } = called;
  const settings = readSettings(program, defaultCommand, readConfigFile(path));
  for (const { option, value } of settingsOf(settings, called)) {
    const levels = program.options.includes(option) ? levelsOf(program, running) : [running];
    if (isSaid(option, levels) || isInEnvironment(option, environment)) continue;
    (levels[0] ?? running).setOptionValueWithSource(option.attributeName(), value, 'config');
  }
}

/** In the order in which they are applied. */
function settingsOf(
  settings: Settings,
  { program, defaultCommand, running }: CalledCommands,
): readonly Setting[] {
  const shared = (settings.get(defaultCommand) ?? []).filter(({ option }) => isShared(option, running));
  const own = running === defaultCommand ? [] : (settings.get(running) ?? []);
  return [...(settings.get(program) ?? []), ...shared, ...own];
}

/** The command has the very same option, as its help says: another one of the same name means something else there. */
export const isShared = (option: Option, { options }: Command): boolean =>
  options.some(
    (each) => !each.hidden && each.long === option.long && each.description === option.description,
  );

/** Global options may be said in front of the command's name, of its group's, or behind. */
const levelsOf = (program: Command, running: Command): Command[] => [
  ...new Set([program, running.parent ?? program, running]),
];

function isSaid(option: Option, levels: readonly Command[]): boolean {
  const group = ALTERNATIVES.find((each) => each.includes(nameOf(option))) ?? [nameOf(option)];
  return levels.some((command) =>
    command.options.some(
      (each) => group.includes(nameOf(each)) && command.getOptionValueSource(each.attributeName()) === 'cli',
    ),
  );
}

const isInEnvironment = (option: Option, environment: Environment): boolean =>
  (environment[VARIABLES[nameOf(option)] ?? ''] ?? '') !== '';
