/** Namespaces and ids: what lets a step be a world of its own. */
import { advice, asRoot, info, ok, safely, writing, type Check, type Finding, type Fix } from './check.ts';
import { featureFix } from './kernel.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const NAMESPACE_CHECKS: readonly Check[] = [
  { id: 'user-namespace', title: 'user namespaces', rungs: ['private'], run: userNamespace },
  { id: 'namespaces', title: 'other namespaces', run: otherNamespaces },
  { id: 'private-binfmt', title: 'private binfmt_misc', rungs: ['private'], run: privateBinfmt },
  { id: 'user-ids', title: 'user ids of a build', run: userIds },
];

/** Root can do without: the host's table needs none. */
function userNamespace(facts: HostFacts): readonly Finding[] {
  const { works, words } = facts.trials.userNamespace;
  if (works === true) return ok('can be made');
  if (works === undefined) {
    const fix = advice('see the line about the sandbox helper');
    return [{ state: 'warn', found: `not tried: ${words}`, why: 'steps run in one', fix }];
  }
  const isRoot = facts.user.uid === 0;
  const why = isRoot
    ? 'without them emulators must be registered in the table of the host'
    : 'without them only root can build';
  return [
    { state: isRoot ? 'warn' : 'fail', found: `cannot be made: ${words}`, why, fix: namespaceFix(facts) },
  ];
}

/** What the kernel itself starts with; more than any host needs. */
const USUAL_LIMIT = 15_000;

/** The switches that forbid them, most specific first. */
function namespaceFix({
  trials,
  sysctls,
  config,
  surroundings,
  seLinuxEnforcing,
  user,
  process,
}: HostFacts): Fix {
  if (sysctls.get('user.max_user_namespaces') === '0') return raising('user');
  if (config.get('CONFIG_USER_NS') === 'n') return advice('a kernel with CONFIG_USER_NS');
  if (surroundings.chroot)
    return advice('start arch-build outside of the chroot: the kernel forbids them in one');
  if (user.uid !== 0 && sysctls.get('kernel.unprivileged_userns_clone') === '0')
    return asRoot([writing('1', '/proc/sys/kernel/unprivileged_userns_clone')], 'or run arch-build as root');
  if (user.uid !== 0 && sysctls.get('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    const note = 'or run as root, or give node an AppArmor profile with the rule userns';
    return asRoot([writing('0', '/proc/sys/kernel/apparmor_restrict_unprivileged_userns')], note);
  }
  if (process.seccomp === 2)
    return advice(
      'a seccomp filter around us forbids them: allow unshare, clone and mount in the profile of the container',
    );
  if (seLinuxEnforcing)
    return advice('SELinux may forbid them: see `ausearch -m avc -ts recent`, or run as root');
  if (user.uid !== 0) return advice('run as root');
  return trials.userNamespace.words.includes('ENOSPC')
    ? raising('user')
    : advice(
        'a container or a security module forbids them: allow them there, or build with --isolation host',
      );
}

const raising = (kind: string): Fix =>
  safely(writing(String(USUAL_LIMIT), `/proc/sys/user/max_${kind}_namespaces`));

function otherNamespaces({ trials, sysctls }: HostFacts): readonly Finding[] {
  const kinds = ['mnt', 'pid', 'net', 'ipc', 'uts'];
  const none = kinds.filter((kind) => sysctls.get(`user.max_${kind}_namespaces`) === '0');
  const why = 'each step has its own mounts, processes, ipc, host name and, without network, interfaces';
  if (none.length > 0) {
    const commands = none.map((kind) =>
      writing(String(USUAL_LIMIT), `/proc/sys/user/max_${kind}_namespaces`),
    );
    const found = none.map((kind) => `user.max_${kind}_namespaces is 0`).join(', ');
    return [{ state: 'fail', found, why, fix: safely(...commands) }];
  }
  const { works, words } = trials.namespaces;
  if (works === true) return ok('mounts, processes, ipc, host names, networks');
  if (trials.userNamespace.works !== true) return []; // the same trouble, told before
  return [
    {
      state: 'fail',
      found: `cannot be made: ${words}`,
      why,
      fix: advice('a kernel with CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS and CONFIG_UTS_NS'),
    },
  ];
}

function privateBinfmt(facts: HostFacts): readonly Finding[] {
  const { trials, kernel } = facts;
  const { works, words } = trials.privateBinfmt;
  if (works === true) return ok('each step can have a table of its own');
  if (trials.userNamespace.works !== true) return info('not tried: it needs a user namespace');
  const why = 'without it emulators must be registered in the table of the host, by root';
  const newer = advice(`a kernel from Linux 6.7 on (this is ${kernel})`);
  const fix = featureFix(facts, 'binfmt_misc', 'CONFIG_BINFMT_MISC') ?? newer;
  return [{ state: 'warn', found: `cannot be mounted: ${words}`, why, fix }];
}

/** As many as hold every id of a usual image, 65534 (nobody) among them. */
const ENOUGH_IDS = 65_536;
const ALL_IDS = 4_294_967_295;
const SINGLE_ID =
  'with a single id, programs that change owners or users (apt, useradd, su) fail in steps; all files belong to one user';

function userIds({ user }: HostFacts): readonly Finding[] {
  if (user.uid === 0 && user.mappedIds >= ALL_IDS) return ok('root: all ids');
  if (user.uid === 0) return rootOfNamespace(user.mappedIds);
  const ranges = Math.min(user.subordinateUids, user.subordinateGids);
  if (ranges < ENOUGH_IDS) return [rangeFinding(user)];
  if (user.mapperFaults.length === 0)
    return ok(`${ranges} subordinate ids, mapped by newuidmap and newgidmap`);
  return user.mapperFaults.map(({ program, path }) => ({
    state: 'warn',
    found:
      path === undefined ? `${program} is not there` : `${path} is not setuid root and has no capability`,
    why: `it maps the subordinate ids; ${SINGLE_ID}`,
    fix:
      path === undefined
        ? advice('install it (Debian, Ubuntu: uidmap; Fedora: shadow-utils; Alpine: shadow-uidmap)')
        : asRoot([
            ['chown', 'root:root', path],
            ['chmod', 'u+s', path],
          ]),
  }));
}

function rootOfNamespace(mappedIds: number): readonly Finding[] {
  const found = `root of a user namespace with ${mappedIds} ids`;
  if (mappedIds >= ENOUGH_IDS) return info(found);
  const fix = advice('start the namespace with a range of 65536 ids, or run outside of it');
  return [{ state: 'warn', found, why: SINGLE_ID, fix }];
}

/** A range that no other line has: the first one behind those there are is the administrator's to choose. */
function rangeFinding({ name, subordinateUids, subordinateGids }: HostFacts['user']): Finding {
  const files = [
    { path: '/etc/subuid', count: subordinateUids },
    { path: '/etc/subgid', count: subordinateGids },
  ].filter(({ count }) => count < ENOUGH_IDS);
  const found = files
    .map(({ path, count }) =>
      count === 0 ? `${path} gives ${name} none` : `${path} gives ${name} only ${count}`,
    )
    .join(', ');
  const why = `65536 are needed, so that every id of an image has its own; ${SINGLE_ID}`;
  const line = `${name}:100000:65536`;
  const commands = files.map(({ path }) => ['sh', '-c', `echo ${line} >> ${path}`]);
  return { state: 'warn', found, why, fix: asRoot(commands, 'another first id when other users have these') };
}
