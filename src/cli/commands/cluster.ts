/** `arch-build cluster`, and the options of `run` about the hosts of a cluster. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { PLAN_DEFAULTS } from '../../cluster/host-plan.ts';
import type { ClusterPlanFlags } from '../flags.ts';
import type { CommandContext } from '../globals.ts';
import { choice, commaSeparated, jsonOption, repeatable } from '../options.ts';

export function clusterCommand({ globals }: CommandContext): Command {
  const plan = new Command('plan')
    .description('print what each host would get of a cluster image, in order')
    .argument('<image>')
    .addOption(repeatable('--platform <ip=os/arch>', 'a host’s platform; the others are asked, repeatable'))
    .addOption(repeatable('-e, --env <k[=v]>', 'variable for scripts and templates, repeatable'))
    .option('-u, --user <name>', 'user on the hosts (default: root, or what --ssh-config says)')
    .addOption(jsonOption())
    .action(async (image: string, flags: ClusterPlanFlags) => {
      await (await import('../actions/cluster.ts')).printPlan(globals(), image, flags);
    });
  return new Command('cluster')
    .description('cluster images on hosts: see also `run -m … -n …`')
    .addCommand(withHostOptions(plan));
}

export function withHostOptions(command: Command): Command {
  return command
    .addOption(commaSeparated('-m, --masters <ip,…>', 'masters of a cluster: addresses or ranges'))
    .addOption(commaSeparated('-n, --nodes <ip,…>', 'its nodes'))
    .option('--cluster <name>', 'its name', parseName, PLAN_DEFAULTS.cluster)
    .addOption(countOption('--port <n>', 'cluster: port of ssh'))
    .option('--identity <file>', 'cluster: key for ssh (passwords are not asked for)')
    .option('--ssh-config <file>', 'cluster: configuration of ssh')
    .addOption(
      choice('--host-keys <policy>', 'cluster: which hosts are believed to be who they say', [
        'known',
        'new',
        'any',
      ]).default('known'),
    );
}

export const countOption = (flags: string, text: string): Option =>
  new Option(flags, text).argParser((value: string) => {
    const count = Number(value);
    if (!/^\d+$/.test(value) || count < 1 || count > 65_535)
      throw new InvalidArgumentError('write a number from 1 to 65535.');
    return count;
  });

/** It is part of paths on the hosts. */
function parseName(text: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError('write lower-case letters, digits and - _ . between them.');
}
