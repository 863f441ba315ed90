/** The plan of a step: laws of its order, and that the largest one fits what mount(2) takes. */
import { describe, expect, it } from 'vitest';
import { CLONE, MS, type Operation } from '../../src/sys/plan.ts';
import { DEFAULT_CAPABILITIES } from '../../src/sys/capabilities.ts';
import { stepPlan, type StepPlanOptions } from '../../src/sys/step-plan.ts';

const OPTIONS: StepPlanOptions = {
  scratch: '/store/tmp/session-x/run-y',
  lowerCount: 2,
  isolation: { kind: 'private', entries: [':arch-build-aarch64:M:0:x:y:/qemu:POCF'] },
  network: 'host',
  hostname: 'host',
  binds: [
    { source: '/tmp/hosts', target: '/etc/hosts', readOnly: true },
    { source: '/data', target: '/data', readOnly: false },
  ],
  mounts: [],
  pipes: [{ source: '/tmp/script', name: 'EOF' }],
  masked: { files: ['/proc/kcore'], directories: ['/proc/acpi', '/sys/firmware'] },
  readOnlyProc: ['/proc/sys', '/proc/sysrq-trigger'],
  volatile: true,
  ids: {
    uids: [{ inside: 0, outside: 0, count: 4294967295 }],
    gids: [{ inside: 0, outside: 0, count: 4294967295 }],
    overlay: 'trusted',
  },
  terminal: undefined,
  user: { uid: 1000, gid: 1000, groups: [1000, 10] },
  workdir: '/w',
  environment: ['PATH=/bin'],
  argv: ['/bin/sh', '-c', 'true'],
};

const EMULATOR = { name: 'qemu-aarch64', source: '/kit/qemu-aarch64-static' };
const PREFIX = {
  kind: 'prefix',
  userNamespace: true,
  machines: [{ ...EMULATOR, magic: '7f45', mask: 'ffff' }],
} as const;

type Mount = Extract<Operation, { op: 'mount' }>;
const planOf = (changes: Partial<StepPlanOptions> = {}): Operation[] => stepPlan({ ...OPTIONS, ...changes });
const mountsOf = (plan: readonly Operation[]): Mount[] =>
  plan.filter((operation) => operation.op === 'mount');
const mountOn = (plan: readonly Operation[], target: string): Mount[] =>
  mountsOf(plan).filter((mount) => mount.target === target);
type Restriction = Extract<Operation, { op: 'restrict' }>;
const restrictionsOf = (plan: readonly Operation[], target: string): Restriction[] =>
  plan.filter((operation) => operation.op === 'restrict').filter((each) => each.target === target);
const indexOf = (plan: readonly Operation[], matches: (operation: Operation) => boolean): number =>
  plan.findIndex(matches);
const flagsOf = (plan: readonly Operation[]): number =>
  plan.flatMap((each) => (each.op === 'enter' ? [each.flags] : []))[0]!;

/** What mount(2) copies from us: one page, with its terminating NUL. */
const PAGE = 4096;

describe('the plan of a step', () => {
  it.each([1, 2, 127])('has an overlay whose data fits a page with %d layers and the stubs', (layers) => {
    const [overlay] = mountOn(planOf({ lowerCount: layers + 1 }), 'merged');
    expect(overlay?.type).toBe('overlay');
    expect(Buffer.byteLength(overlay!.data)).toBeLessThan(PAGE);
    expect(overlay!.data.split(',')[0]?.split(/[=:]/).slice(1)).toEqual(
      Array.from({ length: layers + 1 }, (_, index) => `l/${index}`),
    );
  });

  it.each([
    [true, true],
    [false, false],
  ])('asks for a volatile overlay only where the kernel has it: %s', (volatile, expected) => {
    expect(mountOn(planOf({ volatile }), 'merged')[0]?.data.endsWith(',volatile')).toBe(expected);
  });

  it('stores changes in the form every tool reads', () => {
    expect(mountOn(planOf(), 'merged')[0]?.data).toContain('redirect_dir=off,metacopy=off,index=off');
  });

  it('touches no path of the host after it left its mount namespace, and leaves the root last', () => {
    const plan = planOf();
    expect(plan[0]).toEqual({ op: 'unshare', flags: CLONE.NEWNS });
    expect(plan[1]).toMatchObject({ op: 'mount', target: '/', flags: MS.REC | MS.PRIVATE });
    const pivot = indexOf(plan, ({ op }) => op === 'pivot');
    expect(plan.slice(pivot).some(({ op }) => op === 'mount')).toBe(false);
    for (const { target } of mountsOf(plan).slice(1))
      expect(target === 'merged' || target.startsWith('merged/')).toBe(true);
  });

  it('drops capabilities and changes user after everything that needs them, and starts the command last', () => {
    const plan = planOf({ network: 'none', terminal: '/dev/pts/3' });
    expect(plan.map(({ op }) => op).slice(-10)).toEqual([
      'hostname',
      'loopback',
      'umask',
      'init',
      'terminal',
      'capabilities',
      'ids',
      'workdir',
      'environment',
      'exec',
    ]);
    expect(plan).toContainEqual({ op: 'capabilities', keep: DEFAULT_CAPABILITIES });
    expect(plan).toContainEqual({ op: 'ids', uid: 1000, gid: 1000, groups: [1000, 10] });
  });

  it('takes no new privileges where it is told so, when nothing needs them any more', () => {
    const named = (plan: readonly Operation[]): string[] => plan.map(({ op }) => op);
    expect(named(planOf())).not.toContain('no-new-privileges');
    const names = named(planOf({ noNewPrivileges: true }));
    expect(names.slice(names.indexOf('capabilities'))).toEqual([
      'capabilities',
      'no-new-privileges',
      'ids',
      'workdir',
      'environment',
      'exec',
    ]);
  });

  it('takes limits of memory away from the command, not from those it is started with', () => {
    const limits = [{ resource: 9, soft: 1n, hard: 2n }];
    const named = (options: Partial<StepPlanOptions>): string[] => planOf(options).map(({ op }) => op);
    expect(named({ limits })).not.toContain('no-memory-limits');
    const names = named({ limits, noMemoryLimits: true });
    expect(names.slice(names.indexOf('limit'))).toEqual([
      'limit',
      'no-memory-limits',
      ...['capabilities', 'ids', 'workdir', 'environment', 'exec'],
    ]);
  });

  it('opens groups while the host is there, joins them in the command’s own process, and shows them read-only', () => {
    const shown = [{ source: '/sys/fs/cgroup/pids/g', name: 'pids', links: ['p'] }];
    const plan = planOf({ group: { joined: ['/sys/fs/cgroup/pids/g'], isPrivate: true, shown } });
    expect(plan[0]).toEqual({ op: 'group', path: '/sys/fs/cgroup/pids/g/cgroup.procs' });
    const names = plan.map(({ op }) => op);
    expect(names.slice(names.indexOf('init'), names.indexOf('capabilities'))).toEqual([
      'init',
      'join',
      'unshare',
    ]);
    const place = 'merged/sys/fs/cgroup';
    const [bound] = mountOn(plan, `${place}/pids`);
    expect(bound).toMatchObject({ source: '/sys/fs/cgroup/pids/g', type: '' });
    for (const target of [place, `${place}/pids`]) {
      const [readOnly] = restrictionsOf(plan, target);
      expect(readOnly!.flags & MS.RDONLY).toBe(MS.RDONLY);
      expect(plan.indexOf(readOnly!)).toBeGreaterThan(plan.indexOf(mountOn(plan, target)[0]!));
      expect(plan.indexOf(readOnly!)).toBeLessThan(names.indexOf('enter'));
    }
    expect(plan).toContainEqual({ op: 'symlink', target: 'pids', path: `${place}/p` });
  });

  it('keeps fourteen capabilities, without SYS_ADMIN, SYS_PTRACE, SYS_MODULE, SYS_RAWIO and NET_ADMIN', () => {
    expect(DEFAULT_CAPABILITIES.toString(2).replaceAll('0', '')).toHaveLength(14);
    for (const bit of [21n, 19n, 16n, 17n, 12n]) expect((DEFAULT_CAPABILITIES >> bit) & 1n).toBe(0n);
  });

  it.each<[string, Partial<StepPlanOptions>, number]>([
    ['private', {}, CLONE.NEWUSER],
    ['private, no network', { network: 'none' }, CLONE.NEWUSER | CLONE.NEWNET],
    ['host', { isolation: { kind: 'host' } }, 0],
    ['prefix', { isolation: PREFIX }, CLONE.NEWUSER],
    ['prefix without it', { isolation: { ...PREFIX, userNamespace: false } }, 0],
    ['host, no network', { isolation: { kind: 'host' }, network: 'none' }, CLONE.NEWNET],
  ])('enters its namespaces: %s', (_name, changes, more) => {
    const always = CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS;
    expect(flagsOf(planOf(changes))).toBe(always | more);
  });

  it('registers emulators in its own table and hides it before anything of the image runs', () => {
    const plan = planOf();
    const table = 'merged/proc/sys/fs/binfmt_misc';
    const [own, hidden] = mountOn(plan, table);
    expect([own?.type, hidden?.type]).toEqual(['binfmt_misc', 'tmpfs']);
    expect(hidden!.flags & MS.RDONLY).toBe(MS.RDONLY);
    const register = indexOf(plan, (each) => each.op === 'write' && each.path === `${table}/register`);
    expect(register).toBeGreaterThan(plan.indexOf(own!));
    expect(plan.indexOf(hidden!)).toBeGreaterThan(register);
    expect(register).toBeGreaterThan(indexOf(plan, ({ op }) => op === 'enter'));
    expect(register).toBeLessThan(indexOf(plan, ({ op }) => op === 'init'));
  });

  it.each<[string, StepPlanOptions['isolation']]>([
    ['on the host’s table', { kind: 'host' }],
    ['natively', { kind: 'private', entries: [] }],
  ])('has no table of its own %s', (_name, isolation) => {
    expect(planOf({ isolation }).some((each) => each.op === 'write')).toBe(false);
    expect(mountOn(planOf({ isolation }), 'merged/proc/sys/fs/binfmt_misc')).toEqual([]);
  });

  it('traces from pid 1 on, before anything is given up', () => {
    const plan = planOf({ isolation: PREFIX, terminal: '/dev/pts/3' });
    expect(plan.map(({ op }) => op)).not.toContain('init');
    expect(plan).toContainEqual({
      op: 'trace',
      emulators: [{ magic: '7f45', mask: 'ffff', path: '/dev/emulators/qemu-aarch64' }],
    });
    const trace = indexOf(plan, ({ op }) => op === 'trace');
    for (const later of ['terminal', 'capabilities', 'ids', 'workdir', 'exec']) {
      expect(indexOf(plan, ({ op }) => op === later)).toBeGreaterThan(trace);
    }
  });

  it.each<[string, StepPlanOptions['isolation'], boolean]>([
    ['traced', PREFIX, true],
    ['that the host’s table names by their path', { kind: 'host', emulators: [EMULATOR] }, true],
    ['that the host’s table holds open', { kind: 'host' }, false],
    ['of its own table', { kind: 'private', entries: ['x'] }, false],
  ])('has the emulators inside, read-only, outside of every layer: %s', (_name, isolation, isInside) => {
    const plan = planOf({ isolation });
    const target = 'merged/dev/emulators/qemu-aarch64';
    const bound = mountOn(plan, target);
    expect(bound.map(({ source }) => source)).toEqual(isInside ? [EMULATOR.source] : []);
    const restricted = indexOf(plan, (each) => each.op === 'restrict' && each.target === target);
    expect(restricted !== -1).toBe(isInside);
    if (!isInside) return;
    expect(plan[restricted]).toEqual({ op: 'restrict', target, flags: MS.RDONLY });
    const order = [plan.indexOf(mountOn(plan, 'merged/dev')[0]!), plan.indexOf(bound[0]!), restricted];
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(restricted).toBeLessThan(indexOf(plan, ({ op }) => op === 'enter'));
  });

  it('makes /proc/sys read-only after the table was mounted below it', () => {
    const plan = planOf();
    const [bind] = mountOn(plan, 'merged/proc/sys');
    expect(bind!.flags).toBe(MS.BIND | MS.REC);
    const [readOnly] = restrictionsOf(plan, 'merged/proc/sys');
    expect(readOnly!.flags & MS.RDONLY).toBe(MS.RDONLY);
    expect(plan.indexOf(readOnly!)).toBeGreaterThan(plan.indexOf(bind!));
    expect(plan.indexOf(bind!)).toBeGreaterThan(
      plan.indexOf(mountOn(plan, 'merged/proc/sys/fs/binfmt_misc')[1]!),
    );
  });

  it('masks what it is told to, after /proc and /sys are there', () => {
    const plan = planOf();
    expect(mountOn(plan, 'merged/proc/kcore')).toMatchObject([{ source: '/dev/null', flags: MS.BIND }]);
    for (const path of ['proc/acpi', 'sys/firmware']) {
      const [mask] = mountOn(plan, `merged/${path}`);
      expect(mask).toMatchObject({ type: 'tmpfs', data: 'size=0,nr_inodes=1' });
      expect(plan.indexOf(mask!)).toBeGreaterThan(
        plan.indexOf(mountOn(plan, `merged/${path.slice(0, path.indexOf('/'))}`)[0]!),
      );
    }
  });

  it('binds read-only where asked, and scripts always', () => {
    const plan = planOf();
    expect(mountOn(plan, 'merged/etc/hosts').map(({ flags }) => flags)).toEqual([MS.BIND | MS.REC]);
    expect(restrictionsOf(plan, 'merged/etc/hosts').map(({ flags }) => flags)).toEqual([MS.RDONLY]);
    expect(mountOn(plan, 'merged/data').map(({ flags }) => flags)).toEqual([MS.BIND | MS.REC]);
    expect(restrictionsOf(plan, 'merged/data')).toEqual([]);
    expect(mountOn(plan, 'merged/dev/pipes/EOF').map(({ flags }) => flags)).toEqual([MS.BIND]);
    expect(restrictionsOf(plan, 'merged/dev/pipes/EOF').map(({ flags }) => flags)).toEqual([MS.RDONLY]);
    expect(planOf({ pipes: [] }).some((each) => each.op === 'mkdir' && each.path.endsWith('pipes'))).toBe(
      false,
    );
  });

  it('has a /dev that is not sticky and world-writable, with nodes bound from the host', () => {
    const [dev] = mountOn(planOf(), 'merged/dev');
    expect(dev?.data).toContain('mode=755');
    for (const name of ['null', 'zero', 'full', 'random', 'urandom', 'tty']) {
      expect(mountOn(planOf(), `merged/dev/${name}`)).toMatchObject([
        { source: `/dev/${name}`, flags: MS.BIND },
      ]);
    }
  });

  describe('of an ordinary user', () => {
    const ids: StepPlanOptions['ids'] = {
      uids: [
        { inside: 0, outside: 1000, count: 1 },
        { inside: 1, outside: 100_000, count: 65_536 },
      ],
      gids: [{ inside: 0, outside: 1000, count: 1 }],
      overlay: 'user',
    };

    it('keeps the marks of the overlay in attributes a user may write', () => {
      const [overlay] = mountOn(planOf({ ids }), 'merged');
      expect(overlay?.data).toContain(',userxattr');
      expect(overlay?.data).not.toContain('redirect_dir'); // conflicts with userxattr
    });

    it('hands on the ids there are, each as itself', () => {
      const [entered] = planOf({ ids }).filter(({ op }) => op === 'enter');
      expect(entered).toMatchObject({ uidMap: '0 0 1\n1 1 65536', gidMap: '0 0 1' });
    });

    it('names the group of terminals only where it is mapped', () => {
      const ptsOf = (changes: Partial<StepPlanOptions>): string =>
        mountOn(planOf(changes), 'merged/dev/pts')[0]!.data;
      expect(ptsOf({})).toContain('gid=5');
      expect(ptsOf({ ids })).not.toContain('gid=');
    });

    it('takes what is mounted below /sys along, read-only', () => {
      expect(mountOn(planOf({ ids }), 'merged/sys')[0]!.flags).toBe(MS.BIND | MS.REC);
      expect(restrictionsOf(planOf({ ids }), 'merged/sys')[0]!.flags & MS.RDONLY).toBe(MS.RDONLY);
    });
  });

  it('is the same for the same facts', () => {
    expect(planOf()).toEqual(planOf());
  });
});
