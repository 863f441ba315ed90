/** The program: global options and the commands. What a command does is loaded when it runs (cli/actions). */
import { resolve } from 'node:path';
import { Command, CommanderError, Help, Option } from 'commander';
import { ArchBuildError } from '../errors.ts';
import { setLimits } from '../oci/limits.ts';
import { COMMAND_GROUPS, DEFAULT_GROUP, groupsFor, type CommandGroup } from './command-groups.ts';
import { completionCommand } from './commands/completion.ts';
import { defaultRoot, isOffline, limitsFrom, type CommandContext, type Globals } from './globals.ts';
import { setRetryPolicy, type RetryPolicy } from '../transfer/registry-retry.ts';
import { parseAge, parseCount, repeatable } from './options.ts';
import { VERSION } from './version.ts';

const USAGE_STATUS = 2;
const DEFAULT_COMMAND = 'build';

/** Runs one command. Returns the exit status; throws what the command throws. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const groups = groupsFor(argv);
  const status = groups === COMMAND_GROUPS ? undefined : await runQuietly(argv, signal, groups);
  return status ?? runWithAll(argv, signal);
}

/** Undefined for words that make no sense to these commands: nothing has been said or done then. */
async function runQuietly(
  argv: readonly string[],
  signal: AbortSignal,
  groups: readonly CommandGroup[],
): Promise<number | undefined> {
  let status = 0;
  const program = createProgram(signal, (value) => (status = value), groups);
  silence(program);
  let hasBegun = false as boolean; // by the hook
  program.hook('preAction', () => void (hasBegun = true));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && !hasBegun) return undefined;
    throw error;
  }
}

function silence(command: Command): void {
  command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  for (const child of command.commands) silence(child);
}

async function runWithAll(argv: readonly string[], signal: AbortSignal): Promise<number> {
  let status = 0;
  const program = createProgram(signal, (value) => (status = value));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return status;
  } catch (error) {
    // Help and version are answers. Of anything else commander has already said what is wrong with the words.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_STATUS;
    throw error;
  }
}

export function createProgram(
  signal: AbortSignal,
  exitWith: (status: number) => void,
  groups: readonly CommandGroup[] = COMMAND_GROUPS,
): Command {
  const program = new Command('arch-build')
    .description('Builds container images for foreign architectures: no Docker, no daemon, no containers.')
    .usage('[build] [options] [CONTEXT] | COMMAND')
    .version(VERSION)
    .enablePositionalOptions();
  for (const option of globalOptions()) program.addOption(option);
  let running = program;
  program.hook('preAction', async (_program, command) => {
    running = command;
    await readConfig(program, running);
    setLimits(limitsFrom(limitFlags(program, running)));
    setRetryPolicy(retryPolicyOf(program, running));
  });
  const context: CommandContext = { globals: () => globalsOf(program, running, signal), exitWith };
  for (const group of groups) {
    const isDefault = group === DEFAULT_GROUP;
    for (const command of group.make(context)) program.addCommand(command, { isDefault });
  }
  if (groups === COMMAND_GROUPS) program.addCommand(completionCommand(program));
  configure(program);
  acceptGlobalsBehind(program);
  return program;
}

const globalOptions = (): readonly Option[] => [
  new Option(
    '--root <dir>',
    'the store (default: $ARCH_BUILD_ROOT, else a directory of the system or of yours)',
  ),
  new Option('--debug', 'show every process and mount'),
  new Option('--offline', 'asking the network is an error (so does $ARCH_BUILD_OFFLINE)'),
  new Option(
    '--authfile <file>',
    'credentials of registries ($REGISTRY_AUTH_FILE), in place of those of docker and podman',
  ),
  new Option(
    '--registries-conf <file>',
    'mirrors and other places of registries ($CONTAINERS_REGISTRIES_CONF)',
  ),
  new Option('--retry <n>', 'try transfers that fail so often again (default: 4)').argParser(parseCount),
  new Option(
    '--retry-delay <time>',
    'wait so long before each of those (default: longer every time)',
  ).argParser(parseAge),
  new Option(
    '--config <file>',
    'values for options that are not said: YAML of their long names ($ARCH_BUILD_CONFIG)',
  ),
  new Option('--no-color', 'no colours (NO_COLOR does the same)'),
  repeatable('--limit <name=n>', 'how much an image may ask for (also $ARCH_BUILD_LIMITS), repeatable'),
  new Option('--no-limits', 'images may ask for anything'),
];

interface GlobalOptions {
  readonly root?: string;
  readonly debug?: boolean;
  readonly config?: string;
  readonly offline?: boolean;
  readonly limit?: readonly string[];
  readonly limits?: boolean;
  readonly authfile?: string;
  readonly registriesConf?: string;
  readonly retry?: number;
  readonly retryDelay?: number;
}

/** Nothing of it is loaded where there is no file. */
async function readConfig(program: Command, running: Command): Promise<void> {
  const { config } = saidOptions(program, running);
  const path = config ?? process.env['ARCH_BUILD_CONFIG'] ?? '';
  if (config === '') throw new ArchBuildError('USAGE', '--config needs a file');
  const defaultCommand = program.commands.find((command) => command.name() === DEFAULT_COMMAND);
  if (path === '' || defaultCommand === undefined) return;
  const { applyConfig } = await import('./config/apply-config.ts');
  applyConfig(path, { program, defaultCommand, running });
}

/** Said in front of the command's name or behind it. */
function limitFlags(program: Command, running: Command): Pick<GlobalOptions, 'limit' | 'limits'> {
  const levels = [...new Set([program, running.parent ?? program, running])].map((each) =>
    each.opts<GlobalOptions>(),
  );
  return {
    limit: levels.flatMap(({ limit = [] }) => limit),
    limits: levels.every(({ limits = true }) => limits),
  };
}

function retryPolicyOf(program: Command, running: Command): RetryPolicy {
  const { retry, retryDelay } = saidOptions(program, running);
  return { retries: retry, delayMs: retryDelay };
}

const saidOptions = (program: Command, running: Command): GlobalOptions => ({
  ...program.opts<GlobalOptions>(),
  ...running.parent?.opts<GlobalOptions>(), // `emulators ls --root DIR`: the group takes it
  ...running.opts<GlobalOptions>(),
});

function globalsOf(program: Command, running: Command, signal: AbortSignal): Globals {
  const {
    root = defaultRoot(),
    debug = false,
    offline,
    authfile,
    registriesConf,
  } = saidOptions(program, running);
  setVariable('REGISTRY_AUTH_FILE', authfile);
  setVariable('CONTAINERS_REGISTRIES_CONF', registriesConf);
  if (root === '') throw new ArchBuildError('USAGE', '--root needs a directory');
  return { root: resolve(root), debug, offline: isOffline(offline), signal };
}

/** The option is another way to write the variable, which is what credential helpers and podman know, too. */
function setVariable(name: string, file: string | undefined): void {
  if (file !== undefined) process.env[name] = resolve(file);
}

/**
 * Global options count behind the command's name too: with the default command nobody sees where it begins. Only the
 * command that is called is given them, when its name has been read: all of them would take longer than to run it.
 */
function acceptGlobalsBehind(program: Command): void {
  program.hook('preSubcommand', (_program, command) => {
    for (const option of globalOptions()) command.addOption(option.hideHelp());
    acceptGlobalsBehind(command);
  });
}

/** Wrong words end in an exception, so that whatever is open is closed. */
function configure(command: Command): void {
  command.exitOverride().configureHelp({ optionDescription });
  for (const child of command.commands) configure(child);
}

/** That a list is empty without its option goes without saying. */
const optionDescription = (option: Option): string =>
  Array.isArray(option.defaultValue) ? option.description : new Help().optionDescription(option);
