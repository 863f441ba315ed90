/** Control groups as values: what both versions call a limit, which hierarchies there are, and what a plan makes of them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { controllerAbilities } from '../../src/sys/cgroup/ability.ts';
import { planGroup } from '../../src/sys/cgroup/group.ts';
import { parseHierarchies, type Hierarchy } from '../../src/sys/cgroup/hierarchies.ts';
import { controllersFor, limitFiles, listNumbers } from '../../src/sys/cgroup/limits.ts';
import type { Controller, GroupLimits } from '../../src/sys/cgroup/limits.ts';
import { missingGroups, parentGroup } from '../../src/sys/cgroup/parent-group.ts';
import { joinGroups, openGroups, showGroups, stepGroup } from '../../src/sys/cgroup/step-group.ts';
import { parseMountTable } from '../../src/sys/mount-table.ts';
import { CLONE } from '../../src/sys/plan.ts';
import { openScratch } from '../support/scratch.ts';

const MIB = 2 ** 20;

describe('limits', () => {
  it.each<[Controller, GroupLimits, string, string]>([
    [
      'memory',
      { memoryBytes: 40 * MIB, memorySwapBytes: 70 * MIB },
      'memory.limit_in_bytes=41943040 memory.memsw.limit_in_bytes=73400320',
      'memory.max=41943040 memory.swap.max=31457280',
    ],
    [
      'memory',
      { memoryBytes: MIB, memorySwapBytes: Infinity },
      'memory.limit_in_bytes=1048576 memory.memsw.limit_in_bytes=-1',
      'memory.max=1048576 memory.swap.max=max',
    ],
    [
      'memory',
      { memoryBytes: MIB },
      'memory.limit_in_bytes=1048576 memory.memsw.limit_in_bytes=2097152?',
      'memory.max=1048576 memory.swap.max=1048576?',
    ],
    ['cpu', { cpuShares: 2 }, 'cpu.shares=2', 'cpu.weight=1'],
    ['cpu', { cpuShares: 1024 }, 'cpu.shares=1024', 'cpu.weight=39'],
    ['cpu', { cpuShares: 12_345 }, 'cpu.shares=12345', 'cpu.weight=471'],
    ['cpu', { cpuShares: 262_144 }, 'cpu.shares=262144', 'cpu.weight=10000'],
    [
      'cpu',
      { cpuPeriod: 1234, cpuQuota: 5678 },
      'cpu.cfs_period_us=1234 cpu.cfs_quota_us=5678',
      'cpu.max=5678 1234',
    ],
    ['cpu', { cpuQuota: 5000 }, 'cpu.cfs_quota_us=5000', 'cpu.max=5000 100000'],
    ['cpu', { cpuPeriod: 5000 }, 'cpu.cfs_period_us=5000', 'cpu.max=max 5000'],
    ['cpuset', { cpus: '0-1', mems: '0' }, 'cpuset.cpus=0-1 cpuset.mems=0', 'cpuset.cpus=0-1 cpuset.mems=0'],
    ['pids', { pids: 9 }, 'pids.max=9', 'pids.max=9'],
  ])('of %s %o are %s, or %s', (controller, limits, first, second) => {
    const textOf = (version: 1 | 2): string =>
      limitFiles(limits, controller, version)
        .map(({ name, value, isOptional }) => `${name}=${value}${isOptional === true ? '?' : ''}`)
        .join(' ');
    expect([textOf(1), textOf(2)]).toEqual([first, second]);
    expect(controllersFor(limits)).toEqual([controller]);
  });

  it.each<[string, number[] | undefined]>([
    ['0', [0]],
    ['0-2,5\n', [0, 1, 2, 5]],
    ['', undefined],
    ['2-1', undefined],
    ['0-', undefined],
    ['a', undefined],
  ])('read the list %o', (text, numbers) => {
    expect(listNumbers(text)).toEqual(numbers);
  });
});

describe('hierarchies', () => {
  const mounts = parseMountTable(
    [
      '30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
      '31 23 0:27 /lxc/a /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
      '32 23 0:28 /../.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids',
      '33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
    ].join('\n'),
  );

  it('are where their controllers are mounted, with our group as far as it is below', () => {
    const text = '9:pids:/\n4:cpu,cpuacct:/lxc/a/b\n3:memory:/x\n2:freezer:/\n0::/\n';
    expect(parseHierarchies(text, mounts)).toEqual([
      {
        version: 1,
        directory: '/sys/fs/cgroup/cpu,cpuacct',
        controllers: ['cpu', 'cpuacct'],
        own: '/b',
      },
      { version: 1, directory: '/sys/fs/cgroup/memory', controllers: ['memory'], own: '/x' },
      { version: 2, directory: '/sys/fs/cgroup/unified', controllers: [], own: '' },
    ]);
  });

  it.each(['4:cpu,cpuacct:/lxc/ab\n', '0::/../other\n', 'nonsense\n', ''])(
    'do not count where we are outside: %o',
    (text) => {
      expect(parseHierarchies(text, mounts)).toEqual([]);
    },
  );
});

/** Files such as version 2 has them; `procs` of each group. */
function makeTree(directory: string, groups: Readonly<Record<string, string>>): Hierarchy {
  for (const [path, procs] of Object.entries(groups)) {
    mkdirSync(join(directory, path), { recursive: true });
    writeFileSync(join(directory, path, 'cgroup.procs'), procs);
    writeFileSync(join(directory, path, 'cgroup.subtree_control'), '');
    if (path !== '') writeFileSync(join(directory, path, 'cgroup.type'), 'domain\n');
  }
  return { version: 2, directory, controllers: ['memory', 'cpu', 'cpuset', 'pids'], own: '/a/b/c' };
}

describe('the parent of a new group', () => {
  it.each<[string, Record<string, string>, string]>([
    ['the nearest without processes', { '': '1', a: '', 'a/b': '', 'a/b/c': '7' }, 'a/b'],
    ['further up where there are some', { '': '1', a: '', 'a/b': '8', 'a/b/c': '7' }, 'a'],
    ['the top of the machine in any case', { '': '1', a: '9', 'a/b': '8', 'a/b/c': '7' }, ''],
  ])('is in version 2 %s', async (_what, groups, expected) => {
    await using scratch = await openScratch('cgroup');
    const hierarchy = makeTree(scratch.directory, groups);
    expect(parentGroup(hierarchy, undefined)).toBe(join(scratch.directory, expected));
  });

  it('is nowhere in a container whose groups all have processes', async () => {
    await using scratch = await openScratch('cgroup');
    const hierarchy = makeTree(scratch.directory, { '': '1', a: '9', 'a/b': '8', 'a/b/c': '7' });
    writeFileSync(join(scratch.directory, 'cgroup.type'), 'domain\n');
    expect(() => parentGroup(hierarchy, undefined)).toThrow(/steps cannot be limited here/);
  });

  it('is our own in version 1', () => {
    const hierarchy: Hierarchy = { version: 1, directory: '/h', controllers: ['pids'], own: '/a/b' };
    expect(parentGroup(hierarchy, undefined)).toBe('/h/a/b');
  });

  it.each([
    ['/builds/mine', '/h/builds/mine'],
    ['builds', '/h/builds'],
    ['../../etc', '/h/etc'],
    ['machine.slice', '/h/machine.slice'],
    ['user-1000-x.slice', '/h/user.slice/user-1000.slice/user-1000-x.slice'],
    ['/a/user-1.slice', '/h/a/user-1.slice'],
  ])('is what is asked for, below the top: %s', (asked, expected) => {
    const hierarchy: Hierarchy = { version: 2, directory: '/h', controllers: [], own: '/a' };
    expect(parentGroup(hierarchy, asked)).toBe(expected);
  });

  it('is missing with those above it that are', async () => {
    await using scratch = await openScratch('cgroup');
    const [a, b] = [scratch.path('a'), scratch.path('a/b')];
    expect(missingGroups(b)).toEqual([a, b]);
    mkdirSync(a);
    expect(missingGroups(b)).toEqual([b]);
  });
});

describe('what can be limited', () => {
  const abilitiesOf = (hierarchies: readonly Hierarchy[]): Promise<string[]> =>
    controllerAbilities(hierarchies).then((abilities) =>
      abilities.map((each) =>
        each.works
          ? `${each.controller} below ${each.enables.join(' ')}`
          : `${each.controller}: ${each.words}`,
      ),
    );
  const contents = (directory: string): string[] =>
    ['', 'a'].flatMap((path) => [
      ...readdirSync(join(directory, path)).sort(),
      readFileSync(join(directory, path, 'cgroup.subtree_control'), 'utf8'),
    ]);

  it('is said with the groups that would have to hand a controller down, which do not yet', async () => {
    await using scratch = await openScratch('cgroup');
    const hierarchy = makeTree(scratch.directory, { '': '1', a: '', 'a/b': '8', 'a/b/c': '7' });
    writeFileSync(join(scratch.directory, 'cgroup.subtree_control'), 'memory cpu\n');
    const before = contents(scratch.directory);
    const below = [scratch.directory, join(scratch.directory, 'a')];
    expect(await abilitiesOf([hierarchy])).toEqual([
      `memory below ${below[1]!}`,
      `cpu below ${below[1]!}`,
      `cpuset below ${below.join(' ')}`,
      `pids below ${below.join(' ')}`,
    ]);
    expect(contents(scratch.directory)).toEqual(before);
  });

  it.each<[string, Hierarchy[], RegExp]>([
    ['nowhere', [], /^(?:memory|cpu|cpuset|pids): .*no control groups are mounted$/],
    [
      'without its controllers',
      [{ version: 2, directory: '/h', controllers: ['io'], own: '' }],
      /: the control groups at \/h do not know (?:memory|cpu|cpuset|pids)$/,
    ],
  ])('is nothing %s, and why', async (_what, hierarchies, words) => {
    const abilities = await abilitiesOf(hierarchies);
    expect(abilities).toHaveLength(4);
    for (const ability of abilities) expect(ability).toMatch(words);
  });
});

describe('a plan of groups', () => {
  const memory: Hierarchy = { version: 1, directory: '/m', controllers: ['memory'], own: '' };
  const cpu: Hierarchy = { version: 1, directory: '/c', controllers: ['cpu', 'cpuacct'], own: '/x' };
  const unified: Hierarchy = { version: 2, directory: '/u', controllers: ['hugetlb'], own: '' };
  const all = [memory, cpu, unified];

  it('has nothing where nothing is asked for, and needs no hierarchy then', () => {
    expect(planGroup({ limits: {} }, all)).toEqual([]);
    expect(planGroup({ limits: {} }, [])).toEqual([]);
  });

  it('has a group where something is limited, and with a parent everywhere', () => {
    const limits = { cpuQuota: 5000 };
    expect(planGroup({ limits }, all).map(({ parent, files }) => [parent, files.length])).toEqual([
      ['/c/x', 1],
    ]);
    expect(
      planGroup({ limits, parent: '/p' }, all).map(({ parent, files }) => [parent, files.length]),
    ).toEqual([
      ['/m/p', 0],
      ['/c/p', 1],
      ['/u/p', 0],
    ]);
  });

  it.each<[GroupLimits, readonly Hierarchy[], RegExp]>([
    [{ pids: 1 }, all, /do not know pids/],
    [{ memoryBytes: 1 }, [], /no control groups are mounted/],
  ])('refuses what cannot be limited: %o', (limits, hierarchies, message) => {
    expect(() => planGroup({ limits }, hierarchies)).toThrow(message);
  });

  it('opens and joins the groups, in a namespace of their own', () => {
    const group = { joined: ['/m/g', '/c/g'], isPrivate: true, shown: [] };
    expect(openGroups(group)).toEqual([
      { op: 'group', path: '/m/g/cgroup.procs' },
      { op: 'group', path: '/c/g/cgroup.procs' },
    ]);
    expect(joinGroups(group)).toEqual([{ op: 'join' }, { op: 'unshare', flags: CLONE.NEWCGROUP }]);
    expect(joinGroups({ ...group, joined: [], isPrivate: false })).toEqual([]);
  });

  it('shows each at its usual place, and one of version 2 alone at that of all', () => {
    const at = (each: Hierarchy, directory: string): Hierarchy => ({ ...each, directory });
    const several = [
      at(cpu, '/sys/fs/cgroup/cpu,cpuacct'),
      at(memory, '/elsewhere'),
      at(unified, '/sys/fs/cgroup/unified'),
    ];
    expect(stepGroup(several, new Map([['/elsewhere', '/elsewhere/g']]), 'private').shown).toEqual([
      { source: '/sys/fs/cgroup/cpu,cpuacct/x', name: 'cpu,cpuacct', links: ['cpu', 'cpuacct'] },
      { source: '/elsewhere/g', name: 'memory', links: [] },
      { source: '/sys/fs/cgroup/unified', name: 'unified', links: [] },
    ]);
    const alone = stepGroup([at(unified, '/sys/fs/cgroup')], new Map(), 'private');
    expect(showGroups(alone, 'merged/sys')).toMatchObject([
      { op: 'mount', source: '/sys/fs/cgroup', target: 'merged/sys/fs/cgroup' },
      { op: 'restrict', target: 'merged/sys/fs/cgroup' },
    ]);
  });
});
