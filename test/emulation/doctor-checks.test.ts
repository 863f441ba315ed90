/** Each row of doctor, judged over the facts of a host where one thing is not in order. */
import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { judge } from '../../src/emulation/doctor.ts';
import type { HostFacts } from '../../src/emulation/facts/host-facts.ts';
import type { PlatformFacts } from '../../src/emulation/facts/platform-facts.ts';
import { arm64, entryFor, healthy } from './healthy-facts.ts';

const refused = (words: string): { works: boolean; words: string } => ({ works: false, words });
const trials = (change: Partial<HostFacts['trials']>): Partial<HostFacts> => ({
  trials: { ...healthy.trials, ...change },
});
const store = (change: Partial<HostFacts['store']>): Partial<HostFacts> => ({
  store: { ...healthy.store, ...change },
});
const mounted = (option: string): Partial<HostFacts> =>
  store({ mount: { directory: '/', type: 'ext4', options: ['rw', option] } });
const table = (change: Partial<HostFacts['binfmt']>): Partial<HostFacts> => ({
  binfmt: { ...healthy.binfmt, ...change },
});
const arm64With = (change: Partial<PlatformFacts>): Partial<HostFacts> => ({
  platforms: [{ ...arm64, ...change }],
});
const emulator = (version: string): Partial<HostFacts> =>
  arm64With({ emulators: { usable: [{ ...arm64.emulators.usable[0]!, version }], rejected: [] } });
const noPrivate = trials({ privateBinfmt: refused('permission denied') });
const userWith = (change: Partial<HostFacts['user']>): Partial<HostFacts> => ({
  user: { ...healthy.user, ...change },
});
const user = (ids: number, change: Partial<HostFacts['user']> = {}): Partial<HostFacts> =>
  userWith({ uid: 1000, name: 'me', subordinateUids: ids, subordinateGids: ids, ...change });
const around = (change: Partial<HostFacts['surroundings']>): Partial<HostFacts> => ({
  surroundings: { ...healthy.surroundings, ...change },
});
const processWith = (change: Partial<HostFacts['process']>): Partial<HostFacts> => ({
  process: { ...healthy.process, ...change },
});
const limited = (change: Partial<HostFacts['process']['limits']>): Partial<HostFacts> =>
  processWith({ limits: { ...healthy.process.limits, ...change } });
const without = (module: string, state: 'module' | 'absent' | 'unknown'): Partial<HostFacts> => ({
  features: new Map([...healthy.features, [module, state]]),
});
const sysctl = (name: string, value: string): Partial<HostFacts> => ({ sysctls: new Map([[name, value]]) });
const limitsAs = (change: Partial<HostFacts['stepLimits'][number]>): Partial<HostFacts> => ({
  stepLimits: healthy.stepLimits.map((each) => ({ ...each, ...change }) as typeof each),
});
const noUserNamespace = trials({ userNamespace: refused('enter: not permitted (EPERM)') });
const ordinary = user(65_536);
const registry = (change: Partial<HostFacts['registries'][number]>): Partial<HostFacts> => ({
  registries: [{ host: 'r.example', reached: 'answer', words: 'answers', hint: 'do', ...change }],
});

const untried = (words: string): { works: undefined; words: string } => ({ works: undefined, words });
const tableMount = (type: string, option: string): Partial<HostFacts> => ({
  binfmtMount: { directory: '/proc/sys/fs/binfmt_misc', type, options: [option] },
});
const sparc: PlatformFacts = {
  ...arm64,
  platform: 'linux/sparc',
  architecture: architectureByName('sparc'),
  toolbox: undefined,
};
const missingArm: PlatformFacts = {
  ...arm64,
  platform: 'linux/arm/v7',
  architecture: architectureByName('arm'),
  emulators: { usable: [], rejected: [] },
  trial: undefined,
};

describe('the checks', () => {
  const faults: [id: string, state: string, change: Partial<HostFacts>, words: RegExp][] = [
    ['machine', 'fail', { host: undefined, machine: 'vax' }, /vax/],
    ['kernel-config', 'info', { config: new Map() }, /nowhere to be read/],
    ['kernel-config', 'warn', { config: new Map([['CONFIG_USER_NS', 'n']]) }, /without CONFIG_USER_NS/],
    ['file-systems', 'fail', { fileSystems: new Set(['proc', 'tmpfs', 'devpts']) }, /no mqueue/],
    ['proc', 'fail', around({ procMounted: false }), /mount -t proc proc \/proc/],
    ['proc', 'info', around({ procCovered: ['/proc/acpi'] }), /covered at \/proc\/acpi/],
    [
      'proc',
      'warn',
      { ...trials({ proc: refused('mount: EPERM') }), ...around({ procCovered: ['/proc/acpi'] }) },
      /umount \/proc\/acpi .*--isolation host/,
    ],
    [
      'proc',
      'warn',
      { ...trials({ proc: refused('mount: EPERM') }), ...ordinary },
      /outside of the container/,
    ],
    ['sys', 'warn', around({ sysMounted: false }), /mount -t sysfs/],
    [
      'overlay',
      'fail',
      trials({ overlay: refused('EINVAL') }),
      /--root \/srv\/arch-build.*network file systems/,
    ],
    [
      'overlay',
      'fail',
      { ...trials({ overlay: refused('ENODEV') }), ...without('overlay', 'module') },
      /modprobe overlay/,
    ],
    [
      'overlay',
      'fail',
      { ...trials({ overlay: refused('ENODEV') }), ...without('overlay', 'absent') },
      /a kernel with CONFIG_OVERLAY_FS/,
    ],
    ['overlay', 'warn', trials({ overlay: untried('no place') }), /not tried: no place/],
    ['user-namespace', 'warn', noUserNamespace, /table of the host.*--isolation host/],
    [
      'user-namespace',
      'warn',
      trials({ userNamespace: refused('enter: a limit (ENOSPC)') }),
      /max_user_namespaces/,
    ],
    ['user-namespace', 'fail', { ...noUserNamespace, ...ordinary }, /only root can build.*run as root/],
    ['user-namespace', 'warn', trials({ userNamespace: untried('no helper') }), /not tried: no helper/],
    [
      'user-namespace',
      'warn',
      { ...noUserNamespace, ...sysctl('user.max_user_namespaces', '0') },
      /echo 15000 > \/proc\/sys\/user\/max_user_namespaces/,
    ],
    ['user-namespace', 'warn', { ...noUserNamespace, ...around({ chroot: true }) }, /outside of the chroot/],
    [
      'user-namespace',
      'warn',
      { ...noUserNamespace, ...processWith({ seccomp: 2 }) },
      /profile of the container/,
    ],
    ['user-namespace', 'warn', { ...noUserNamespace, seLinuxEnforcing: true }, /SELinux/],
    [
      'user-namespace',
      'warn',
      { ...noUserNamespace, config: new Map([['CONFIG_USER_NS', 'n']]) },
      /a kernel with CONFIG_USER_NS/,
    ],
    [
      'user-namespace',
      'fail',
      { ...noUserNamespace, ...ordinary, ...sysctl('kernel.unprivileged_userns_clone', '0') },
      /echo 1 > \S+unprivileged_userns_clone/,
    ],
    [
      'user-namespace',
      'fail',
      { ...noUserNamespace, ...ordinary, ...sysctl('kernel.apparmor_restrict_unprivileged_userns', '1') },
      /AppArmor/,
    ],
    ['namespaces', 'fail', sysctl('user.max_pid_namespaces', '0'), /echo 15000 > \S+max_pid_namespaces/],
    ['namespaces', 'fail', trials({ namespaces: refused('enter: EINVAL') }), /CONFIG_PID_NS/],
    ['private-binfmt', 'warn', { ...noPrivate, kernel: '6.1.0' }, /from Linux 6\.7 on \(this is 6\.1\.0\)/],
    ['private-binfmt', 'warn', { ...noPrivate, ...without('binfmt_misc', 'module') }, /modprobe binfmt_misc/],
    [
      'private-binfmt',
      'info',
      trials({ privateBinfmt: refused('no'), userNamespace: refused('no') }),
      /needs a user namespace/,
    ],
    ['user-ids', 'warn', user(0), /\/etc\/subuid gives me none.*me:100000:65536 >> \/etc\/subuid.*subgid/],
    ['user-ids', 'warn', user(65_536, { subordinateGids: 1000 }), /subgid gives me only 1000/],
    ['user-ids', 'ok', user(65_536), /65536 subordinate ids/],
    [
      'user-ids',
      'warn',
      user(65_536, { mapperFaults: [{ program: 'newuidmap', path: undefined }] }),
      /uidmap/,
    ],
    [
      'user-ids',
      'warn',
      user(65_536, { mapperFaults: [{ program: 'newgidmap', path: '/usr/bin/newgidmap' }] }),
      /not setuid.*chmod u\+s \/usr\/bin\/newgidmap/,
    ],
    ['user-ids', 'warn', userWith({ mappedIds: 1 }), /namespace with 1 ids/],
    ['user-ids', 'info', userWith({ mappedIds: 65_537 }), /namespace with 65537 ids/],
    ['container', 'info', around({ containerSigns: ['/.dockerenv'] }), /container \(\/\.dockerenv\)/],
    ['container', 'info', around({ wsl: 2 }), /WSLInterop/],
    ['container', 'fail', around({ wsl: 1 }), /wsl --set-version/],
    ['container', 'info', around({ chroot: true }), /chroot/],
    ['privileges', 'warn', processWith({ noNewPrivileges: true }), /NoNewPrivileges=/],
    ['privileges', 'info', processWith({ seccomp: 2 }), /seccomp filter/],
    ['privileges', 'info', { seLinuxEnforcing: true }, /SELinux is enforcing/],
    [
      'step-limits',
      'info',
      limitsAs({ works: false, words: 'no groups are mounted', hint: 'mount them' }),
      /not memory, cpu, cpuset, pids: no groups are mounted[^]*--memory.*--pids-limit end in an error[^]*mount them/,
    ],
    [
      'step-limits',
      'info',
      limitsAs({ enables: ['/sys/fs/cgroup'] }),
      /as root: control groups of version 2 in \/sys\/fs\/cgroup[^]*makes \/sys\/fs\/cgroup hand down memory, cpu, cpuset, pids/,
    ],
    [
      'step-limits',
      'ok',
      { ...limitsAs({ version: 1, parent: '/sys/fs/cgroup/all' }), ...ordinary },
      /in groups that this user was given: control groups of version 1 in \/sys\/fs\/cgroup\/all$/,
    ],
    [
      'control-group',
      'warn',
      processWith({ groups: [{ kind: 'pids', path: '/c/pids.max', limit: 50, used: 10 }] }),
      /echo max > \/c\/pids\.max/,
    ],
    [
      'control-group',
      'warn',
      processWith({ groups: [{ kind: 'memory', path: '/c/memory.limit_in_bytes', limit: 1e8, used: 0 }] }),
      /echo -1 > \/c\/memory/,
    ],
    [
      'control-group',
      'ok',
      processWith({ groups: [{ kind: 'pids', path: '/c', limit: 9e4, used: 1 }] }),
      /pids 90000/,
    ],
    [
      'address-space',
      'warn',
      limited({ addressSpace: { soft: 2 ** 31, hard: undefined } }),
      /ulimit -v unlimited/,
    ],
    ['address-space', 'warn', sysctl('vm.overcommit_memory', '2'), /echo 0 > \S+overcommit_memory/],
    ['address-space', 'warn', sysctl('vm.mmap_min_addr', '1048576'), /low addresses/],
    ['limits', 'warn', limited({ openFiles: { soft: 64, hard: 4096 } }), /ulimit -n 1024$/],
    ['limits', 'warn', limited({ openFiles: { soft: 64, hard: 64 } }), /the hard limit is 64/],
    [
      'limits',
      'warn',
      { ...ordinary, ...limited({ processes: { soft: 20, hard: undefined } }) },
      /ulimit -u/,
    ],
    ['limits', 'warn', limited({ fileSize: { soft: 1e6, hard: undefined } }), /SIGXFSZ/],
    ['clock', 'warn', { clock: { now: 0, program: Date.UTC(2026, 0, 1) } }, /1970.*set the clock/s],
    ['registry', 'ok', registry({}), /r\.example: answers/],
    ['registry', 'fail', registry({ reached: 'nothing', words: 'the name is unknown' }), /no address/],
    [
      'registry',
      'fail',
      registry({ reached: 'connection', words: 'its certificate has expired' }),
      /trusted/,
    ],
    [
      'binfmt-kernel',
      'fail',
      without('binfmt_misc', 'module'),
      /a module that is not loaded.*modprobe binfmt_misc/s,
    ],
    ['binfmt-kernel', 'fail', without('binfmt_misc', 'absent'), /a kernel with CONFIG_BINFMT_MISC/],
    [
      'binfmt-kernel',
      'fail',
      { ...without('binfmt_misc', 'unknown'), ...around({ containerSigns: ['x'] }) },
      /on the host, outside/,
    ],
    ['binfmt-mount', 'info', table({ mounted: false }), /not mounted, and not needed/],
    ['binfmt-mount', 'warn', { ...table({ mounted: false }), ...noPrivate }, /mount -t binfmt_misc/],
    ['binfmt-mount', 'warn', { ...noPrivate, ...tableMount('binfmt_misc', 'ro') }, /remount,rw/],
    ['binfmt-mount', 'info', tableMount('binfmt_misc', 'ro'), /read-only/],
    [
      'binfmt-mount',
      'warn',
      { ...table({ mounted: false }), ...noPrivate, ...tableMount('autofs', 'rw') },
      /automount/,
    ],
    ['binfmt-status', 'warn', { ...table({ enabled: false }), ...noPrivate }, /echo 1 > \S+status/],
    ['binfmt-status', 'info', table({ enabled: false }), /switched off as a whole/],
    ['binfmt-instance', 'info', userWith({ initialNamespace: false }), /user namespace/],
    [
      'binfmt-disabled',
      'warn',
      { ...noPrivate, ...table({ entries: [entryFor('aarch64', { enabled: false })] }) },
      /qemu-aarch64 is switched off.*echo 1 >/s,
    ],
    [
      'binfmt-native',
      'fail',
      table({ entries: [entryFor('x86_64')] }),
      /matches programs of x86_64.*echo 0 >/s,
    ],
    ['binfmt-entries', 'info', table({ entries: [entryFor('aarch64', { flags: 'F' })] }), /C is missing/],
    [
      'binfmt-entries',
      'warn',
      { ...table({ entries: [entryFor('aarch64', { flags: 'POC' })] }), ...noPrivate },
      /F is missing/,
    ],
    [
      'binfmt-entries',
      'info',
      table({ entries: [entryFor('aarch64'), entryFor('aarch64', { name: 'older' })] }),
      /older never gets its turn/,
    ],
    [
      'binfmt-entries',
      'info',
      {
        ...table({ entries: [entryFor('aarch64')] }),
        interpreterObjections: new Map([['qemu-aarch64', 'is dynamically linked']]),
      },
      /dynamically linked/,
    ],
    ['binfmt-unknown', 'info', table({ unreadable: ['odd'] }), /odd/],
    [
      'binfmt-persistence',
      'info',
      { persistence: ['/usr/lib/systemd/systemd-binfmt', '/usr/sbin/update-binfmts'] },
      /both installed/,
    ],
    [
      'emulator',
      'fail',
      arm64With({ emulators: { usable: [], rejected: [] }, trial: undefined }),
      /emulators fetch aarch64/,
    ],
    [
      'emulator',
      'warn',
      arm64With({ emulators: { usable: [], rejected: [] }, trial: undefined, asked: false }),
      /none for aarch64.*nothing foreign/s,
    ],
    ['emulator', 'info', { platforms: [arm64, { ...missingArm, asked: false }] }, /none for arm/],
    [
      'emulator',
      'fail',
      arm64With({ trial: { ...arm64.trial!, works: false, words: 'exit status 1' } }),
      /exit status 1/,
    ],
    [
      'emulator',
      'warn',
      arm64With({ trial: { ...arm64.trial!, positionIndependent: false } }),
      /fixed address/,
    ],
    ['emulator', 'warn', emulator('4.2.1'), /ldconfig/],
    ['emulator', 'warn', emulator('5.2.0'), /reserving memory/],
    [
      'emulator-rejected',
      'info',
      arm64With({
        emulators: { ...arm64.emulators, rejected: [{ path: '/b', source: 'path', why: 'is a script' }] },
      }),
      /it is a script/,
    ],
    [
      'emulator-rejected',
      'fail',
      {
        ...arm64With({
          emulators: { usable: [], rejected: [{ path: '/b', source: 'path', why: 'is not executable' }] },
          trial: undefined,
        }),
        emulatorPlaces: new Map([['/b', { noexec: undefined, executable: false }]]),
      },
      /chmod \+x \/b/,
    ],
    [
      'toolbox',
      'info',
      arm64With({ toolbox: undefined }),
      /none for aarch64 .*emulators fetch --toolbox aarch64/,
    ],
    [
      'toolbox',
      'info',
      { platforms: [sparc, { ...arm64, toolbox: undefined }] },
      /none for sparc, aarch64 .*--toolbox aarch64 /,
    ],
    ['toolbox', 'info', { platforms: [sparc] }, /emulators import FILE.* any static busybox for sparc/],
    ['toolbox', 'warn', arm64With({ toolbox: '/b is no ELF' }), /is no ELF RUN needs one.*take it away/],
    ['toolbox', 'info', arm64With({ toolbox: '/b is no ELF', asked: false }), /is no ELF/],
    ['store', 'fail', mounted('noexec'), /remount,bind,exec \/ .*\/srv\/arch-build/],
    [
      'store',
      'warn',
      store({ mount: { directory: '/n', type: 'nfs4', options: ['rw'] } }),
      /network file system/,
    ],
    ['store', 'warn', mounted('nosuid'), /sudo/],
    ['store', 'fail', mounted('ro'), /nothing can be stored/],
    ['store', 'info', mounted('nodev'), /device nodes/],
    ['store', 'fail', store({ writable: false }), /--root/],
    ['store-space', 'fail', store({ freeBytes: 1000 }), /does not fit/],
    ['store-space', 'warn', store({ freeBytes: 2 ** 30 }), /prune/],
    ['store-space', 'warn', store({ freeInodes: 5000 }), /tens of thousands/],
    ['store-space', 'fail', store({ freeInodes: 100 }), /files of a base image do not fit/],
    ['sandbox-helper', 'fail', { sandboxHelper: undefined }, /npm run build/],
    ['fetch-tools', 'info', { tools: new Set(['tar']) }, /no apt-get, dpkg-deb/],
    ['temporary', 'warn', { temporary: { directory: '/tmp', fault: 'is not writable' } }, /export TMPDIR/],
    ['emulator-variables', 'info', { emulatorVariables: ['QEMU_GDB'] }, /unset QEMU_GDB/],
  ];

  it.each(faults)('%s is %s when that is not in order (%#)', (...[id, state, change, words]) => {
    const findings = judge({ ...healthy, ...change }, []).checks.filter((check) => check.id === id);
    const told = findings.map(({ found, why, fix }) =>
      [found, why, fix].filter((part) => part !== undefined).join(' '),
    );
    expect(findings.map((finding) => finding.state)).toContain(state);
    expect(told.join('\n')).toMatch(words);
  });

  it('say what to do about everything that is not in order', () => {
    for (const [id, state, change] of faults) {
      if (state !== 'fail' && state !== 'warn') continue;
      const findings = judge({ ...healthy, ...change }, []).checks.filter(
        (check) => check.id === id && check.state === state,
      );
      for (const { why, fix } of findings) {
        expect(why, id).toBeTruthy();
        expect(fix, id).toBeTruthy();
      }
    }
  });

  it('ask for no toolbox where nothing runs yet, and for one where the host itself runs it', () => {
    const unbuildable = { ...missingArm, toolbox: undefined };
    const own = { ...unbuildable, architecture: architectureByName('x86_64'), native: true };
    const { state, checks } = judge({ ...healthy, platforms: [unbuildable, own] }, []);
    expect(checks.filter(({ id }) => id === 'toolbox').map(({ found }) => found)).toEqual([
      'none for x86_64',
    ]);
    expect(state).toBe('fail'); // of the emulator
    expect(judge({ ...healthy, platforms: [{ ...arm64, toolbox: undefined }] }, []).state).toBe('ok');
  });

  it('find a mask that misses static glibc programs', () => {
    const { match } = entryFor('aarch64');
    if (match.kind !== 'magic') throw new Error('no magic');
    const strict = { ...match, mask: Buffer.alloc(match.magic.length, 0xff) };
    const report = judge({ ...healthy, ...table({ entries: [entryFor('aarch64', { match: strict })] }) }, []);
    const [finding] = report.checks.filter(({ id }) => id === 'binfmt-entries');
    expect(finding?.why).toMatch(/EI_OSABI 3.*ET_DYN/);
  });

  it('tell of each machine once, however many platforms share it', () => {
    const arm = architectureByName('arm');
    const platforms = ['linux/arm/v7', 'linux/arm/v6'].map((platform) => ({
      ...arm64,
      platform,
      architecture: arm,
    }));
    expect(judge({ ...healthy, platforms }, []).checks.filter(({ id }) => id === 'emulator')).toHaveLength(1);
  });
});
