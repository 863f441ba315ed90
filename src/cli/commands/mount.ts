/** `arch-build mount` and `umount`: the tables of their options. */
import { Command } from 'commander';
import type { MountFlags, UnmountFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { jsonOption, platformOption } from '../options.ts';

export function mountCommands({ globals }: CommandContext): Command[] {
  return [
    new Command('mount')
      .description(
        'show an image’s tree in a directory until umount; without arguments: list what is mounted',
      )
      .argument('[image]')
      .argument('[directory]', 'an empty one')
      .addOption(platformOption())
      .option('--rw', 'writable; what is changed is gone with the mount')
      .option('--registry', 'the container images of all platforms as one registry/, instead of a tree')
      .addOption(jsonOption())
      .action(async (image: string | undefined, directory: string | undefined, flags: MountFlags) => {
        await (await import('../actions/mount.ts')).mount(globals(), { image, directory }, flags);
      }),
    new Command('umount')
      .alias('unmount')
      .description('take mounted images away')
      .argument('[directory...]')
      .option('-a, --all', 'all of the store’s')
      .action(async (directories: readonly string[], flags: UnmountFlags) => {
        await (await import('../actions/mount.ts')).umount(globals(), directories, flags);
      }),
  ];
}
