/** The commands about images of the store: their tables of options. */
import { Command, Option } from 'commander';
import type {
  DfFlags,
  HistoryFlags,
  ImagesFlags,
  InspectFlags,
  PlatformFlags,
  PruneFlags,
} from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import {
  choice,
  formatOption,
  insecureOption,
  jsonOption,
  parseSize,
  platformOption,
  repeatable,
} from '../options.ts';

export function imageCommands(context: CommandContext): Command[] {
  return [
    imagesCommand(context),
    inspectCommand(context),
    historyCommand(context),
    tagCommand(context),
    rmiCommand(context),
    dfCommand(context),
    pruneCommand(context),
  ];
}

function imagesCommand({ globals }: CommandContext): Command {
  return new Command('images')
    .description('list the images of the store')
    .addOption(formatOption())
    .addOption(jsonOption())
    .option('--no-trunc', 'whole digests')
    .option('-q, --quiet', 'digests only')
    .option('--digests', 'also the digest of each platform’s manifest')
    .option('--platforms', 'also the platforms of an image that the store lacks')
    .addOption(
      repeatable(
        '--filter <name=value>',
        'reference, platform, dangling, partial, before, since; repeatable',
      ),
    )
    .action(async (flags: ImagesFlags) => {
      await (await import('../actions/images.ts')).images(globals(), flags);
    });
}

const INSPECTED = 'a name or digest of the store, or a place (docker://NAME, oci:DIR:TAG, …)';

function inspectCommand({ globals }: CommandContext): Command {
  return new Command('inspect')
    .description('print an image’s documents as JSON')
    .argument('<image>', INSPECTED)
    .addOption(platformOption())
    .addOption(
      choice(
        '--format <format>',
        'json: everything; config, manifest, index: that document alone; sealer: the documents of sealer v0.8',
        ['json', 'config', 'manifest', 'index', 'sealer'],
      ).default('json'),
    )
    .option('--raw', 'the bytes of the index or manifest, as they are')
    .addOption(insecureOption())
    .action(async (image: string, flags: InspectFlags) => {
      await (await import('../actions/inspect.ts')).inspect(globals(), image, flags);
    });
}

function historyCommand({ globals }: CommandContext): Command {
  return new Command('history')
    .description('list the steps an image was made by')
    .argument('<image>', INSPECTED)
    .addOption(platformOption())
    .addOption(formatOption())
    .addOption(jsonOption())
    .addOption(insecureOption())
    .action(async (image: string, flags: HistoryFlags) => {
      await (await import('../actions/inspect.ts')).history(globals(), image, flags);
    });
}

function tagCommand({ globals }: CommandContext): Command {
  return new Command('tag')
    .description('give an image another name')
    .argument('<image>')
    .argument('<name...>')
    .addOption(platformOption())
    .action(async (image: string, names: readonly string[], flags: PlatformFlags) => {
      await (await import('../actions/images.ts')).tag(globals(), { image, names }, flags);
    });
}

function rmiCommand({ globals }: CommandContext): Command {
  return new Command('rmi')
    .description('remove images: the name, and the content nothing else needs')
    .argument('<image...>')
    .addOption(platformOption())
    .action(async (names: readonly string[], flags: PlatformFlags) => {
      await (await import('../actions/images.ts')).remove(globals(), names, flags);
    });
}

function dfCommand({ globals }: CommandContext): Command {
  return new Command('df')
    .description('show what the store’s space is used for, and what prune would give back')
    .option('-v, --verbose', 'each snapshot and each mount cache')
    .addOption(formatOption())
    .addOption(jsonOption())
    .action(async (flags: DfFlags) => {
      await (await import('../actions/df.ts')).df(globals(), flags);
    });
}

function pruneCommand({ globals }: CommandContext): Command {
  return new Command('prune')
    .description('remove content no image needs: nameless images and the build cache')
    .option('-a, --all', 'also the images that have a name')
    .addOption(repeatable('--filter <until=…>', 'only what was made before: until=24h or a time'))
    .addOption(
      new Option('--keep-bytes <size>', 'the newest of the build cache stays, up to so much (10G)').argParser(
        parseSize,
      ),
    )
    .option('--dry-run', 'only say what would go')
    .addOption(jsonOption())
    .action(async (flags: PruneFlags) => {
      await (await import('../actions/prune.ts')).prune(globals(), flags);
    });
}
