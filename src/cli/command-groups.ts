/** All commands in the order of the help, and which of them a line may mean: to make the others took a tenth of every start. */
import type { Command } from 'commander';
import { buildCommand } from './commands/build.ts';
import { clusterCommand } from './commands/cluster.ts';
import { gatherCommand } from './commands/gather.ts';
import { hostCommands } from './commands/host.ts';
import { imageCommands } from './commands/images.ts';
import { kitCommands } from './commands/kit.ts';
import { manifestCommand, mergeCommand } from './commands/manifest.ts';
import { mountCommands } from './commands/mount.ts';
import { runCommand } from './commands/run.ts';
import { transferCommands } from './commands/transfer.ts';
import type { CommandContext } from './globals.ts';

export interface CommandGroup {
  /** Of its commands, aliases too. */
  readonly names: readonly string[];
  readonly make: (context: CommandContext) => readonly Command[];
}

const group = (names: string, make: CommandGroup['make']): CommandGroup => ({
  names: names.split(' '),
  make,
});

/** Runs when no command is named. */
export const DEFAULT_GROUP = group('build', (context) => [buildCommand(context)]);

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  DEFAULT_GROUP,
  group('run', (context) => [runCommand(context)]),
  group('images inspect history tag rmi df prune', imageCommands),
  group('mount umount unmount', mountCommands),
  group('cluster', (context) => [clusterCommand(context)]),
  group('copy save load import pull push login logout verify', transferCommands),
  group('merge', (context) => [mergeCommand(context)]),
  group('manifest', (context) => [manifestCommand(context)]),
  group('package kit', kitCommands),
  group('gather', (context) => [gatherCommand(context)]),
  group('doctor binfmt emulators', hostCommands),
];

/** These look at all commands. */
const ABOUT_ALL = new Set(['help', 'completion', '-h', '--help', '-V', '--version']);

/** A config file is looked at with all of them. */
const hasConfig = (argv: readonly string[]): boolean =>
  (process.env['ARCH_BUILD_CONFIG'] ?? '') !== '' || argv.some((word) => /^--config(?:=|$)/.test(word));

/** All when any may be meant; else whoever parses the line with these and fails has to parse it with all. */
export function groupsFor(argv: readonly string[]): readonly CommandGroup[] {
  if (hasConfig(argv) || argv.some((word) => ABOUT_ALL.has(word))) return COMMAND_GROUPS;
  const [first = ''] = argv;
  const words = new Set(argv);
  const isNamed = COMMAND_GROUPS.some(({ names }) => names.includes(first));
  return isNamed
    ? COMMAND_GROUPS.filter(({ names }) => names.includes(first))
    : COMMAND_GROUPS.filter((each) => each === DEFAULT_GROUP || each.names.some((name) => words.has(name)));
}
