/** `arch-build [build]`: the table of its options. */
import { Command } from 'commander';
import type { BuildFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { choice, collect, collectList, parseEpoch, withRunOptions } from '../options.ts';

export function buildCommand({ globals }: CommandContext): Command {
  const command = new Command('build')
    .description('build one image for one or more platforms (the default command)')
    .argument('[context]', 'the build context', '.')
    .option('-f, --file <path>', 'Kubefile, Dockerfile or Containerfile; - is stdin')
    .option('-t, --tag <ref>', 'name of the image, repeatable', collect, [])
    .option(
      '--emulate <arch,…>',
      'build for these machines or platforms; their emulator must work',
      collectList,
      [],
    )
    .option('--platform <os/arch[/variant],…>', 'build for these platforms', collectList, [])
    .addOption(
      choice('--dialect <name>', 'how to read the file', [
        'auto',
        'kubefile-v1',
        'kubefile-v2',
        'dockerfile',
      ]).default('auto'),
    )
    .option(
      '--build-arg <k[=v]>',
      'value of an ARG, repeatable; without =v from the environment',
      collect,
      [],
    )
    .option('--label <k=v>', 'label of the image, repeatable', collect, [])
    .option('--annotation <k=v>', 'annotation of the manifest, repeatable', collect, [])
    .option('--target <stage>', 'build up to this stage')
    .addOption(choice('--network <mode>', 'network of RUN', ['host', 'none', 'default']).default('default'))
    .option('--no-cache', 'run every step again')
    .option('--source-date-epoch <seconds>', 'timestamp of new files and of the config', parseEpoch)
    .addOption(
      choice('--progress <mode>', 'how to show progress', ['auto', 'tty', 'plain', 'json', 'quiet']).default(
        'auto',
      ),
    )
    .option('-q, --quiet', 'show nothing but warnings and the digest')
    .option('--iidfile <path>', 'write the digest to a file')
    .option('--metadata-file <path>', 'write what was built to a JSON file');
  return withRunOptions(command).action(async (context: string, flags: BuildFlags) => {
    const { build } = await import('../actions/build.ts');
    await build(globals(), context, flags);
  });
}
