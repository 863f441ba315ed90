/** What limits a command of an image: the options that `build` and `run` share. */
import type { Command } from 'commander';
import { choice, repeatable } from './options.ts';

/** `shorts`: the short names that docker has, where they are free. */
export function withLimitOptions(command: Command, { shorts }: { readonly shorts: boolean }): Command {
  const short = (letter: string): string => (shorts ? `-${letter}, ` : '');
  return command
    .option(`${short('m')}--memory <size>`, 'memory it may use, such as 2g')
    .option('--memory-swap <size>', 'memory and swap together, -1 for no limit; twice --memory without it')
    .option(`${short('c')}--cpu-shares <n>`, 'weight among those that compete for processors; 1024 is usual')
    .option('--cpu-period <µs>', 'period in which --cpu-quota counts; 100000 without it')
    .option('--cpu-quota <µs>', 'time on processors it may use in each period')
    .option('--cpuset-cpus <list>', 'processors it may use, such as 0-2,5')
    .option('--cpuset-mems <list>', 'memory nodes it may use')
    .option('--pids-limit <n>', 'processes and threads it may have at once')
    .option('--cgroup-parent <group>', 'control group that its own is made in')
    .addOption(
      choice('--cgroupns <mode>', 'whether it sees more of the control groups than its own', [
        'private',
        'host',
      ]).default('private'),
    )
    .addOption(
      repeatable(
        '--security-opt <option>',
        'no-new-privileges, mask=PATH:…, unmask=PATH:… or unmask=ALL, repeatable',
      ),
    );
}
