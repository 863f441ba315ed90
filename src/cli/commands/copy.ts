/** `copy`, `push` and `manifest push`: an image goes from one place to another. */
import { Command } from 'commander';
import type { CommandContext } from '../globals.ts';
import {
  compressionLevelOption,
  compressionOption,
  insecureOption,
  mediaTypesOption,
  platformsOption,
  repeatable,
} from '../options.ts';
import type { CopyFlags } from '../transfer-flags.ts';

const PLACES =
  'docker://NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF], dir:DIR, sealer-v0.8:FILE[:NAME], store:NAME';
const TO_REGISTRY = 'gzip for layers that are not packed yet';

export function copyCommand({ globals }: CommandContext): Command {
  const command = new Command('copy')
    .description('copy an image from any place to any other; prints the digest it has there')
    .argument('<source>', `a name of the store, or ${PLACES}`)
    .argument('<destination>', 'the same');
  return withCopyOptions(
    withAllOption(command),
    'gzip on the way to a registry for layers that are not packed yet, else as they are',
  ).action(async (source: string, destination: string, flags: CopyFlags) => {
    await (await import('../actions/copy.ts')).copy(globals(), { source, destination }, flags);
  });
}

export function pushCommand(context: CommandContext): Command {
  const command = new Command('push')
    .description('send an image of the store to a registry or another place; prints the digest it has there')
    .argument('<image>')
    .argument('[name]', 'its name there, or a place; its own name by default');
  return pushing(context, command);
}

export function manifestPushCommand(context: CommandContext): Command {
  const command = new Command('push')
    .description('send an index with all it names; prints the digest it has there')
    .argument('<list>')
    .argument('[destination]', 'a name, or a place; its own name by default');
  return pushing(context, withAllOption(command));
}

function pushing({ globals }: CommandContext, command: Command): Command {
  return withCopyOptions(command, TO_REGISTRY).action(
    async (image: string, name: string | undefined, flags: CopyFlags) => {
      await (await import('../actions/copy.ts')).push(globals(), { image, name: name ?? image }, flags);
    },
  );
}

const withAllOption = (command: Command): Command =>
  command.option('--all', 'all platforms, as it is without --platform');

/** `usual` is how layers are packed when nothing is said. */
const withCopyOptions = (command: Command, usual: string): Command =>
  command
    .addOption(platformsOption())
    .addOption(compressionOption(usual))
    .addOption(compressionLevelOption())
    .option('--force-compression', 'layers that are packed otherwise, too: so it is with --compression')
    .option('--no-force-compression', 'but for layers that are packed already, here or there')
    .addOption(
      repeatable(
        '--add-compression <kind>',
        'to a list, the same images packed so: gzip or zstd, repeatable',
      ),
    )
    .addOption(mediaTypesOption())
    .addOption(insecureOption());
