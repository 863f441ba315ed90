/** The facts of a host on which everything is in order, for tests that change one of them. */
import { architectureByName } from '../../src/emulation/architecture.ts';
import type { BinfmtEntry } from '../../src/emulation/binfmt-entry.ts';
import type { HostFacts } from '../../src/emulation/facts/host-facts.ts';
import { CONTROLLERS } from '../../src/sys/cgroup/limits.ts';
import type { PlatformFacts } from '../../src/emulation/facts/platform-facts.ts';

export const arm64: PlatformFacts = {
  platform: 'linux/arm64',
  architecture: architectureByName('aarch64'),
  asked: true,
  native: false,
  emulators: {
    usable: [
      {
        arch: 'aarch64',
        path: '/q/qemu-aarch64',
        version: '7.2.22',
        sha256: 'ab',
        sizeBytes: 1,
        source: 'store',
      },
    ],
    rejected: [],
  },
  trial: { works: true, words: '', milliseconds: 12, positionIndependent: true },
  toolbox: {
    arch: 'aarch64',
    path: '/s/toolbox/aarch64/busybox',
    version: '1.35.0',
    sha256: 'cd',
    sizeBytes: 1,
    source: 'store',
  },
};

const works = { works: true, words: '' };
const unlimited = { soft: undefined, hard: undefined };

export const healthy: HostFacts = {
  host: architectureByName('x86_64'),
  machine: 'x86_64',
  kernel: '6.12.1',
  program: ['arch-build'],
  user: {
    uid: 0,
    name: 'root',
    subordinateUids: 0,
    subordinateGids: 0,
    mapperFaults: [],
    initialNamespace: true,
    mappedIds: 4_294_967_295,
  },
  process: {
    limits: {
      addressSpace: unlimited,
      openFiles: { soft: 1024, hard: 4096 },
      processes: unlimited,
      fileSize: unlimited,
    },
    seccomp: 0,
    noNewPrivileges: false,
    groups: [],
  },
  surroundings: {
    containerSigns: [],
    wsl: undefined,
    chroot: false,
    procMounted: true,
    procCovered: [],
    sysMounted: true,
  },
  clock: { now: Date.UTC(2026, 5, 1), program: Date.UTC(2026, 0, 1) },
  fileSystems: new Set(['nodev', 'proc', 'tmpfs', 'devpts', 'mqueue', 'binfmt_misc', 'overlay', 'ext4']),
  features: new Map([
    ['binfmt_misc', 'present'],
    ['overlay', 'present'],
  ]),
  config: new Map([['CONFIG_USER_NS', 'y']]),
  seLinuxEnforcing: false,
  sysctls: new Map([['vm.mmap_min_addr', '65536']]),
  trials: { userNamespace: works, privateBinfmt: works, proc: works, namespaces: works, overlay: works },
  stepLimits: CONTROLLERS.map((controller) => ({
    controller,
    works: true,
    version: 2,
    parent: '/sys/fs/cgroup',
    enables: [],
  })),
  binfmt: {
    directory: '/proc/sys/fs/binfmt_misc',
    mounted: true,
    enabled: true,
    entries: [],
    unreadable: [],
  },
  binfmtMount: { directory: '/proc/sys/fs/binfmt_misc', type: 'binfmt_misc', options: ['rw'] },
  interpreterObjections: new Map(),
  store: {
    directory: '/var/lib/store',
    existing: '/var/lib/store',
    writable: true,
    mount: { directory: '/', type: 'ext4', options: ['rw', 'relatime'] },
    freeBytes: 50 * 2 ** 30,
    freeInodes: 1_000_000,
    alternative: '/srv/arch-build',
  },
  temporary: { directory: '/tmp', fault: undefined },
  platforms: [arm64],
  emulatorPlaces: new Map(),
  emulatorVariables: [],
  sandboxHelper: '/x/sandbox',
  tools: new Set(['apt-get', 'dpkg-deb', 'tar']),
  persistence: [],
  registries: [],
};

export function entryFor(arch: string, change: Partial<BinfmtEntry> = {}): BinfmtEntry {
  const { magic, mask } = architectureByName(arch)!;
  return {
    name: `qemu-${arch}`,
    enabled: true,
    interpreter: `/usr/bin/qemu-${arch}`,
    flags: 'POCF',
    match: { kind: 'magic', offset: 0, magic: Buffer.from(magic, 'hex'), mask: Buffer.from(mask, 'hex') },
    ...change,
  };
}
