/** `arch-build run`: the table of its options. */
import { Command } from 'commander';
import type { RunFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { withLimitOptions } from '../limit-options.ts';
import { choice, repeatable, withRunOptions } from '../options.ts';
import { countOption, withHostOptions } from './cluster.ts';

export function runCommand({ globals, exitWith }: CommandContext): Command {
  const command = new Command('run')
    .description('run a program of an image, emulated where it is foreign; with -m and -n a cluster of it')
    .argument('<image>', 'name or digest')
    .argument('[command...]', 'instead of the image’s own')
    .passThroughOptions()
    .option('-i, --interactive', 'hand on standard input')
    .option('-t, --tty', 'give it a terminal')
    .option('--platform <os/arch[/variant]>', 'which of the image’s platforms; the host’s, else the only one')
    .addOption(
      repeatable('-e, --env <k[=v]>', 'environment variable, repeatable; without =v from the environment'),
    )
    .addOption(
      repeatable('-v, --volume <host:image[:ro]>', 'show a file or directory of the host, repeatable'),
    )
    .option('-w, --workdir <image-dir>', 'working directory')
    .option('-u, --user <user[:group]>', 'user')
    .option('--entrypoint <program>', 'instead of the image’s entrypoint; empty for none')
    .addOption(choice('--network <mode>', 'network', ['host', 'none']).default('host'));
  withHostOptions(command)
    .addOption(countOption('--jobs <n>', 'cluster: hosts at once').default(8))
    .option('--dry-run', 'cluster: print the plan, change no host')
    .option('--force', 'cluster: do again what is done');
  withLimitOptions(command, { shorts: false });
  return withRunOptions(command).action(
    async (image: string, command: readonly string[], flags: RunFlags) => {
      if (flags.masters.length + flags.nodes.length > 0) {
        const { runOnHosts } = await import('../actions/cluster.ts');
        await runOnHosts(globals(), { image, command }, flags);
        return;
      }
      const { run } = await import('../actions/run.ts');
      exitWith(await run(globals(), { image, command }, flags));
    },
  );
}
