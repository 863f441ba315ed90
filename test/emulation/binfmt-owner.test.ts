import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import {
  formatEntry,
  parseEntry,
  type BinfmtEntry,
  type Registration,
} from '../../src/emulation/binfmt-entry.ts';
import { relationsOf } from '../../src/emulation/binfmt/description.ts';
import { differencesOf } from '../../src/emulation/binfmt/differences.ts';
import {
  bootManager,
  configuredEntries,
  parseConfig,
  persistentNameOf,
  removeDropIn,
  writeDropIn,
} from '../../src/emulation/binfmt/drop-in.ts';
import { catchesNative, machinesOf } from '../../src/emulation/binfmt/machines.ts';
import { shownFlags } from '../../src/emulation/binfmt/marks.ts';
import { collectEvidence, ownerOf, type OwnerEvidence } from '../../src/emulation/binfmt/owner.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

function lineFor(arch: string, changes: Partial<Registration> = {}): Registration {
  const { magic, mask } = architectureByName(arch)!;
  return {
    name: `qemu-${arch}`,
    magic,
    mask,
    interpreter: `/usr/bin/qemu-${arch}`,
    flags: 'POCF',
    ...changes,
  };
}

/** As the kernel shows it. */
function entryOf({ name, interpreter, flags, magic, mask }: Registration): BinfmtEntry {
  const text = `enabled\ninterpreter ${interpreter}\nflags: ${shownFlags(flags)}\noffset 0\nmagic ${magic}\nmask ${mask}\n`;
  return parseEntry(name, text);
}

const entryFor = (arch: string, changes: Partial<Registration> = {}): BinfmtEntry =>
  entryOf(lineFor(arch, changes));

let scratch: Scratch;
beforeEach(async () => {
  scratch = await openScratch('owner');
});
afterEach(() => scratch[Symbol.asyncDispose]());

function rootWith(files: Readonly<Record<string, string>>): string {
  const root = scratch.path('root');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

describe('whose an entry is', () => {
  const none: OwnerEvidence = {
    build: 'none',
    persistent: 'none',
    configured: undefined,
    supported: undefined,
    emulatorExists: false,
  };
  const own = persistentNameOf('aarch64');
  const interpreter = '/usr/bin/qemu-aarch64';
  const configured = { path: '/usr/lib/binfmt.d/q.conf', interpreter, ours: false };
  it.each<[string, string, Partial<Registration>, Partial<OwnerEvidence>]>([
    ['build', 'a mark of a build', { name: 'arch-build-aarch64' }, { build: 'ours' }],
    [
      'build',
      'a mark of a build whose emulator was replaced',
      { name: 'arch-build-aarch64' },
      { build: 'stale' },
    ],
    ['unknown', 'a build’s name alone', { name: 'arch-build-aarch64' }, {}],
    ['arch-build', 'our name and mark', { name: own }, { persistent: 'ours' }],
    ['arch-build', 'our name and file', { name: own }, { configured: { ...configured, ours: true } }],
    ['unknown', 'our name alone', { name: own }, {}],
    ['systemd-binfmt', 'our name, in the file of somebody else', { name: own }, { configured }],
    ['systemd-binfmt', 'a line in a folder of systemd', {}, { configured }],
    [
      'systemd-binfmt',
      'the line of systemd, and a file of binfmt-support',
      {},
      { configured, supported: '/v/q' },
    ],
    [
      'binfmt-support',
      'a file of binfmt-support, and another line of systemd',
      {},
      { configured: { ...configured, interpreter: '/other' }, supported: '/v/q' },
    ],
    ['binfmt-support', 'a file of binfmt-support', {}, { supported: '/var/lib/binfmts/q' }],
    ['wsl', 'the name that WSL uses', { name: 'WSLInterop' }, {}],
    ['wsl', 'the other name that WSL uses', { name: 'WSLInterop-late' }, {}],
    ['rosetta', 'the name of Rosetta', { name: 'rosetta', interpreter: '/media/rosetta/rosetta' }, {}],
    ['container-image', 'an emulator that was in a container', {}, {}],
    ['container-image', 'a static one', { interpreter: '/usr/bin/qemu-aarch64-static' }, {}],
    ['unknown', 'an emulator that is here', {}, { emulatorExists: true }],
    ['unknown', 'any other name', { name: 'my-qemu' }, {}],
  ])('%s: %s', (kind, _what, line, evidence) => {
    expect(ownerOf(entryFor('aarch64', line), { ...none, ...evidence }).kind).toBe(kind);
  });

  it('comes with what removes it', () => {
    const removal = (line: Partial<Registration>, evidence: Partial<OwnerEvidence>): string =>
      ownerOf(entryFor('aarch64', line), { ...none, ...evidence }).removal;
    const now = 'echo -1 > /proc/sys/fs/binfmt_misc/qemu-aarch64';
    expect(removal({ name: own }, { persistent: 'ours' })).toBe('arch-build binfmt unregister aarch64');
    expect(removal({}, { configured })).toBe(`${now}; for good: ln -s /dev/null /etc/binfmt.d/q.conf`);
    expect(removal({}, { supported: '/v' })).toBe('update-binfmts --disable qemu-aarch64');
    expect(removal({}, {})).toBe(now);
    expect(removal({ name: "it's; odd" }, {})).toBe(
      String.raw`echo -1 > '/proc/sys/fs/binfmt_misc/it'\''s; odd'`,
    );
  });

  it('is read from the folders of the host, in which a file hides the one of the same name in later folders', () => {
    const root = rootWith({
      'etc/binfmt.d/b.conf': ':two:M::x::/etc/two:\n',
      'etc/binfmt.d/readme': ':no:M::x::/no:\n',
      'usr/lib/binfmt.d/a.conf': `# comment\n; another\n\n:one:M::x::/usr/one:F\n,three,M,,x,,/a:b,F\n`,
      'usr/lib/binfmt.d/b.conf': ':two:M::x::/usr/two:\n:four:M::x::/usr/four:\n',
      'var/lib/binfmts/python3.11': 'python3.11\nmagic\n',
      'usr/share/binfmts/jar': 'package openjdk\n',
    });
    expect([...configuredEntries(root)].map(([name, { interpreter: path }]) => [name, path])).toEqual([
      ['two', '/etc/two'],
      ['one', '/usr/one'],
      ['three', '/a:b'],
    ]);
    const evidenceOf = collectEvidence(root);
    expect(evidenceOf(entryFor('aarch64', { name: 'python3.11' }))).toMatchObject({
      build: 'none',
      configured: undefined,
      supported: join(root, 'var/lib/binfmts/python3.11'),
    });
    expect(evidenceOf(entryFor('aarch64', { name: 'jar' })).supported).toBe(
      join(root, 'usr/share/binfmts/jar'),
    );
  });

  it('is nobody’s on a host without such folders', () => {
    expect(collectEvidence(scratch.path('nowhere'))(entryFor('aarch64'))).toMatchObject({
      configured: undefined,
      supported: undefined,
    });
  });

  it.each(['', '#', ':', '::::', 'word', '\u0000', ':name', '   :x:M::a::/b:'])(
    'is not in the line %j',
    (line) => {
      expect(parseConfig(`${line}\n`)).toEqual([]);
    },
  );
});

describe('a file for boot', () => {
  const line = lineFor('aarch64', { name: persistentNameOf('aarch64') });

  it.each<[string | undefined, Record<string, string>]>([
    ['systemd-binfmt', { 'usr/lib/systemd/systemd-binfmt': '' }],
    ['systemd-binfmt', { 'etc/binfmt.d/x.conf': '' }],
    ['binfmt-support', { 'usr/sbin/update-binfmts': '' }],
    ['binfmt-support', { 'usr/sbin/update-binfmts': '', 'usr/lib/systemd/systemd-binfmt': '' }],
    [undefined, {}],
  ])('is for %s with %j', (manager, files) => {
    expect(bootManager(rootWith(files))).toBe(manager);
  });

  it('says the line, is found as ours, and is removed', () => {
    const root = rootWith({ 'usr/lib/systemd/systemd-binfmt': '' });
    const path = writeDropIn(root, 'aarch64', line);
    expect(writeDropIn(root, 'aarch64', line)).toBe(path);
    expect(parseConfig(formatEntry(line))).toEqual([{ name: line.name, interpreter: line.interpreter }]);
    expect(configuredEntries(root).get(line.name)).toEqual({
      path,
      interpreter: line.interpreter,
      ours: true,
    });
    expect(removeDropIn(root, 'aarch64')).toBe(path);
    expect(removeDropIn(root, 'aarch64')).toBeUndefined();
  });

  it('is not written where binfmt-support registers, or nobody', () => {
    const support = rootWith({ 'usr/sbin/update-binfmts': '' });
    expect(() => writeDropIn(support, 'aarch64', line)).toThrow(
      expect.objectContaining({
        code: 'HOST_INCAPABLE',
        hint: expect.stringContaining(
          String.raw`update-binfmts --install ${line.name} ${line.interpreter} --offset 0 --magic '\x7f\x45`,
        ) as string,
      }),
    );
    expect(() => writeDropIn(scratch.path('nowhere'), 'aarch64', line)).toThrow(/nothing on this host/);
  });
});

describe('the differences of an entry', () => {
  const line = lineFor('aarch64');
  it.each<[string[], Partial<Registration>]>([
    [[], {}],
    [[], { flags: 'FCP' }],
    [['starts /other instead of /usr/bin/qemu-aarch64'], { interpreter: '/other' }],
    [['has the flags F instead of POCF'], { flags: 'F' }],
    [['has another magic or mask'], { mask: 'ff'.repeat(20) }],
    [['has another magic or mask'], { magic: architectureByName('riscv64')!.magic }],
  ])('are %j', (words, changes) => {
    expect(differencesOf(entryOf({ ...line, ...changes }), line)).toEqual(words);
  });

  it('are its being disabled, another offset, another kind', () => {
    const entry = entryOf(line);
    expect(differencesOf({ ...entry, enabled: false }, line)).toEqual(['is disabled']);
    const moved = { ...entry.match, offset: 4 } as BinfmtEntry['match'];
    for (const match of [moved, { kind: 'unknown' } as const, { kind: 'extension', extension: 'x' } as const])
      expect(differencesOf({ ...entry, match }, line)).toEqual(['has another magic or mask']);
  });

  it('are none for a mask of all bits that is not shown', () => {
    const all = { ...line, mask: 'ff'.repeat(20) };
    const entry = entryOf(all);
    const match = { ...entry.match, mask: undefined } as BinfmtEntry['match'];
    expect(differencesOf({ ...entry, match }, all)).toEqual([]);
  });

  it.each([
    ['', ''],
    ['C', 'OC'],
    ['FCP', 'POCF'],
    ['FT', 'FT'],
  ])('know that the kernel shows %j as %j', (flags, shown) => {
    expect(shownFlags(flags)).toBe(shown);
  });
});

describe('what an entry catches', () => {
  const lax = (bytes: number): BinfmtEntry =>
    entryFor('aarch64', { mask: `${'ff'.repeat(bytes)}${'00'.repeat(20 - bytes)}` });

  it('is its machine, and with a lax mask many, the host’s own among them', () => {
    expect(machinesOf(entryFor('aarch64')).map(({ arch }) => arch)).toEqual(['aarch64']);
    const many = machinesOf(lax(6)).map(({ arch }) => arch);
    expect(many).toEqual(expect.arrayContaining(['aarch64', 'riscv64', 'x86_64']));
    expect(many).not.toContain('s390x');
    expect(
      [entryFor('aarch64'), lax(18), lax(6)].map((entry) =>
        catchesNative(entry, architectureByName('x86_64')),
      ),
    ).toEqual([false, true, true]);
  });

  it('goes to the entry in front of it', () => {
    const [first, second, off] = [lax(6), entryFor('riscv64'), { ...entryFor('riscv64'), enabled: false }];
    const s390x = entryFor('s390x');
    const state = {
      directory: '/',
      mounted: true,
      enabled: true,
      entries: [off, first, second, s390x],
      unreadable: [],
    };
    const seen = state.entries.map((entry) => {
      const { state: word, shadows, shadowedBy } = relationsOf(state, entry);
      return [word, shadows, shadowedBy];
    });
    expect(seen).toEqual([
      ['disabled', [], []],
      ['enabled', ['qemu-riscv64'], []],
      ['shadowed', [], ['qemu-aarch64']],
      ['enabled', [], []],
    ]);
    expect(relationsOf({ ...state, enabled: false }, first).state).toBe('off');
  });

  it('is nothing for entries of other kinds, which are in force all the same', () => {
    const jar = parseEntry('jar', 'enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n');
    const state = { directory: '/', mounted: true, enabled: true, entries: [jar], unreadable: [] };
    expect(relationsOf(state, jar)).toMatchObject({ state: 'enabled', machines: [], catchesNative: false });
  });
});
