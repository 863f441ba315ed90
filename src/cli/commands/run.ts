/** `arch-build run`: the table of its options. */
import { Command } from 'commander';
import type { RunFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { choice, repeatable, withRunOptions } from '../options.ts';

export function runCommand({ globals, exitWith }: CommandContext): Command {
  const command = new Command('run')
    .description('run a program of an image, emulated where it is foreign; exits with its status')
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
    .option('-w, --workdir <dir>', 'working directory')
    .option('-u, --user <user[:group]>', 'user')
    .option('--entrypoint <program>', 'instead of the image’s entrypoint; empty for none')
    .addOption(choice('--network <mode>', 'network', ['host', 'none']).default('host'));
  return withRunOptions(command).action(
    async (image: string, command: readonly string[], flags: RunFlags) => {
      const { run } = await import('../actions/run.ts');
      exitWith(await run(globals(), { image, command }, flags));
    },
  );
}
