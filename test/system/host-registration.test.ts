/**
 * Entries in the host's own binfmt_misc for the time of a build. These tests change the real table for a moment: one
 * file, one test after the other, and whatever happens the table and the mount are put back.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { FULL_FLAGS, formatEntry, type Registration } from '../../src/emulation/binfmt-entry.ts';
import { BINFMT_DIRECTORY, readBinfmtState } from '../../src/emulation/binfmt-state.ts';
import { entryNameOf, registerOnHost } from '../../src/emulation/host-registration.ts';
import { buildProgram } from '../support/child.ts';
import { captureHostState, type HostState } from '../support/host-state.ts';
import { describeWithRoot } from '../support/requires.ts';

const MOUNT_MARK = '/run/arch-build-binfmt.mounted';
const ENTRY_MARKS = '/run/arch-build-binfmt.entries';

/** Any program will do: nothing is started through these entries. */
function registrationFor(arch: string, interpreter = '/bin/true'): Registration {
  const { magic, mask } = architectureByName(arch)!;
  return { name: entryNameOf(arch), magic, mask, interpreter, flags: FULL_FLAGS };
}

const hexagon = registrationFor('hexagon');
const alpha = registrationFor('alpha');
const names = [hexagon, alpha].map(({ name }) => name);
const entryFile = (name: string): string => join(BINFMT_DIRECTORY, name);
const isMounted = (): boolean => existsSync(join(BINFMT_DIRECTORY, 'status'));
const ours = (): string[] =>
  readBinfmtState()
    .entries.map(({ name }) => name)
    .filter((name) => names.includes(name))
    .sort();

async function within(seconds: number, holds: () => boolean): Promise<boolean> {
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    if (holds()) return true;
    await sleep(20);
  }
  return holds();
}

/** What a registration must leave as it was, whatever else goes on on this machine. */
function hostTables(): Pick<HostState, 'mounts' | 'binfmt'> {
  const { mounts, binfmt } = captureHostState({ directory: '/nonexistent' });
  return { mounts, binfmt };
}

/** As somebody else would: a mount and an entry that are not ours. */
function mountForeign(): Disposable {
  const mounted = isMounted();
  if (!mounted) spawnSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT_DIRECTORY]);
  return {
    [Symbol.dispose]: () => {
      if (!mounted) spawnSync('umount', [BINFMT_DIRECTORY]);
    },
  };
}

function registerForeign(registration: Registration): Disposable {
  writeFileSync(join(BINFMT_DIRECTORY, 'register'), formatEntry(registration));
  return {
    [Symbol.dispose]: () => {
      if (existsSync(entryFile(registration.name))) writeFileSync(entryFile(registration.name), '-1');
    },
  };
}

const HOLD = `
  import { registerOnHost } from './emulation/host-registration.ts';
  const registration = await registerOnHost(JSON.parse(process.argv[2]!));
  console.log('registered');
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await registration[Symbol.asyncDispose]();
`;

describeWithRoot('a registration on the host', () => {
  let before: ReturnType<typeof hostTables>;
  beforeEach(() => {
    before = hostTables();
  });
  afterEach(() => {
    const after = hostTables();
    if (isMounted())
      for (const name of names) if (existsSync(entryFile(name))) writeFileSync(entryFile(name), '-1');
    if (before.binfmt === 'not mounted' && isMounted()) spawnSync('umount', [BINFMT_DIRECTORY]);
    const marks = existsSync(ENTRY_MARKS) ? readdirSync(ENTRY_MARKS) : [];
    for (const path of [MOUNT_MARK, ENTRY_MARKS]) rmSync(path, { recursive: true, force: true });
    expect(after).toEqual(before);
    expect(marks).toEqual([]);
  });

  it('is in the table until it is disposed, with its flags; a second time is no error', async () => {
    const registration = await registerOnHost([hexagon, alpha]);
    expect(ours()).toEqual([...names].sort());
    const entry = readBinfmtState().entries.find(({ name }) => name === hexagon.name);
    expect(entry).toMatchObject({ enabled: true, interpreter: '/bin/true', flags: FULL_FLAGS });
    await registration[Symbol.asyncDispose]();
    expect(ours()).toEqual([]);
    await registration[Symbol.asyncDispose]();
  });

  it('is shared by a second user and goes with the last', async () => {
    using program = await buildProgram(HOLD);
    const mine = await registerOnHost([hexagon]);
    await using other = program.start([JSON.stringify([hexagon, alpha])]);
    expect(await other.line()).toBe('registered');
    await mine[Symbol.asyncDispose]();
    expect(ours()).toEqual([...names].sort());
    expect(await other.end()).toBe(0);
    expect(ours()).toEqual([]);
  });

  it('is removed by whoever leaves last, also what the other registered', async () => {
    using program = await buildProgram(HOLD);
    const children = [[hexagon], [alpha], [hexagon, alpha]].map((wanted) =>
      program.start([JSON.stringify(wanted)]),
    );
    for (const child of children) expect(await child.line()).toBe('registered');
    expect(await Promise.all(children.map((child) => child.end()))).toEqual([0, 0, 0]);
    expect(ours()).toEqual([]);
  });

  it('refuses an entry of our name that is somebody else’s, and leaves it and the mount as they are', async () => {
    using _mount = mountForeign();
    using _entry = registerForeign({ ...hexagon, interpreter: '/bin/false' });
    const text = readFileSync(entryFile(hexagon.name), 'utf8');
    await expect(registerOnHost([alpha, hexagon])).rejects.toMatchObject({
      code: 'BINFMT',
      message: expect.stringContaining('/bin/false') as string,
    });
    expect(readFileSync(entryFile(hexagon.name), 'utf8')).toBe(text);
    expect(ours()).toEqual([hexagon.name]);
  });

  it('uses an entry that is there and the same, and leaves it and the mount there', async () => {
    using _mount = mountForeign();
    using _entry = registerForeign(hexagon);
    const registration = await registerOnHost([hexagon, alpha]);
    expect(ours()).toEqual([...names].sort());
    await registration[Symbol.asyncDispose]();
    expect(ours()).toEqual([hexagon.name]);
    expect(isMounted()).toBe(true);
  });

  it('of an emulator that is not there is refused, and nothing of it stays', async () => {
    await expect(
      registerOnHost([alpha, registrationFor('hexagon', '/nonexistent/qemu')]),
    ).rejects.toMatchObject({
      code: 'BINFMT',
    });
    expect(ours()).toEqual([]);
  });

  it('goes within five seconds when its process is killed', async () => {
    using program = await buildProgram(HOLD);
    await using child = program.start([JSON.stringify([hexagon, alpha])]);
    await child.line();
    expect(ours()).toEqual([...names].sort());
    await child.kill();
    expect(await within(5, () => ours().length === 0)).toBe(true);
    expect(await within(5, () => isMounted() === (before.binfmt !== 'not mounted'))).toBe(true);
    await sleep(100); // the reaper's own last steps
  });

  it('stays when one of two users is killed', async () => {
    using program = await buildProgram(HOLD);
    await using child = program.start([JSON.stringify([hexagon])]);
    await child.line();
    const mine = await registerOnHost([hexagon]);
    await child.kill();
    await sleep(2500); // as long as the reaper tries
    expect(ours()).toEqual([hexagon.name]);
    await mine[Symbol.asyncDispose]();
    expect(ours()).toEqual([]);
  });
});
