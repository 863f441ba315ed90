/** `cluster plan` and `run -m … -n …`: hosts and image to a plan, and the plan to the hosts. */
import { parseHostPlatforms, parseHosts, refuseTwice } from '../../cluster/host-list.ts';
import { PLAN_DEFAULTS, planCluster, type ClusterPlan, type Host } from '../../cluster/host-plan.ts';
import { imageFacts } from '../../deploy/image-facts.ts';
import { runCluster } from '../../deploy/run-cluster.ts';
import { ArchBuildError } from '../../errors.ts';
import type { Platform } from '../../oci/platform.ts';
import { describeImage, type ImageDetails } from '../../store/image-details.ts';
import type { Store } from '../../store/store.ts';
import { openSsh, type Ssh, type SshOptions } from '../../sys/ssh.ts';
import { mapConcurrently } from '../../transfer/concurrency.ts';
import { printJson } from '../answer.ts';
import { platformNamed } from '../architectures.ts';
import { formatClusterPlan } from '../cluster-text.ts';
import type { ClusterPlanFlags, RunFlags } from '../flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';
import { variablesOf } from '../pairs.ts';
import { requireRoot } from '../require-root.ts';

export async function printPlan(globals: Globals, image: string, flags: ClusterPlanFlags): Promise<void> {
  requireRoot(globals);
  await using ssh = openSsh(sshOptions(flags));
  await using store = await storeFor(globals);
  const { plan } = await planFor(globals, { store, ssh }, { image, flags });
  if (flags.json === true) printJson(plan);
  else process.stdout.write(formatClusterPlan(plan));
}

/** sealer's `run`: throws REMOTE for the hosts that failed. */
export async function runOnHosts(
  globals: Globals,
  { image, command }: { readonly image: string; readonly command: readonly string[] },
  flags: RunFlags,
): Promise<void> {
  if (command.length > 0) {
    throw new ArchBuildError('USAGE', 'a cluster runs what the image says, not a command', {
      hint: 'leave the command out, or leave -m and -n out',
    });
  }
  requireRoot(globals);
  await using ssh = openSsh(sshOptions(flags));
  await using store = await storeFor(globals);
  const platform = (flags.platform ?? '').split(',').filter((word) => word !== '');
  const { plan, details } = await planFor(globals, { store, ssh }, { image, flags: { ...flags, platform } });
  if (flags.dryRun === true) {
    process.stdout.write(formatClusterPlan(plan));
    return;
  }
  const { platforms } = details;
  const { jobs, force = false } = flags;
  const report = reporterFor(globals);
  await runCluster({ store, report, signal: globals.signal, ssh, platforms, jobs, force }, plan);
}

const sshOptions = ({ user, port, identity, sshConfig, hostKeys }: SshFlags): SshOptions => ({
  user,
  port,
  identity,
  config: sshConfig,
  hostKeys,
});

type SshFlags = Omit<ClusterPlanFlags, 'platform'>;

interface Wanted {
  readonly image: string;
  readonly flags: Omit<ClusterPlanFlags, 'json'>;
}

async function planFor(
  { signal }: Globals,
  { store, ssh }: { readonly store: Store; readonly ssh: Ssh },
  { image, flags }: Wanted,
): Promise<{ plan: ClusterPlan; details: ImageDetails }> {
  const details = describeImage(store.blobs, store.images.get(image));
  const hosts = await hostsOf(ssh, flags, signal);
  const facts = await imageFacts({ store, signal }, details);
  const environment = variablesOf('--env', flags.env);
  const plan = planCluster(facts, hosts, { ...PLAN_DEFAULTS, cluster: flags.cluster, environment });
  return { plan, details };
}

async function hostsOf(ssh: Ssh, flags: Wanted['flags'], signal: AbortSignal): Promise<Host[]> {
  const named = [
    ...parseHosts('-m', flags.masters).map((address) => ({ address, role: 'master' as const })),
    ...parseHosts('-n', flags.nodes).map((address) => ({ address, role: 'node' as const })),
  ];
  refuseTwice(named.map(({ address }) => address));
  if (named.every(({ role }) => role === 'node'))
    throw new ArchBuildError('USAGE', 'a cluster needs a master', { hint: 'name one with -m' });
  const known = parseHostPlatforms(flags.platform);
  const stranger = [...known.keys()].find((address) => !named.some((host) => host.address === address));
  if (stranger !== undefined)
    throw new ArchBuildError('USAGE', `--platform names ${stranger}, which is no host`);
  return mapConcurrently(named, HOSTS_AT_ONCE, async (host) => {
    const platform = known.get(host.address);
    return {
      ...host,
      platform:
        platform === undefined ? await askPlatform(ssh, host.address, signal) : platformNamed(platform),
    };
  });
}

const HOSTS_AT_ONCE = 8;

async function askPlatform(ssh: Ssh, address: string, signal: AbortSignal): Promise<Platform> {
  const { status, stdout, tail } = await ssh.run(address, 'uname -m', { signal });
  if (status === 0) return platformNamed(stdout.trim().split('\n').at(-1) ?? '');
  throw new ArchBuildError('REMOTE', `${address} does not say what it is: status ${status}`, { items: tail });
}
