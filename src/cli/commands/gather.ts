/** `arch-build gather`: its table of options. */
import { Command } from 'commander';
import type { GatherCommandFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { commaSeparated, insecureOption, jsonOption, pullOption, withGatherOptions } from '../options.ts';

export function gatherCommand({ globals, exitWith }: CommandContext): Command {
  const command = new Command('gather')
    .description('bring the container images that a cluster image needs into the store, or only list them')
    .argument('[context]', 'directory with manifests, charts and applications', '.')
    .option('--list', 'only say which images are named, and where; exits 1 when a place cannot be read')
    .addOption(commaSeparated('--platform <os/arch[/variant],…>', 'for these platforms'))
    .addOption(commaSeparated('--emulate <arch,…>', 'the same'))
    .addOption(pullOption())
    .addOption(insecureOption())
    .addOption(jsonOption());
  return withGatherOptions(command).action(async (context: string, flags: GatherCommandFlags) => {
    exitWith(await (await import('../actions/gather.ts')).gather(globals(), context, flags));
  });
}
