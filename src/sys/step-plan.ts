/**
 * The plan of one RUN (or `run`): overlay rootfs, /dev, /proc, /sys, namespaces, emulator entries, credentials.
 * Pure: the same facts give the same list of operations.
 *
 * Two levels. Outside, as the host's root in a private mount namespace: the overlay (so that it can use trusted.*
 * attributes) and everything bound from the host. Inside the new namespaces: what belongs to them (/proc, mqueue,
 * binfmt_misc). Mounts made outside are locked for the step.
 */
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import { joinGroups, openGroups, showGroups, type StepGroup } from './cgroup/step-group.ts';
import { identityMap, isMapped, type Identity } from './identity.ts';
import type { Limit } from './limits.ts';
import { CLONE, MS, type Operation } from './plan.ts';
import { bindEmulators, hasUserNamespace, supervisor, type Isolation } from './step-emulators.ts';
import { stepMounts, type StepMount } from './step-mounts.ts';

export interface Bind {
  /** Absolute host path. */
  readonly source: string;
  /** Absolute path in the image, free of symlinks; it exists in the rootfs or in the stub layer. */
  readonly target: string;
  readonly readOnly: boolean;
}

export interface StepPlanOptions {
  /** Holds `upper`, `work`, `merged` and `l/0 … l/N-1`, links to the lower directories, topmost first. */
  readonly scratch: string;
  readonly lowerCount: number;
  readonly isolation: Isolation;
  readonly network: 'host' | 'none';
  readonly hostname: string;
  readonly binds: readonly Bind[];
  /** What the step asks for itself. */
  readonly mounts: readonly StepMount[];
  /** Host files that stand at `/dev/pipes/<name>`, read-only. */
  readonly pipes: readonly { readonly source: string; readonly name: string }[];
  /** Paths of /proc and /sys that exist on this kernel and must not be seen: files and directories. */
  readonly masked: { readonly files: readonly string[]; readonly directories: readonly string[] };
  readonly readOnlyProc: readonly string[];
  /** Overlay without fsync (Linux 5.10): a step that did not finish is thrown away anyway. */
  readonly volatile: boolean;
  /** The ids there are here, which the step gets as they are: ownership inside is ownership outside. */
  readonly ids: Identity;
  /** Path on the host of the terminal the command gets. */
  readonly terminal: string | undefined;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  /** Those of a default container unless said. */
  readonly capabilities?: bigint;
  readonly limits?: readonly Limit[];
  /** Set-id bits and file capabilities give the command nothing. */
  readonly noNewPrivileges?: boolean;
  /** The command cannot limit the memory of processes, and does not notice: as under an emulator. */
  readonly noMemoryLimits?: boolean;
  /** Without it the command is where we are, and sees nothing of it. */
  readonly group?: StepGroup;
  /** Room in /dev/shm; 64 MiB unless said. */
  readonly shmBytes?: number | undefined;
  readonly workdir: string;
  /** `NAME=value` */
  readonly environment: readonly string[];
  readonly argv: readonly string[];
}

const BINFMT = 'merged/proc/sys/fs/binfmt_misc';

export function stepPlan(options: StepPlanOptions): Operation[] {
  const { capabilities = DEFAULT_CAPABILITIES, limits = [], group = NO_GROUP } = options;
  return [
    // A hard limit can be raised here only: inside, nobody has the right to.
    ...limits.map(({ resource, hard }): Operation => ({ op: 'raise', resource, hard })),
    ...openGroups(group),
    { op: 'unshare', flags: CLONE.NEWNS },
    mount({ target: '/', flags: MS.REC | MS.PRIVATE }),
    { op: 'chdir', path: options.scratch },
    overlay(options, { directory: '', lowerCount: options.lowerCount }),
    ...devices(options),
    ...consoleDevice(options.terminal),
    ...pipes(options.pipes),
    ...bindEmulators(options.isolation, 'merged/dev'),
    ...sysfs(options),
    ...options.binds.flatMap(bind),
    ...stepMounts(options.mounts, {
      overlay: (directory, lowerCount) => overlay(options, { directory, lowerCount }),
    }),
    enter(options),
    mount({ source: 'proc', target: 'merged/proc', type: 'proc', flags: HARMLESS }),
    ...emulators(options.isolation),
    ...readOnlyProc(options.readOnlyProc),
    ...masks('/proc', options.masked),
    mount({ source: 'mqueue', target: 'merged/dev/mqueue', type: 'mqueue', flags: HARMLESS }),
    mount({ source: 'merged', target: 'merged', flags: MS.BIND | MS.REC }),
    { op: 'pivot', root: 'merged' },
    { op: 'hostname', name: options.hostname },
    ...(options.network === 'none' ? [{ op: 'loopback' } as const] : []),
    { op: 'umask', mask: 0o022 },
    supervisor(options.isolation),
    ...joinGroups(group),
    ...(options.terminal === undefined ? [] : [{ op: 'terminal' } as const]),
    ...limits.map((limit): Operation => ({ op: 'limit', ...limit })),
    ...(options.noMemoryLimits === true ? [{ op: 'no-memory-limits' } as const] : []),
    { op: 'capabilities', keep: capabilities },
    ...(options.noNewPrivileges === true ? [{ op: 'no-new-privileges' } as const] : []),
    { op: 'ids', ...options.user },
    { op: 'workdir', path: options.workdir },
    { op: 'environment', variables: options.environment },
    { op: 'exec', argv: options.argv },
  ];
}

const NO_GROUP: StepGroup = { joined: [], isPrivate: false, shown: [] };
const HARMLESS = MS.NOSUID | MS.NODEV | MS.NOEXEC;

interface MountOperands {
  readonly source?: string;
  readonly target: string;
  readonly type?: string;
  readonly flags: number;
  readonly data?: string;
}

function mount({ source = '', target, type = '', flags, data = '' }: MountOperands): Operation {
  return { op: 'mount', source, target, type, flags, data };
}

/**
 * Short relative names keep 127 layers within the one page mount(2) takes. The features switched off would
 * store a change in a form no other tool reads (redirects, metadata-only copies).
 */
function overlay(
  { ids, volatile }: Pick<StepPlanOptions, 'ids' | 'volatile'>,
  { directory, lowerCount }: { readonly directory: string; readonly lowerCount: number },
): Operation {
  const at = directory === '' ? '' : `${directory}/`;
  const lowers = Array.from({ length: lowerCount }, (_, index) => `${at}l/${index}`).join(':');
  const features = ids.overlay === 'user' ? 'userxattr' : 'redirect_dir=off,metacopy=off,index=off';
  const data = `lowerdir=${lowers},upperdir=${at}upper,workdir=${at}work,${features}${volatile ? ',volatile' : ''}`;
  return mount({ source: 'overlay', target: `${at}merged`, type: 'overlay', flags: 0, data });
}

const TTY_GROUP = 5; // of every distribution; a terminal's group

const DEVICE_NODES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const DEVICE_LINKS = [
  ['pts/ptmx', 'ptmx'],
  ['/proc/self/fd', 'fd'],
  ['/proc/self/fd/0', 'stdin'],
  ['/proc/self/fd/1', 'stdout'],
  ['/proc/self/fd/2', 'stderr'],
] as const;

/** Mode 755: on a sticky world-writable directory the kernel refuses `> /dev/null` on a bound node. */
function devices({ ids, shmBytes = 64 * 2 ** 20 }: Pick<StepPlanOptions, 'ids' | 'shmBytes'>): Operation[] {
  const dev = 'merged/dev';
  return [
    mount({ source: 'tmpfs', target: dev, type: 'tmpfs', flags: MS.NOSUID, data: 'mode=755,size=65536k' }),
    ...DEVICE_NODES.flatMap((name): Operation[] => [
      { op: 'touch', path: `${dev}/${name}` },
      mount({ source: `/dev/${name}`, target: `${dev}/${name}`, flags: MS.BIND }),
    ]),
    ...DEVICE_LINKS.map(([target, name]): Operation => ({ op: 'symlink', target, path: `${dev}/${name}` })),
    ...['pts', 'shm', 'mqueue'].map((name): Operation => ({
      op: 'mkdir',
      path: `${dev}/${name}`,
      mode: 0o755,
    })),
    mount({
      source: 'devpts',
      target: `${dev}/pts`,
      type: 'devpts',
      flags: MS.NOSUID | MS.NOEXEC,
      data: `newinstance,ptmxmode=0666,mode=0620${isMapped(ids.gids, TTY_GROUP) ? `,gid=${TTY_GROUP}` : ''}`,
    }),
    mount({
      source: 'shm',
      target: `${dev}/shm`,
      type: 'tmpfs',
      flags: HARMLESS,
      data: `mode=1777,size=${Math.ceil(shmBytes / 1024)}k`,
    }),
  ];
}

/** The terminal is one of the host's: without a name in our own /dev, ttyname(3) would not find it. */
function consoleDevice(source: string | undefined): Operation[] {
  if (source === undefined) return [];
  const target = 'merged/dev/console';
  return [{ op: 'touch', path: target }, mount({ source, target, flags: MS.BIND })];
}

function pipes(files: StepPlanOptions['pipes']): Operation[] {
  if (files.length === 0) return [];
  const made = files.flatMap(({ source, name }): Operation[] => {
    const target = `merged/dev/pipes/${name}`;
    return [
      { op: 'touch', path: target },
      mount({ source, target, flags: MS.BIND }),
      { op: 'restrict', target, flags: MS.RDONLY },
    ];
  });
  return [{ op: 'mkdir', path: 'merged/dev/pipes', mode: 0o755 }, ...made];
}

/**
 * The host's sysfs shows the host's interfaces whatever the step's network is. In a user namespace what is mounted
 * below it cannot be left behind: it comes along, read-only.
 */
function sysfs({ masked, network, ids, group = NO_GROUP }: StepPlanOptions): Operation[] {
  return [
    mount({ source: '/sys', target: 'merged/sys', flags: MS.BIND | (ids.overlay === 'user' ? MS.REC : 0) }),
    ...showGroups(group, 'merged/sys'),
    { op: 'restrict', target: 'merged/sys', flags: MS.RDONLY | HARMLESS },
    ...masks('/sys', masked),
    ...(network === 'none' ? [emptyDirectory('merged/sys/class/net')] : []),
  ];
}

function masks(below: '/proc' | '/sys', masked: StepPlanOptions['masked']): Operation[] {
  const here = (path: string): boolean => path.startsWith(`${below}/`);
  return [
    ...masked.files
      .filter(here)
      .map((path) => mount({ source: '/dev/null', target: `merged${path}`, flags: MS.BIND })),
    ...masked.directories.filter(here).map((path) => emptyDirectory(`merged${path}`)),
  ];
}

const emptyDirectory = (target: string): Operation =>
  mount({ source: 'tmpfs', target, type: 'tmpfs', flags: MS.RDONLY | HARMLESS, data: 'size=0,nr_inodes=1' });

function bind({ source, target, readOnly }: Bind): Operation[] {
  const at = `merged${target}`;
  const made = mount({ source, target: at, flags: MS.BIND | MS.REC });
  return readOnly ? [made, { op: 'restrict', target: at, flags: MS.RDONLY }] : [made];
}

function enter({ isolation, network, ids }: StepPlanOptions): Operation {
  const user = hasUserNamespace(isolation) ? CLONE.NEWUSER : 0;
  const net = network === 'none' ? CLONE.NEWNET : 0;
  const flags = user | CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | net;
  return { op: 'enter', flags, uidMap: identityMap(ids.uids), gidMap: identityMap(ids.gids) };
}

/**
 * The step's own table. Its mount must live as long as the step (the table goes with the last mount), but the step
 * must not reach `register`: an empty read-only directory is mounted over it, and nothing in there may unmount.
 */
function emulators(isolation: Isolation): Operation[] {
  if (isolation.kind !== 'private' || isolation.entries.length === 0) return [];
  return [
    mount({ source: 'binfmt_misc', target: BINFMT, type: 'binfmt_misc', flags: HARMLESS }),
    ...isolation.entries.map((text): Operation => ({ op: 'write', path: `${BINFMT}/register`, text })),
    emptyDirectory(BINFMT),
  ];
}

/** User 0 of an identity map still passes the permission bits of /proc/sys: only a read-only mount stops it. */
function readOnlyProc(paths: readonly string[]): Operation[] {
  return paths.flatMap((path): Operation[] => [
    mount({ source: `merged${path}`, target: `merged${path}`, flags: MS.BIND | MS.REC }),
    { op: 'restrict', target: `merged${path}`, flags: MS.RDONLY | HARMLESS },
  ]);
}
