import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureByName, type Architecture } from '../../src/emulation/architecture.ts';
import { formatEntry } from '../../src/emulation/binfmt-entry.ts';
import {
  dangerousEntries,
  effectiveEntry,
  missingFlags,
  readBinfmtState,
  shadowedEntries,
} from '../../src/emulation/binfmt-state.ts';
import type { Emulator } from '../../src/emulation/emulators.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { elfHeader, PROBE_STATUS, probeProgram } from '../../src/emulation/probe.ts';
import { runProgram } from '../../src/sys/run-program.ts';
import { writeProgram } from '../emulation/tiny-program.ts';
import { fetchedEmulators } from './fetched-emulators.ts';
import { openPrivateBinfmt, type PrivateBinfmt } from './private-binfmt.ts';

const HOST_TABLE = '/proc/sys/fs/binfmt_misc';
const versions = pinnedPackages().map(({ version }) => version);
const probed = ARCHITECTURES.filter(({ probe }) => probe !== undefined);
const kits = new Map<string, ReadonlyMap<string, Emulator>>();
let root: string;
let hostBefore: string[];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'binfmt-'));
  hostBefore = readdirSync(HOST_TABLE);
  for (const version of versions) kits.set(version, await fetchedEmulators(version));
  for (const row of probed) writeProgram(join(root, 'empty', row.arch), probeProgram(row)!);
});
afterAll(() => rmSync(root, { recursive: true }));

const probeOf = (arch: string): string => join(root, 'empty', arch);
const aarch64 = architectureByName('aarch64')!;

describe('probe programs', () => {
  it.each(['x86_64', 'i386'])('of %s run on the processor itself', async (arch) => {
    expect(await runProgram(probeOf(arch), [])).toMatchObject({
      status: PROBE_STATUS,
      stdout: '',
      stderr: '',
    });
  });

  describe.each(versions)('under qemu %s', (version) => {
    it.each(probed.map(({ arch }) => arch))('run for %s', async (arch) => {
      const emulator = kits.get(version)?.get(arch);
      expect(emulator).toBeDefined();
      expect((await runProgram(emulator!.path, [probeOf(arch)], { env: {} })).status).toBe(PROBE_STATUS);
    });
  });
});

const register = (table: PrivateBinfmt, line: string): void =>
  writeFileSync(join(table.directory, 'register'), line);

const lineOf = (row: Architecture, emulator: Emulator, flags = 'POCF'): string =>
  formatEntry({ name: `t-${row.arch}`, magic: row.magic, mask: row.mask, interpreter: emulator.path, flags });

describe.each(versions)('with every entry registered, qemu %s', (version) => {
  let table: PrivateBinfmt;
  const foreign = probed.filter(({ arch }) => arch !== 'x86_64' && arch !== 'i386');
  beforeAll(async () => {
    table = await openPrivateBinfmt();
    for (const row of foreign) register(table, lineOf(row, kits.get(version)!.get(row.arch)!));
  });
  afterAll(async () => table[Symbol.asyncDispose]());

  it('reads the table back, last registered first', () => {
    const { mounted, enabled, entries, unreadable } = readBinfmtState(table.directory);
    expect({ mounted, enabled, unreadable }).toEqual({ mounted: true, enabled: true, unreadable: [] });
    expect(entries.map(({ name }) => name)).toEqual(foreign.map(({ arch }) => `t-${arch}`).reverse());
    for (const entry of entries) {
      const row = foreign.find(({ arch }) => entry.name === `t-${arch}`)!;
      expect(entry).toMatchObject({
        enabled: true,
        flags: 'POCF',
        interpreter: kits.get(version)!.get(row.arch)!.path,
      });
      expect(entry.match).toEqual({
        kind: 'magic',
        offset: 0,
        magic: Buffer.from(row.magic, 'hex'),
        mask: Buffer.from(row.mask, 'hex'),
      });
      expect(missingFlags(entry)).toBe('');
    }
  });

  it.each(foreign.map(({ arch }) => arch))(
    'runs the probe of %s in an empty root under exactly that emulator',
    async (arch) => {
      const inEmptyRoot = ['chroot', join(root, 'empty'), `/${arch}`];
      expect((await table.run(inEmptyRoot)).status).toBe(PROBE_STATUS);
      const named = await table.run(inEmptyRoot, { QEMU_VERSION: '1' });
      expect(named).toMatchObject({
        status: 0,
        stdout: expect.stringContaining(`qemu-${arch} version ${version} `) as string,
      });
    },
  );

  it('still runs native programs, and none of the entries catches them', async () => {
    expect((await table.run(['/bin/true'])).status).toBe(0);
    const host = architectureByName('x86_64')!;
    expect(
      dangerousEntries(readBinfmtState(table.directory), [
        elfHeader(host),
        elfHeader(host, { type: 3, osabi: 3 }),
      ]),
    ).toEqual([]);
  });
});

describe('a table of binfmt_misc', () => {
  let table: PrivateBinfmt;
  let first: Emulator;
  let second: Emulator;
  const header = elfHeader(aarch64);
  const add = (name: string, change: Partial<Parameters<typeof formatEntry>[0]> = {}): void => {
    const { magic, mask } = aarch64;
    register(table, formatEntry({ name, magic, mask, interpreter: first.path, flags: 'POCF', ...change }));
  };
  const versionThatRuns = async (): Promise<string> =>
    (await table.run(['chroot', join(root, 'empty'), '/aarch64'], { QEMU_VERSION: '1' })).stdout.split(
      '\n',
      1,
    )[0]!;

  beforeAll(() => {
    [first, second] = [kits.get(versions[0]!)!.get('aarch64')!, kits.get(versions[1]!)!.get('aarch64')!];
  });
  const fresh = it.extend<{ empty: undefined }>({
    empty: async ({}, use) => {
      table = await openPrivateBinfmt();
      await use(undefined);
      await table[Symbol.asyncDispose]();
    },
  });

  fresh('says which of two entries wins, as the kernel does', async ({ empty: _ }) => {
    add('zz');
    add('aa', { interpreter: second.path });
    const state = readBinfmtState(table.directory);
    expect(effectiveEntry(state, header)?.name).toBe('aa');
    expect(shadowedEntries(state, header).map(({ name }) => name)).toEqual(['zz']);
    expect(await versionThatRuns()).toContain(second.version);
    writeFileSync(join(table.directory, 'aa'), '0');
    expect(effectiveEntry(readBinfmtState(table.directory), header)?.name).toBe('zz');
    expect(await versionThatRuns()).toContain(first.version);
  });

  fresh('matches nothing while it is switched off', async ({ empty: _ }) => {
    add('q');
    writeFileSync(join(table.directory, 'status'), '0');
    const state = readBinfmtState(table.directory);
    expect(state).toMatchObject({ mounted: true, enabled: false });
    expect(effectiveEntry(state, header)).toBeUndefined();
    // the kernel says ENOEXEC, chroot then tries /bin/sh, and the root is empty
    expect((await table.run(['chroot', join(root, 'empty'), '/aarch64'])).status).toBe(127);
  });

  fresh('shows every combination of flags in its own order', ({ empty: _ }) => {
    for (const flags of ['', 'F', 'CF', 'FCOP', 'P', 'O']) add(`f-${flags}`, { flags });
    const shown = readBinfmtState(table.directory).entries.map(({ name, flags }) => [
      name.slice(2),
      flags,
      missingFlags({ flags } as never),
    ]);
    expect(shown.reverse()).toEqual([
      ['', '', 'POCF'],
      ['F', 'F', 'POC'],
      ['CF', 'OCF', 'P'], // C implies O
      ['FCOP', 'POCF', ''],
      ['P', 'P', 'OCF'],
      ['O', 'O', 'PCF'],
    ]);
  });

  fresh('takes every delimiter, and blanks, in names and paths', ({ empty: _ }) => {
    const names = ['a:b', 'a|b', 'a b', 'a:|!%&+,;@~b', 'é', '-n', 'a\\x41b'];
    for (const name of names) add(name, { interpreter: `/no/such ${name}`, flags: '' });
    const { entries } = readBinfmtState(table.directory);
    expect(entries.map(({ name, interpreter }) => [name, interpreter]).reverse()).toEqual(
      names.map((name) => [name, `/no/such ${name}`]),
    );
  });

  fresh('takes a line of 1920 bytes, which is the longest we format', ({ empty: _ }) => {
    const { magic, mask } = aarch64;
    const plain = { name: 'long', magic, mask, flags: '' };
    const room = 1920 - formatEntry({ ...plain, interpreter: '/' }).length;
    add('long', { interpreter: `/${'a'.repeat(room)}`, flags: '' });
    expect(readBinfmtState(table.directory).entries[0]?.interpreter).toHaveLength(room + 1);
    const tooLong = `${formatEntry({ ...plain, name: 'lonh', interpreter: `/${'a'.repeat(room)}` })}P`;
    expect(() => register(table, tooLong)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });

  fresh('with an entry that catches native programs is seen to be dangerous', ({ empty: _ }) => {
    const { magic, mask } = architectureByName('x86_64')!;
    add('good');
    add('bad', { magic, mask });
    const host = architectureByName('x86_64')!;
    expect(
      dangerousEntries(readBinfmtState(table.directory), [elfHeader(host)]).map(({ name }) => name),
    ).toEqual(['bad']);
  });

  fresh('keeps an extension entry apart', ({ empty: _ }) => {
    register(table, ':jar:E::jar::/usr/bin/jexec:');
    expect(readBinfmtState(table.directory).entries[0]).toMatchObject({
      name: 'jar',
      match: { kind: 'extension', extension: 'jar' },
    });
  });

  it('that is not mounted, or is no table at all, is empty', () => {
    mkdirSync(join(root, 'nothing'), { recursive: true });
    for (const directory of [join(root, 'nothing'), join(root, 'absent')]) {
      expect(readBinfmtState(directory)).toEqual({
        directory,
        mounted: false,
        enabled: false,
        entries: [],
        unreadable: [],
      });
    }
  });

  it('of the host is what it was', () => {
    expect(readdirSync(HOST_TABLE)).toEqual(hostBefore);
    expect(existsSync(join(HOST_TABLE, 'register'))).toBe(hostBefore.includes('register'));
  });
});
