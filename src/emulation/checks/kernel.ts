/** Machine, kernel, namespaces: what decides which rung of the ladder there can be. */
import { info, ok, type Check, type Finding } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const KERNEL_CHECKS: readonly Check[] = [
  {
    id: 'machine',
    title: 'machine and kernel',
    run: ({ host, machine, kernel }) =>
      host === undefined
        ? [
            {
              state: 'fail',
              found: `${machine}, Linux ${kernel}`,
              why: 'this machine is unknown, so nothing can be emulated on it',
            },
          ]
        : ok(`${host.arch}, Linux ${kernel}`),
  },
  { id: 'user-namespace', title: 'user namespaces', run: userNamespace },
  { id: 'private-binfmt', title: 'private binfmt_misc', run: privateBinfmt },
  { id: 'overlay', title: 'overlay file system', run: overlay },
  { id: 'user-ids', title: 'user ids of a build', run: userIds },
  {
    id: 'container',
    title: 'container',
    run: ({ container, kernel }) => [
      ...(container === undefined ? [] : info(`we are in a container (${container}): its rules come on top`)),
      ...(/microsoft/i.test(kernel)
        ? info('this is WSL: the entry WSLInterop is its own and is left alone')
        : []),
    ],
  },
  { id: 'address-space', title: 'address space of 32-bit programs', run: addressSpace },
];

function userNamespace(facts: HostFacts): readonly Finding[] {
  const { userNamespace: trial } = facts.trials;
  if (trial.works === true) return ok('can be made');
  const found = `cannot be made: ${trial.words}`;
  if (trial.works === undefined)
    return [{ state: 'warn', found, why: 'it could not be tried', fix: 'install util-linux' }];
  return [{ state: 'fail', found, why: 'every step of a build runs in one', fix: namespaceFix(facts) }];
}

/** The switches that forbid them, most specific first. */
function namespaceFix({ sysctls }: HostFacts): string {
  if (sysctls.get('user.max_user_namespaces') === '0') return 'sysctl -w user.max_user_namespaces=10000';
  if (sysctls.get('kernel.unprivileged_userns_clone') === '0')
    return 'sysctl -w kernel.unprivileged_userns_clone=1, or run as root';
  if (sysctls.get('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    return 'run as root, or give arch-build an AppArmor profile with the rule userns';
  }
  return 'run as root; in a container, allow unshare and mount in its seccomp profile';
}

function privateBinfmt({ trials, kernel, fileSystems }: HostFacts): readonly Finding[] {
  const trial = trials.privateBinfmt;
  if (trial.works === true) return ok('each step can have a table of its own');
  if (trials.userNamespace.works !== true) return info('not tried: it needs a user namespace');
  const why = 'without it emulators must be registered in the table of the host, by root';
  const fix = fileSystems.has('binfmt_misc')
    ? `a kernel from Linux 6.7 on (this is ${kernel})`
    : 'modprobe binfmt_misc';
  return [{ state: 'warn', found: `cannot be mounted: ${trial.words}`, why, fix }];
}

function overlay({ trials, fileSystems, store }: HostFacts): readonly Finding[] {
  const trial = trials.overlay;
  if (trial.works === true)
    return ok(`works on ${store.mount?.type ?? 'the file system'} at ${store.existing}`);
  if (trial.works === undefined)
    return [{ state: 'warn', found: trial.words, why: 'every step works on an overlay' }];
  const fix = fileSystems.has('overlay')
    ? 'put the store (--root) on ext4, xfs, btrfs or tmpfs: network file systems and overlays cannot take the changes'
    : 'modprobe overlay';
  return [
    {
      state: 'fail',
      found: `cannot be mounted at ${store.existing}: ${trial.words}`,
      why: 'every step works on an overlay',
      fix,
    },
  ];
}

function userIds({ user, tools }: HostFacts): readonly Finding[] {
  if (user.uid === 0) return ok('root: all ids');
  const why = 'with a single id, programs that change owners or users (apt, useradd, su) fail in steps';
  if (user.subordinateIds === 0) {
    const fix = `add a line "${user.name}:100000:65536" to /etc/subuid and /etc/subgid`;
    return [{ state: 'warn', found: `${user.name} has no subordinate ids`, why, fix }];
  }
  if (tools.has('newuidmap') && tools.has('newgidmap')) return ok(`${user.subordinateIds} subordinate ids`);
  return [
    {
      state: 'warn',
      found: 'newuidmap and newgidmap are missing',
      why,
      fix: 'install them (Debian: uidmap)',
    },
  ];
}

const FOUR_GIB = 2 ** 32;
const USUAL_MINIMUM = 65_536;

function addressSpace({ addressSpace: limit, sysctls }: HostFacts): readonly Finding[] {
  const findings: Finding[] = [];
  const why = 'emulators of 32-bit machines reserve 4 GiB of addresses';
  if (limit !== undefined && limit < 2 * FOUR_GIB) {
    findings.push({ state: 'warn', found: `limited to ${limit} bytes`, why, fix: 'ulimit -v unlimited' });
  }
  if (sysctls.get('vm.overcommit_memory') === '2') {
    findings.push({
      state: 'warn',
      found: 'vm.overcommit_memory is 2',
      why,
      fix: 'sysctl -w vm.overcommit_memory=0',
    });
  }
  const lowest = Number(sysctls.get('vm.mmap_min_addr') ?? 0);
  if (lowest > USUAL_MINIMUM) {
    const low = 'programs linked at low addresses cannot be loaded';
    findings.push({
      state: 'warn',
      found: `vm.mmap_min_addr is ${lowest}`,
      why: low,
      fix: `sysctl -w vm.mmap_min_addr=${USUAL_MINIMUM}`,
    });
  }
  return findings.length > 0 ? findings : ok('not limited');
}
