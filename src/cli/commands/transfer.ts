/** The commands that move images: their tables of options. */
import { Command } from 'commander';
import type { VerifyFlags } from '../flags.ts';
import type { ImportFlags, LoadFlags, LoginFlags, PullFlags, SaveFlags } from '../transfer-flags.ts';
import type { CommandContext } from '../globals.ts';
import type { SaveFormat } from '../../deploy/save-formats.ts';
import { copyCommand, pushCommand } from './copy.ts';
import {
  choice,
  compressionLevelOption,
  compressionOption,
  insecureOption,
  jsonOption,
  platformOption,
  platformsOption,
} from '../options.ts';

export function transferCommands(context: CommandContext): Command[] {
  return [
    copyCommand(context),
    ...archiveCommands(context),
    ...registryCommands(context),
    verifyCommand(context),
  ];
}

const ARCHIVE_NAMES = ['oci', 'docker', 'sealer-v0.11', 'sealer-v0.8'] satisfies SaveFormat[];

function archiveCommands({ globals }: CommandContext): Command[] {
  return [
    new Command('save')
      .description('write images to an archive that docker, podman and skopeo read too')
      .argument('<image...>', 'names of the store, or places (docker://NAME, oci:DIR:TAG, …)')
      .option('-o, --output <file>', 'the archive; - is stdout')
      .addOption(platformsOption())
      .addOption(
        choice('--format <format>', 'oci and sealer hold all platforms, docker one', ARCHIVE_NAMES).default(
          'oci',
        ),
      )
      .addOption(compressionOption('as they are, so that digests stay'))
      .addOption(compressionLevelOption())
      .addOption(insecureOption())
      .action(async (names: readonly string[], flags: SaveFlags) => {
        await (await import('../actions/archives.ts')).save(globals(), names, flags);
      }),
    new Command('load')
      .description('take the images of an archive (its format is found out by content)')
      .requiredOption(
        '-i, --input <file>',
        'the archive, packed or not; - is stdin; or a place (oci:DIR:TAG, …)',
      )
      .addOption(platformsOption())
      .addOption(insecureOption())
      .action(async (flags: LoadFlags) => {
        await (await import('../actions/archives.ts')).load(globals(), flags);
      }),
    new Command('import')
      .description('make a base image from the tar of a root file system')
      .argument('<rootfs.tar>', 'plain or compressed')
      .argument('<name>')
      .requiredOption('--platform <os/arch[/variant]>', 'what the programs in it are for')
      .option('-m, --message <text>', 'comment of the history entry')
      .action(async (file: string, name: string, flags: ImportFlags) => {
        await (await import('../actions/import.ts')).importRootfs(globals(), { file, name }, flags);
      }),
  ];
}

function registryCommands(context: CommandContext): Command[] {
  const { globals } = context;
  return [
    new Command('pull')
      .description('bring images of a registry, or of another place, into the store')
      .argument('<image...>', 'names, or places (oci:DIR:TAG, docker-archive:FILE, …)')
      .addOption(platformsOption())
      .addOption(insecureOption())
      .action(async (names: readonly string[], flags: PullFlags) => {
        await (await import('../actions/pull.ts')).pull(globals(), names, flags);
      }),
    pushCommand(context),
    new Command('login')
      .description('check a password with a registry and keep it where docker and podman look for it too')
      .argument('<registry>')
      .option('-u, --username <name>', 'user name; asked for on a terminal')
      .option('--password-stdin', 'read the password from standard input instead of asking for it')
      .addOption(insecureOption())
      .action(async (registry: string, flags: LoginFlags) => {
        await (await import('../actions/login.ts')).login(globals(), registry, flags);
      }),
    new Command('logout')
      .description('forget the password of a registry')
      .argument('<registry>')
      .action(async (registry: string) => {
        await (await import('../actions/login.ts')).logout(globals(), registry);
      }),
  ];
}

function verifyCommand({ globals, exitWith }: CommandContext): Command {
  return new Command('verify')
    .description('check every document and every byte of images; exits 1 when something is wrong')
    .argument('<image...>', 'names or digests in the store, files of archives, directories of layouts')
    .option('--deep', 'also what every program is for, and what layers delete of those below')
    .addOption(platformOption())
    .addOption(jsonOption())
    .action(async (images: readonly string[], flags: VerifyFlags) => {
      exitWith(await (await import('../actions/verify.ts')).verify(globals(), images, flags));
    });
}
