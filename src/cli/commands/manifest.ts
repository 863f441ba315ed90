/** `merge` and `manifest`: its table of subcommands and their options, named as docker and buildah name them. */
import { Command, Option } from 'commander';
import type {
  EntryFlags,
  ManifestAddFlags,
  ManifestCreateFlags,
  MergeFlags,
  RegistryFlags,
} from '../transfer-flags.ts';
import type { CommandContext } from '../globals.ts';
import { insecureOption, platformsOption, repeatable } from '../options.ts';
import { manifestPushCommand } from './copy.ts';

export function mergeCommand({ globals }: CommandContext): Command {
  return new Command('merge')
    .description('one image of several: the layers of all, one after the other, for each platform')
    .argument('<image>', 'the lowest')
    .argument('<others...>', 'each as if it had been built on the one before')
    .addOption(repeatable('-t, --tag <name>', 'name of the result, repeatable'))
    .addOption(platformsOption())
    .addOption(insecureOption())
    .action(async (image: string, others: readonly string[], flags: MergeFlags) => {
      await (await import('../actions/merge.ts')).merge(globals(), [image, ...others], flags);
    });
}

export function manifestCommand(context: CommandContext): Command {
  const command = new Command('manifest').description(
    'put an index together from images of the store or of any place',
  );
  for (const subcommand of [create, add, remove, annotate, inspect, manifestPushCommand])
    command.addCommand(subcommand(context));
  return command;
}

const IMAGES = 'names of the store, of registries, or places (oci:DIR:TAG, …)';
const allOption = (): Option => new Option('--all', 'of an image with several platforms, all');
const annotationOption = (of: string): Option => repeatable('--annotation <k=v>', `of ${of}, repeatable`);

const withEntryOptions = (command: Command): Command =>
  command
    .option('--os <name>', 'in place of what the image says')
    .option('--arch <name>', 'the same')
    .option('--variant <name>', 'the same')
    .option('--os-version <version>', 'the same')
    .addOption(annotationOption('the entry'));

const create = ({ globals }: CommandContext): Command =>
  new Command('create')
    .description('make an index under a name of the store; prints its digest')
    .argument('<list>')
    .argument('[image...]', IMAGES)
    .option('-a, --amend', 'add to the list when there is one')
    .addOption(allOption())
    .addOption(platformsOption())
    .addOption(annotationOption('the list'))
    .addOption(insecureOption())
    .action(async (list: string, images: readonly string[], flags: ManifestCreateFlags) => {
      await (await import('../actions/manifest.ts')).create(globals(), { list, images }, flags);
    });

const add = ({ globals }: CommandContext): Command =>
  withEntryOptions(new Command('add'))
    .description('add images to an index; one for the same platform takes the place of the one before')
    .argument('<list>')
    .argument('<image...>', IMAGES)
    .addOption(allOption())
    .addOption(platformsOption())
    .addOption(insecureOption())
    .action(async (list: string, images: readonly string[], flags: ManifestAddFlags) => {
      await (await import('../actions/manifest.ts')).add(globals(), { list, images }, flags);
    });

const remove = ({ globals }: CommandContext): Command =>
  new Command('remove')
    .description('take entries out of an index')
    .argument('<list>')
    .argument('<entry...>', 'digests or platforms')
    .action(async (list: string, entries: readonly string[]) => {
      await (await import('../actions/manifest.ts')).remove(globals(), { list, entries });
    });

const annotate = ({ globals }: CommandContext): Command =>
  withEntryOptions(new Command('annotate'))
    .description('change what an index says about an entry')
    .argument('<list>')
    .argument('<entry>', 'its digest or platform')
    .action(async (list: string, entry: string, flags: EntryFlags) => {
      await (await import('../actions/manifest.ts')).annotate(globals(), { list, entry }, flags);
    });

const inspect = ({ globals }: CommandContext): Command =>
  new Command('inspect')
    .description('print an index or manifest, of the store or else of its registry')
    .argument('<name>')
    .addOption(insecureOption())
    .action(async (name: string, flags: RegistryFlags) => {
      await (await import('../actions/manifest.ts')).inspect(globals(), name, flags);
    });
