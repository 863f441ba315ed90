import { describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { CHECKS, foretell, judge, type PlatformAnswer } from '../../src/emulation/doctor.ts';
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
const user = (subordinateIds: number): Partial<HostFacts> => ({
  user: { uid: 1000, name: 'me', subordinateIds },
});

describe('the checks', () => {
  it('have nothing to complain about on a host in order', () => {
    const report = judge(healthy, []);
    expect(report.checks.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(report.state).toBe('ok');
  });

  it('have names of their own', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length);
    expect(CHECKS.length).toBeGreaterThanOrEqual(17);
  });

  const faults: [id: string, state: string, change: Partial<HostFacts>, words: RegExp][] = [
    ['machine', 'fail', { host: undefined, machine: 'vax' }, /vax/],
    [
      'user-namespace',
      'fail',
      trials({ userNamespace: refused('Operation not permitted') }),
      /not permitted/,
    ],
    [
      'user-namespace',
      'warn',
      trials({ userNamespace: { works: undefined, words: 'no unshare' } }),
      /could not be tried/,
    ],
    [
      'user-namespace',
      'fail',
      { ...trials({ userNamespace: refused('no') }), sysctls: new Map([['user.max_user_namespaces', '0']]) },
      /max_user_namespaces=10000/,
    ],
    [
      'user-namespace',
      'fail',
      {
        ...trials({ userNamespace: refused('no') }),
        sysctls: new Map([['kernel.apparmor_restrict_unprivileged_userns', '1']]),
      },
      /AppArmor/,
    ],
    ['private-binfmt', 'warn', { ...noPrivate, kernel: '6.1.0' }, /from Linux 6\.7 on \(this is 6\.1\.0\)/],
    ['overlay', 'fail', trials({ overlay: refused('wrong fs type') }), /network file systems/],
    [
      'overlay',
      'fail',
      { ...trials({ overlay: refused('unknown') }), fileSystems: new Set(['binfmt_misc']) },
      /modprobe overlay/,
    ],
    ['user-ids', 'warn', user(0), /me:100000:65536/],
    ['user-ids', 'warn', { ...user(65_536), tools: new Set() }, /uidmap/],
    ['address-space', 'warn', { addressSpace: 2 ** 31 }, /ulimit -v/],
    ['address-space', 'warn', { sysctls: new Map([['vm.overcommit_memory', '2']]) }, /overcommit/],
    ['address-space', 'warn', { sysctls: new Map([['vm.mmap_min_addr', '1048576']]) }, /low addresses/],
    ['binfmt-kernel', 'fail', { fileSystems: new Set(['overlay']) }, /modprobe binfmt_misc/],
    ['binfmt-mount', 'info', table({ mounted: false }), /not mounted, and not needed/],
    ['binfmt-mount', 'warn', { ...table({ mounted: false }), ...noPrivate }, /mount -t binfmt_misc/],
    ['binfmt-mount', 'warn', { ...table({ enabled: false }), ...noPrivate }, /echo 1 >/],
    [
      'binfmt-mount',
      'warn',
      {
        ...table({ mounted: false }),
        ...noPrivate,
        binfmtMount: { directory: '/x', type: 'autofs', options: [] },
      },
      /automount/,
    ],
    ['binfmt-native', 'fail', table({ entries: [entryFor('x86_64')] }), /matches programs of x86_64 itself/],
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
      'info',
      arm64With({ emulators: { usable: [], rejected: [] }, trial: undefined, asked: false }),
      /none/,
    ],
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
    ['store', 'fail', mounted('noexec'), /noexec/],
    ['store', 'warn', mounted('nosuid'), /sudo/],
    ['store', 'fail', mounted('ro'), /nothing can be stored/],
    ['store', 'info', mounted('nodev'), /device nodes/],
    ['store', 'fail', store({ writable: false }), /--root/],
    ['store-space', 'fail', store({ freeBytes: 1000 }), /does not fit/],
    ['store-space', 'warn', store({ freeBytes: 2 ** 30 }), /prune/],
    ['store-space', 'warn', store({ freeInodes: 100 }), /tens of thousands/],
    ['sandbox-helper', 'fail', { sandboxHelper: undefined }, /npm run build/],
    ['fetch-tools', 'info', { tools: new Set(['tar']) }, /no apt-get, dpkg-deb/],
    ['emulator-variables', 'info', { emulatorVariables: ['QEMU_GDB'] }, /QEMU_GDB/],
    ['container', 'info', { container: '/.dockerenv' }, /container/],
    ['container', 'info', { kernel: '5.15.1-microsoft-standard-WSL2' }, /WSL/],
  ];

  it.each(faults)('%s is %s when that is not in order (%#)', (...[id, state, change, words]) => {
    const findings = judge({ ...healthy, ...change }, []).checks.filter((check) => check.id === id);
    const told = findings.map(({ found, why, fix }) => [found, why, fix].join(' '));
    expect(findings.map((finding) => finding.state)).toContain(state);
    expect(told.join('\n')).toMatch(words);
  });

  it('say what to do about everything that is not in order', () => {
    for (const [id, state, change] of faults) {
      if (state !== 'fail' && state !== 'warn') continue;
      const findings = judge({ ...healthy, ...change }, []).checks.filter(
        (check) => check.id === id && check.state === state,
      );
      for (const { why } of findings) expect(why, id).toBeTruthy();
    }
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

describe('the verdict', () => {
  const answer = (change: Partial<PlatformAnswer>): PlatformAnswer => ({
    platform: 'linux/arm64',
    asked: true,
    buildable: true,
    proved: true,
    rung: 'private',
    reasons: [],
    emulator: undefined,
    millisecondsPerProgram: 12,
    ...change,
  });

  it.each([
    ['ok', healthy, answer({})],
    ['fail', healthy, answer({ buildable: false })],
    ['ok', healthy, answer({ buildable: false, asked: false })],
    ['warn', { ...healthy, ...noPrivate }, answer({})],
    ['fail', { ...healthy, sandboxHelper: undefined }, answer({})],
  ] as const)('is %s', (state, facts, platform) => {
    expect(judge(facts, [platform]).state).toBe(state);
  });
});

describe('foretelling the rung', () => {
  const aarch64 = architectureByName('aarch64')!;

  it.each([
    ['private', {}],
    ['host-entry', { ...noPrivate, ...table({ entries: [entryFor('aarch64')] }) }],
    ['host', { ...noPrivate, ...table({ entries: [entryFor('aarch64', { enabled: false })] }) }],
    ['host', noPrivate],
    [undefined, { ...noPrivate, ...user(0) }],
    [undefined, { sandboxHelper: undefined }],
  ])('says %s', (rung, change) => {
    expect(foretell({ ...healthy, ...change }, aarch64).rung).toBe(rung);
  });

  it('says why not a better one', () => {
    expect(foretell({ ...healthy, ...noPrivate }, aarch64).reasons).toEqual([
      'private: permission denied',
      'host-entry: the host has none',
    ]);
  });
});
