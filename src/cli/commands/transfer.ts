/** The commands that move images: their tables of options. */
import { Command } from 'commander';
import type {
  ImportFlags,
  LoadFlags,
  LoginFlags,
  PullFlags,
  PushFlags,
  SaveFlags,
  VerifyFlags,
} from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { choice, insecureOption, jsonOption, platformOption } from '../options.ts';

export function transferCommands(context: CommandContext): Command[] {
  return [...archiveCommands(context), ...registryCommands(context), verifyCommand(context)];
}

function archiveCommands({ globals }: CommandContext): Command[] {
  return [
    new Command('save')
      .description('write images to an archive that docker, podman and skopeo read too')
      .argument('<image...>')
      .option('-o, --output <file>', 'the archive; - is stdout')
      .addOption(platformOption())
      .addOption(
        choice('--format <format>', 'oci holds all platforms, docker one', ['oci', 'docker']).default('oci'),
      )
      .action(async (names: readonly string[], flags: SaveFlags) => {
        await (await import('../actions/archives.ts')).save(globals(), names, flags);
      }),
    new Command('load')
      .description('take the images of an archive (oci or docker, found out by content)')
      .requiredOption('-i, --input <file>', 'the archive')
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

function registryCommands({ globals }: CommandContext): Command[] {
  return [
    new Command('pull')
      .description('bring images of a registry into the store, all platforms unless one is named')
      .argument('<image...>')
      .addOption(platformOption())
      .addOption(insecureOption())
      .action(async (names: readonly string[], flags: PullFlags) => {
        await (await import('../actions/pull.ts')).pull(globals(), names, flags);
      }),
    new Command('push')
      .description('send an image to a registry, all platforms the store has unless one is named')
      .argument('<image>')
      .argument('[name]', 'its name there; its own by default')
      .addOption(platformOption())
      .addOption(insecureOption())
      .action(async (image: string, name: string | undefined, flags: PushFlags) => {
        await (await import('../actions/push.ts')).push(globals(), { image, name: name ?? image }, flags);
      }),
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
    .description('check every document and every byte of an image; exits 1 when something is wrong')
    .argument('<image>', 'name or digest in the store, or the file of an archive or layout')
    .addOption(jsonOption())
    .action(async (image: string, flags: VerifyFlags) => {
      exitWith(await (await import('../actions/verify.ts')).verify(globals(), image, flags));
    });
}
