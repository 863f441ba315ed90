/** Machine, kernel, file systems it has: what decides which rung of the ladder there can be. */
import { advice, asRoot, info, ok, safely, type Check, type Finding, type Fix } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const KERNEL_CHECKS: readonly Check[] = [
  { id: 'machine', title: 'machine and kernel', run: machine },
  { id: 'kernel-config', title: 'kernel configuration', run: config },
  { id: 'file-systems', title: 'file systems of every step', run: fileSystems },
  { id: 'proc', title: '/proc', rungs: ['private'], run: proc },
  { id: 'sys', title: '/sys', run: sys },
  { id: 'overlay', title: 'overlay file system', run: overlay },
];

function machine({ host, machine: name, kernel }: HostFacts): readonly Finding[] {
  if (host !== undefined) return ok(`${host.arch}, Linux ${kernel}`);
  const why = 'this machine is unknown, so nothing can be emulated on it';
  return [{ state: 'fail', found: `${name}, Linux ${kernel}`, why, fix: advice('use another machine') }];
}

function config({ config: lines }: HostFacts): readonly Finding[] {
  if (lines.size === 0)
    return info('nowhere to be read (/proc/config.gz, /boot): what works was found out by trying');
  const missing = [...lines].filter(([name, value]) => value === 'n' && NEEDED.has(name));
  if (missing.length === 0) return ok('has what builds use');
  const why = missing.map(([name]) => `${name}: ${NEEDED.get(name) ?? ''}`).join('; ');
  const found = `without ${missing.map(([name]) => name).join(', ')}`;
  return [{ state: 'warn', found, why, fix: advice('a kernel that has them') }];
}

const NEEDED: ReadonlyMap<string, string> = new Map([
  ['CONFIG_BINFMT_MISC', 'no foreign program can be started'],
  ['CONFIG_OVERLAY_FS', 'steps work on an overlay'],
  ['CONFIG_USER_NS', 'steps have no table of emulators of their own'],
  ['CONFIG_PID_NS', 'processes that a step leaves cannot be ended'],
  ['CONFIG_NET_NS', 'no steps without a network (--network none)'],
  ['CONFIG_POSIX_MQUEUE', 'steps have no /dev/mqueue'],
]);

function fileSystems({ fileSystems: present }: HostFacts): readonly Finding[] {
  const missing = ['proc', 'tmpfs', 'devpts', 'mqueue'].filter((name) => !present.has(name));
  if (missing.length === 0) return ok('proc, tmpfs, devpts, mqueue');
  const found = `the kernel has no ${missing.join(', ')}`;
  return [{ state: 'fail', found, why: 'each step mounts them', fix: advice('a kernel that has them') }];
}

function proc({ surroundings: { procMounted, procCovered }, trials, user }: HostFacts): readonly Finding[] {
  if (!procMounted) {
    const fix = safely(['mount', '-t', 'proc', 'proc', '/proc']);
    return [{ state: 'fail', found: 'not mounted', why: 'nearly everything is asked of it', fix }];
  }
  if (trials.userNamespace.works !== true) return ok('mounted');
  if (trials.proc.works !== false) {
    return procCovered.length === 0
      ? ok('mounted, all of it to be seen')
      : info(`covered at ${procCovered.join(', ')}`);
  }
  const found = `a step cannot have one of its own: ${trials.proc.words}`;
  const covered = procCovered.length > 0 ? `; something covers ${procCovered.join(', ')}` : '';
  const why = `the kernel gives a new /proc only to who sees the whole of the present one${covered}`;
  const uncover = procCovered.map((path) => ['umount', path]);
  const fix =
    uncover.length > 0 && user.uid === 0
      ? asRoot(uncover, 'a container runtime covers them on purpose; or build with --isolation host')
      : advice('build with --isolation host, or outside of the container');
  return [{ state: 'warn', found, why, fix }];
}

function sys({ surroundings: { sysMounted } }: HostFacts): readonly Finding[] {
  if (sysMounted) return ok('mounted');
  const why = 'steps see it, read-only: programs that look at devices or processors find nothing';
  return [
    { state: 'warn', found: 'not mounted', why, fix: safely(['mount', '-t', 'sysfs', 'sysfs', '/sys']) },
  ];
}

function overlay(facts: HostFacts): readonly Finding[] {
  const { trials, store } = facts;
  const { works, words } = trials.overlay;
  if (works === true) return ok(`works on ${store.mount?.type ?? 'the file system'} at ${store.existing}`);
  const why = 'every step works on an overlay';
  if (works === undefined) {
    return [
      { state: 'warn', found: `not tried: ${words}`, why, fix: advice('see the lines about the store') },
    ];
  }
  const found = `cannot be mounted at ${store.existing} (${store.mount?.type ?? 'unknown file system'}): ${words}`;
  return [{ state: 'fail', found, why, fix: overlayFix(facts) }];
}

function overlayFix(facts: HostFacts): Fix {
  const missing = featureFix(facts, 'overlay', 'CONFIG_OVERLAY_FS');
  return missing ?? otherPlace(facts, 'network file systems and overlays cannot take the changes of a step');
}

/** What brings a file system that may be a module; undefined when it is there. */
export function featureFix(
  { features, surroundings }: HostFacts,
  module: string,
  option: string,
): Fix | undefined {
  const state = features.get(module) ?? 'unknown';
  if (state === 'present') return undefined;
  if (state === 'absent')
    return advice(`a kernel with ${option}: this one has it neither built in nor as a module`);
  const inContainer = surroundings.containerSigns.length > 0;
  return inContainer
    ? asRoot([['modprobe', module]], 'on the host, outside of the container')
    : safely(['modprobe', module]);
}

/** Another store, where there is a good place for it. */
export function otherPlace({ store: { alternative } }: HostFacts, reason: string): Fix {
  if (alternative === undefined) return advice(`choose another place with --root: ${reason}`);
  return advice(`choose another place, such as --root ${alternative}: ${reason}`);
}
