/**
 * Entries that stay in the host's table, with real emulators. Like host-registration.test.ts these tests change the
 * real table for a moment; the folders for boot are made-up ones.
 */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { FULL_FLAGS, parseEntry, type Registration } from '../../src/emulation/binfmt-entry.ts';
import { readBinfmtState } from '../../src/emulation/binfmt-state.ts';
import { describeEntries, type EntryDescription } from '../../src/emulation/binfmt/description.ts';
import { persistentNameOf } from '../../src/emulation/binfmt/drop-in.ts';
import { tryEntry } from '../../src/emulation/binfmt/entry-trial.ts';
import {
  ownMachines,
  registerPersistently,
  unregisterPersistent,
  type PersistentOptions,
} from '../../src/emulation/binfmt/persistent.ts';
import type { Emulator } from '../../src/emulation/emulators.ts';
import { registerOnHost } from '../../src/emulation/host-registration.ts';
import { pinnedPackages } from '../../src/emulation/pins.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { fetchedEmulators } from '../system/fetched-emulators.ts';
import { entryFile, hostTables, isMounted, putBack, registerForeign, type HostTables } from './host-table.ts';

const MARKS = '/run/arch-build-binfmt.persistent';
const aarch64 = architectureByName('aarch64')!;
const riscv64 = architectureByName('riscv64')!;
const machines = [aarch64, riscv64];
const versions = pinnedPackages().map(({ version }) => version);
const name = persistentNameOf('aarch64');
const entry = (wanted = name): ReturnType<typeof parseEntry> | undefined =>
  readBinfmtState().entries.find((each) => each.name === wanted);

let kits: ReadonlyMap<string, Emulator>[];
let scratch: Scratch;
let before: HostTables;

const emulatorOf = (arch: string, kit = 0): Emulator => kits[kit]!.get(arch)!;

/** A root directory in which systemd-binfmt registers at boot. */
function systemdRoot(): string {
  const root = scratch.path('root');
  mkdirSync(join(root, 'usr/lib/systemd'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/systemd/systemd-binfmt'), '');
  return root;
}

const options = (changes: Partial<PersistentOptions> = {}): PersistentOptions => ({
  flags: FULL_FLAGS,
  persist: false,
  replace: false,
  root: scratch.path('root'),
  ...changes,
});

const register = (
  changes: Partial<PersistentOptions> = {},
  kit = 0,
): ReturnType<typeof registerPersistently> =>
  registerPersistently(aarch64, emulatorOf('aarch64', kit), options(changes));
const unregister = (machine = aarch64): ReturnType<typeof unregisterPersistent> =>
  unregisterPersistent(machine, { root: scratch.path('root') });

/** It goes with the test. */
function registerPackaged(changes: Partial<Registration> = {}): void {
  const { magic, mask } = aarch64;
  const line = { name: 'qemu-aarch64', magic, mask, interpreter: emulatorOf('aarch64', 1).path, flags: 'F' };
  registerForeign({ ...line, ...changes });
}

async function describeAll(): Promise<EntryDescription[]> {
  return describeEntries(readBinfmtState(), {
    storeDirectory: scratch.path('store'),
    root: scratch.path('root'),
  });
}

describeWith(['root', 'private-binfmt'], 'an entry that stays', () => {
  beforeAll(async () => {
    kits = [await fetchedEmulators(versions[0]!), await fetchedEmulators(versions[1]!)];
  });
  beforeEach(async () => {
    before = hostTables();
    scratch = await openScratch('persistent');
  });
  afterEach(async () => {
    const entries = [...machines.map(({ arch }) => persistentNameOf(arch)), 'qemu-aarch64'];
    putBack(before, { entries, marks: [MARKS] });
    await scratch[Symbol.asyncDispose]();
    expect(hostTables()).toEqual(before);
  });

  it('runs programs, says so the second time, and goes with the mount that was made for it', async () => {
    const { path, version } = emulatorOf('aarch64');
    const registered = { arch: 'aarch64', name, interpreter: path, flags: FULL_FLAGS, version };
    expect(await register()).toEqual({ ...registered, done: 'registered', shadows: [], dropIn: undefined });
    expect(await register()).toMatchObject({ ...registered, done: 'unchanged' });
    expect(await tryEntry(aarch64)).toEqual({ version, failure: undefined, rootFailure: undefined });
    expect(machines.filter(ownMachines({ root: scratch.path('root') }))).toEqual([aarch64]);
    expect(await unregister()).toEqual({ arch: 'aarch64', name, dropIn: undefined });
    expect(await unregister()).toEqual({ arch: 'aarch64', name: undefined, dropIn: undefined });
    expect(hostTables()).toEqual(before);
    expect(readdirSync(MARKS)).toEqual([]);
  });

  it('that says something else is replaced only when asked', async () => {
    await register({ flags: 'PF' });
    await expect(register()).rejects.toMatchObject({
      code: 'BINFMT',
      message: `the entry ${name} is there already and has the flags PF instead of POCF`,
      hint: 'replace it with --replace',
    });
    await expect(register({ flags: 'PF' }, 1)).rejects.toMatchObject({
      message: expect.stringContaining(`instead of ${emulatorOf('aarch64', 1).path}`) as string,
    });
    expect(entry()).toMatchObject({ flags: 'PF', interpreter: emulatorOf('aarch64').path });
    expect(await register({ replace: true }, 1)).toMatchObject({
      done: 'replaced',
      version: emulatorOf('aarch64', 1).version,
    });
    writeFileSync(entryFile(name), '0');
    await expect(register({}, 1)).rejects.toMatchObject({
      message: expect.stringContaining('is disabled') as string,
    });
    expect(await register({ replace: true }, 1)).toMatchObject({ done: 'replaced' });
  });

  it('comes back as it was when what should replace it cannot stay', async () => {
    const root = systemdRoot();
    await register({ root, flags: 'PF' });
    writeFileSync(entryFile(name), '0');
    mkdirSync(join(root, 'etc/binfmt.d/arch-build-aarch64.conf/taken'), { recursive: true });
    await expect(register({ root, replace: true, persist: true }, 1)).rejects.toThrow();
    expect(entry()).toMatchObject({ flags: 'PF', interpreter: emulatorOf('aarch64').path, enabled: false });
    rmSync(join(root, 'etc'), { recursive: true });
    await unregister();
    expect(readdirSync(MARKS)).toEqual([]);
  });

  it('is renewed when its emulator was replaced, and the old one is seen to run until then', async () => {
    const path = scratch.path('qemu-aarch64');
    copyFileSync(emulatorOf('aarch64', 1).path, path);
    const emulator = { ...emulatorOf('aarch64', 1), path };
    await registerPersistently(aarch64, emulator, options());
    copyFileSync(emulatorOf('aarch64').path, scratch.path('new'));
    renameSync(scratch.path('new'), path);
    expect((await describeAll())[0]).toMatchObject({
      running: versions[1],
      file: { exists: true, changed: true, linking: 'static', version: versions[0], objection: undefined },
    });
    const renewed = { ...emulatorOf('aarch64'), path };
    expect(await registerPersistently(aarch64, renewed, options())).toMatchObject({
      done: 'replaced',
      version: versions[0],
    });
    expect((await describeAll())[0]?.file.changed).toBe(false);
    rmSync(path);
    expect((await describeAll())[0]).toMatchObject({
      running: versions[0],
      file: { exists: false, changed: true, objection: 'does not exist' },
    });
  });

  it('and a build’s never remove each other, whoever is first', async () => {
    const build = {
      name: 'arch-build-aarch64',
      flags: FULL_FLAGS,
      interpreter: emulatorOf('aarch64', 1).path,
    };
    const line = { ...build, magic: aarch64.magic, mask: aarch64.mask };
    await register();
    {
      await using _build = await registerOnHost([line]);
      const kinds = (await describeAll()).map((each) => [each.name, each.owner.kind, each.state]);
      expect(kinds).toEqual([
        [build.name, 'build', 'enabled'],
        [name, 'arch-build', 'shadowed'],
      ]);
    }
    expect(entry(build.name)).toBeUndefined();
    expect(entry()).toBeDefined();
    await unregister();
    {
      await using _build = await registerOnHost([line]);
      await register();
      await unregister();
      expect(entry(build.name)).toBeDefined();
      await register();
    }
    expect(entry(build.name)).toBeUndefined();
    expect(entry()).toBeDefined();
    expect(isMounted()).toBe(true);
    await unregister();
    expect(hostTables()).toEqual(before);
  });

  it('shadows the entry of somebody else, which stays and is refused to be removed', async () => {
    await register();
    registerPackaged();
    await expect(register()).rejects.toMatchObject({ message: `${name} is not in force: qemu-aarch64 is` });
    expect(await register({ replace: true })).toMatchObject({ done: 'replaced', shadows: ['qemu-aarch64'] });
    expect(
      (await describeAll()).map((each) => [each.name, each.state, each.shadows, each.shadowedBy]),
    ).toEqual([
      [name, 'enabled', ['qemu-aarch64'], []],
      ['qemu-aarch64', 'shadowed', [], [name]],
    ]);
    await unregister();
    await expect(unregister()).rejects.toMatchObject({
      code: 'BINFMT',
      message: 'the entry qemu-aarch64 was not made by arch-build',
      hint: `it is left alone; what removes it: echo -1 > ${entryFile('qemu-aarch64')}`,
    });
    expect(await unregister(riscv64)).toEqual({ arch: 'riscv64', name: undefined, dropIn: undefined });
  });

  it('is not made over an entry of that name that somebody else made, nor is that one removed', async () => {
    await register();
    writeFileSync(entryFile(name), '-1');
    registerPackaged({ name });
    for (const attempt of [() => register({ replace: true }), () => unregister()])
      await expect(attempt()).rejects.toMatchObject({
        message: `the entry ${name} was not made by arch-build`,
      });
    expect(entry()).toMatchObject({ flags: 'F' });
  });

  it('is taken back when programs do not run through it', async () => {
    const wrong = { ...emulatorOf('riscv64'), arch: 'aarch64' };
    await expect(registerPersistently(aarch64, wrong, options())).rejects.toMatchObject({
      code: 'BINFMT',
      message: expect.stringMatching(
        /^a program for aarch64 does not run in the rehearsal: it exited with /,
      ) as string,
    });
    const absent = { ...emulatorOf('aarch64'), path: '/nonexistent/qemu' };
    await expect(registerPersistently(aarch64, absent, options({ flags: 'P' }))).rejects.toMatchObject({
      message: expect.stringContaining('the emulator, or a loader it needs, does not exist') as string,
    });
    expect(hostTables()).toEqual(before);
  });

  it('without F runs outside of another root only, and is said to', async () => {
    expect(await register({ flags: 'PC' })).toMatchObject({ done: 'registered' });
    expect(await tryEntry(aarch64)).toMatchObject({
      failure: undefined,
      rootFailure: 'the entry has no F flag and its emulator is not inside the root',
    });
  });

  it('is removed also while the table is switched off', async () => {
    await register();
    writeFileSync(entryFile('status'), '0');
    try {
      await expect(register()).rejects.toMatchObject({
        message: expect.stringContaining('switched off') as string,
      });
      expect(await unregister()).toMatchObject({ name });
    } finally {
      if (isMounted()) writeFileSync(entryFile('status'), '1');
    }
  });

  it('at every boot has a file that systemd-binfmt reads, until it is unregistered', async () => {
    const root = systemdRoot();
    const file = join(root, 'etc/binfmt.d/arch-build-aarch64.conf');
    expect(await register({ persist: true })).toMatchObject({ done: 'registered', dropIn: file });
    const [comment, line, ...rest] = readFileSync(file, 'utf8').split('\n');
    expect([comment?.slice(0, 2), rest]).toEqual(['# ', ['']]);
    expect((await describeAll())[0]?.owner).toMatchObject({ kind: 'arch-build', source: file });
    // as after a boot: the marks are gone, and systemd-binfmt has written the line
    writeFileSync(entryFile(name), '-1');
    rmSync(MARKS, { recursive: true });
    writeFileSync(entryFile('register'), line!);
    expect(await register({ persist: true })).toMatchObject({ done: 'unchanged', dropIn: file });
    expect(await unregister()).toEqual({ arch: 'aarch64', name, dropIn: file });
    expect(readdirSync(join(root, 'etc/binfmt.d'))).toEqual([]);
  });

  it('cannot stay at boot where the file is somebody else’s: nothing is registered then', async () => {
    const file = join(systemdRoot(), 'etc/binfmt.d/arch-build-aarch64.conf');
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, '# mine\n');
    await expect(register({ persist: true })).rejects.toMatchObject({
      message: `${file} was not written by arch-build`,
    });
    expect(await unregister()).toEqual({ arch: 'aarch64', name: undefined, dropIn: undefined });
    expect(readFileSync(file, 'utf8')).toBe('# mine\n');
    expect(hostTables()).toEqual(before);
  });
});
