/** `arch-build [build]`: the table of its options. */
import { Command, Option } from 'commander';
import type { BuildFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { withLimitOptions } from '../limit-options.ts';
import { withRefusedOptions } from '../refused-options.ts';
import {
  buildArgFileOption,
  buildArgOption,
  buildContextOption,
  choice,
  commaSeparated,
  cppFlagOption,
  dialectOption,
  fileOption,
  jsonOption,
  parseAge,
  parseEpoch,
  parseJobs,
  repeatable,
  withGatherOptions,
  withRunOptions,
} from '../options.ts';

export function buildCommand({ globals, exitWith }: CommandContext): Command {
  const command = new Command('build')
    .description('build one image for one or more platforms (the default command)')
    .argument(
      '[context]',
      'the build context: a directory, an archive, - for stdin, a URL or a git repository',
      '.',
    )
    .addOption(fileOption())
    .addOption(cppFlagOption())
    .option('--ignorefile <path>', 'instead of the .dockerignore of the build context')
    .addOption(repeatable('-t, --tag <ref>', 'name of the image, repeatable'))
    .addOption(
      commaSeparated('--emulate <arch,…>', 'build for these machines or platforms; their emulator must work'),
    )
    .addOption(commaSeparated('--platform <os/arch[/variant],…>', 'build for these platforms'))
    .addOption(
      repeatable(
        '-o, --output <dest>',
        'DIRECTORY, - or type=local|tar|oci|docker|image|registry|cacheonly,…',
      ),
    )
    .addOption(dialectOption())
    .addOption(buildArgOption())
    .addOption(buildArgFileOption())
    .addOption(buildContextOption())
    .option('--target <stage>', 'build up to this stage')
    .option('--source-date-epoch <seconds>', 'timestamp of new files and of the config', parseEpoch)
    .addOption(
      choice('--progress <mode>', 'how to show progress', ['auto', 'tty', 'plain', 'json', 'quiet']).default(
        'auto',
      ),
    )
    .option('-q, --quiet', 'show nothing but warnings and the digest')
    .option('--iidfile <path>', 'write the digest to a file')
    .option('--metadata-file <path>', 'write what was built to a JSON file')
    .option('--check', 'say what is wrong or surprising, build nothing; exits 1 if there is anything')
    .addOption(
      new Option('--plan', 'print stages, steps, cache keys and sandboxes, build nothing').conflicts('check'),
    )
    .addOption(jsonOption());
  return OPTION_GROUPS.reduce((built, add) => add(built), command).action(
    async (context: string, flags: BuildFlags) => {
      const { build } = await import('../actions/build.ts');
      exitWith(await build(globals(), context, flags));
    },
  );
}

/** What the image says of itself. */
function withImageOptions(command: Command): Command {
  return command
    .option('--from <ref>', 'in place of the image of the first FROM')
    .addOption(repeatable('--env <k[=v]>', 'variable of the image, which ENV goes before, repeatable'))
    .addOption(repeatable('--unsetenv <k>', 'variable that the image does not have, repeatable'))
    .addOption(repeatable('--label <k=v>', 'label of the image, repeatable'))
    .addOption(repeatable('--unsetlabel <k>', 'label not to take over from the base, repeatable'))
    .addOption(repeatable('--annotation <k=v>', 'annotation of the manifest, repeatable'))
    .option('--manifest <list>', 'add the image to this list of the store, which is made when it is missing')
    .option('--identity-label', 'label io.arch-build.version, which says what built the image')
    .option('--omit-history', 'the image does not say by which steps it was made')
    .option('--squash-all', 'one layer in place of all, those of the base included');
}

/** The sandbox of every RUN. */
function withSandboxOptions(command: Command): Command {
  const withOptions = command
    .addOption(repeatable('--add-host <name:address>', 'line of /etc/hosts for RUN, repeatable'))
    .option('--no-hosts', 'RUN sees the image’s own /etc/hosts')
    .option('--hostname-file', 'RUN sees its own host name in /etc/hostname')
    .option('--no-hostname', 'RUN sees the image’s own /etc/hostname, as it does anyway')
    .addOption(
      repeatable('--group-add <group>', 'group, by name or number, that RUN is in besides, repeatable'),
    )
    .option('--stdin', 'RUN reads the standard input of this program')
    .addOption(repeatable('--dns <address>', 'name server for RUN instead of the host’s, repeatable'))
    .addOption(repeatable('--dns-search <domain>', 'search domain for RUN, repeatable'))
    .addOption(repeatable('--dns-option <option>', 'option of resolv.conf for RUN, repeatable'))
    .addOption(
      repeatable('-v, --volume <host:image[:ro]>', 'show RUN a file or directory of the host, repeatable'),
    )
    .addOption(repeatable('--device <host[:image]>', 'show RUN a device of the host, repeatable'))
    .option('--shm-size <size>', 'room in /dev/shm of RUN, such as 1g; 64m without it')
    .addOption(repeatable('--ulimit <name=soft[:hard]>', 'resource limit of RUN, repeatable'))
    .addOption(commaSeparated('--cap-add <name,…>', 'capabilities that RUN has besides'))
    .addOption(commaSeparated('--cap-drop <name,…>', 'capabilities that RUN does not have'));
  return withRefusedOptions(withOptions);
}

/** What is made again, what is known from before or elsewhere, and how much is done at once. */
function withWorkOptions(command: Command): Command {
  return command
    .option('--no-cache', 'run every step again')
    .addOption(
      choice('--skip-unused-stages <bool>', 'false builds stages, too, of which nothing is used', [
        'true',
        'false',
      ]).default('true'),
    )
    .option('--cache-ttl <time>', 'run steps again that were made longer ago, such as 90s, 12h, 7d', parseAge)
    .addOption(
      repeatable(
        '--cache-from <cache>',
        'REF, or type=registry,ref=… or type=local,src=…: what steps made elsewhere',
      ),
    )
    .addOption(
      repeatable(
        '--cache-to <cache>',
        'REF, type=registry,ref=…, type=local,dest=… (with mode=min|max) or type=inline: what steps made, for others',
      ),
    )
    .option('--jobs <n>', 'platforms and stages worked on at the same time (default: processors)', parseJobs);
}

/** Where progress is written, and what it says of the work. */
function withLogOptions(command: Command): Command {
  return command
    .option('--logfile <path>', 'write the progress to a file; warnings and errors are shown all the same')
    .option('--logsplit', 'a file for each platform: PATH_linux_arm64')
    .option('--log-rusage', 'say what processor time and disk every step has used, and the build')
    .option('--rusage-logfile <path>', 'write that to a file of its own');
}

/** What is looked for in the result. */
function withAuditOptions(command: Command): Command {
  return command
    .addOption(
      choice('--audit <policy>', 'programs for another machine in what a Kubefile makes', [
        'error',
        'warn',
        'off',
      ]).default('error'),
    )
    .addOption(repeatable('--audit-allow <glob>', 'paths whose programs may be for any machine, repeatable'));
}

/** What a RUN is given, and what happens when it fails. */
function withStepOptions(command: Command): Command {
  return command
    .addOption(choice('--network <mode>', 'network of RUN', ['host', 'none', 'default']).default('default'))
    .addOption(
      repeatable('--secret <id=…>', 'id=NAME,src=FILE or id=NAME,env=VARIABLE for RUN --mount=type=secret'),
    )
    .addOption(repeatable('--ssh <id>', 'default or ID=SOCKET: an ssh agent for RUN --mount=type=ssh'))
    .option(
      '--emulator-retry',
      'run a step that an emulator crashed in again, with the next version there is',
    )
    .option('--shell-on-error', 'open a shell in the sandbox of a RUN that fails, before the build does');
}

/** In the order in which the help shows them. */
const OPTION_GROUPS = [
  withImageOptions,
  withWorkOptions,
  withLogOptions,
  withStepOptions,
  withSandboxOptions,
  (command: Command): Command => withLimitOptions(command, { shorts: true }),
  withGatherOptions,
  withAuditOptions,
  withRunOptions,
];
