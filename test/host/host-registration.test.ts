/**
 * Entries in the host's own binfmt_misc for the time of a build. These tests change the real table for a moment: one
 * file, one test after the other, and whatever happens the table and the mount are put back.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { FULL_FLAGS, type Registration } from '../../src/emulation/binfmt-entry.ts';
import { BINFMT_DIRECTORY, readBinfmtState } from '../../src/emulation/binfmt-state.ts';
import { refuseNative } from '../../src/emulation/binfmt/rehearsal.ts';
import { entryNameOf, registerOnHost } from '../../src/emulation/host-registration.ts';
import { buildProgram, type Child } from '../support/child.ts';
import { describeWith, describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import {
  entryFile,
  hostTables,
  isMounted,
  mountForeign,
  putBack,
  registerForeign,
  type HostTables,
} from './host-table.ts';

const ENTRY_MARKS = '/run/arch-build-binfmt.entries';

/** Any program will do: of these machines there is no probe, so nothing is started through their entries. */
function registrationFor(arch: string, interpreter = '/bin/true'): Registration {
  const { magic, mask } = architectureByName(arch)!;
  return { name: entryNameOf(arch), magic, mask, interpreter, flags: FULL_FLAGS };
}

const hexagon = registrationFor('hexagon');
const microblaze = registrationFor('microblaze');
const names = [hexagon, microblaze].map(({ name }) => name);
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

/** The processes that undo what a killed build leaves. */
function reapersOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .flatMap((line) => (line.includes('arch-build-reaper') ? [Number.parseInt(line, 10)] : []));
}

async function killWithReapers(child: Child): Promise<void> {
  const reapers = reapersOf(child.pid);
  expect(reapers).toHaveLength(1);
  for (const reaper of reapers) process.kill(reaper, 'SIGKILL');
  await child.kill();
  await sleep(300); // a reaper that lived would have done its work
}

const HOLD = `
  import { registerOnHost } from './emulation/host-registration.ts';
  const registration = await registerOnHost(JSON.parse(process.argv[2]!));
  console.log('registered');
  await new Promise((resolve) => process.stdin.on('end', resolve).resume());
  await registration[Symbol.asyncDispose]();
`;

/** Starts itself again in a user namespace that may have no others below it: the kernel counts for each. */
const WITHOUT_NAMESPACES = `
  import { spawnSync } from 'node:child_process';
  import { writeFileSync } from 'node:fs';
  import { rehearse } from './emulation/binfmt/rehearsal.ts';
  const [, script, lines, inside] = process.argv;
  if (inside === undefined) {
    const words = ['--user', '--map-root-user', process.execPath, script!, lines!, 'inside'];
    process.exitCode = spawnSync('unshare', words, { stdio: 'inherit' }).status ?? 1;
  } else {
    writeFileSync('/proc/sys/user/max_user_namespaces', '0');
    for (const line of JSON.parse(lines!)) {
      const outcome = await rehearse([line]).then(() => 'may be registered', (error) => error.message);
      console.log(line.name + ': ' + outcome);
    }
  }
`;

/** Whatever a test did, the tables are put back, and then it is an error that it was necessary. */
function watchHost(): void {
  let before: HostTables;
  beforeEach(() => {
    before = hostTables();
  });
  afterEach(() => {
    const after = hostTables();
    const marks = existsSync(ENTRY_MARKS) ? readdirSync(ENTRY_MARKS) : [];
    putBack(before, { entries: names, marks: [ENTRY_MARKS] });
    expect(after).toEqual(before);
    expect(marks).toEqual([]);
  });
}

describeWithRoot('a registration on the host', () => {
  watchHost();

  it('is in the table until it is disposed, with its flags; a second time is no error', async () => {
    const registration = await registerOnHost([hexagon, microblaze]);
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
    await using other = program.start([JSON.stringify([hexagon, microblaze])]);
    expect(await other.line()).toBe('registered');
    await mine[Symbol.asyncDispose]();
    expect(ours()).toEqual([...names].sort());
    expect(await other.end()).toBe(0);
    expect(ours()).toEqual([]);
  });

  it('is removed by whoever leaves last, also what the other registered', async () => {
    using program = await buildProgram(HOLD);
    const children = [[hexagon], [microblaze], [hexagon, microblaze]].map((wanted) =>
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
    await expect(registerOnHost([microblaze, hexagon])).rejects.toMatchObject({
      code: 'BINFMT',
      message: expect.stringContaining('/bin/false') as string,
    });
    expect(readFileSync(entryFile(hexagon.name), 'utf8')).toBe(text);
    expect(ours()).toEqual([hexagon.name]);
  });

  it('uses an entry that is there and the same, and leaves it and the mount there', async () => {
    using _mount = mountForeign();
    using _entry = registerForeign(hexagon);
    const registration = await registerOnHost([hexagon, microblaze]);
    expect(ours()).toEqual([...names].sort());
    await registration[Symbol.asyncDispose]();
    expect(ours()).toEqual([hexagon.name]);
    expect(isMounted()).toBe(true);
  });

  it('of an emulator that is not there is refused, and nothing of it stays', async () => {
    await expect(
      registerOnHost([microblaze, registrationFor('hexagon', '/nonexistent/qemu')]),
    ).rejects.toMatchObject({
      code: 'BINFMT',
    });
    expect(ours()).toEqual([]);
  });

  it('goes within five seconds when its process is killed', async () => {
    using program = await buildProgram(HOLD);
    const mounted = isMounted();
    await using child = program.start([JSON.stringify([hexagon, microblaze])]);
    await child.line();
    expect(ours()).toEqual([...names].sort());
    await child.kill();
    expect(await within(5, () => ours().length === 0)).toBe(true);
    expect(await within(5, () => isMounted() === mounted)).toBe(true);
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

describeWithRoot('an entry of our name', () => {
  watchHost();

  const { magic, mask } = hexagon;
  it.each<[string, string, Partial<Registration>]>([
    ['starts /bin/false instead of /bin/true', 'another emulator', { interpreter: '/bin/false' }],
    ['has the flags PF instead of POCF', 'weaker flags', { flags: 'PF' }],
    ['has no flags instead of POCF', 'no flags', { flags: '' }],
    ['has another magic or mask', 'a lax mask', { mask: mask.replace(/^ff/, 'fe') }],
    ['has another magic or mask', 'another magic', { magic: magic.replace(/a4/, 'a5') }],
  ])('%s: it is refused (%s) and stays', async (words, _what, change) => {
    using _mount = mountForeign();
    using _entry = registerForeign({ ...hexagon, ...change });
    const text = readFileSync(entryFile(hexagon.name), 'utf8');
    await expect(registerOnHost([hexagon])).rejects.toMatchObject({
      code: 'BINFMT',
      message: `the host’s entry ${hexagon.name} ${words}`,
      hint: expect.stringContaining(`echo -1 > ${entryFile(hexagon.name)}`) as string,
    });
    expect(readFileSync(entryFile(hexagon.name), 'utf8')).toBe(text);
  });

  it('is disabled: it is refused and stays so', async () => {
    using _mount = mountForeign();
    using _entry = registerForeign(hexagon);
    writeFileSync(entryFile(hexagon.name), '0');
    await expect(registerOnHost([hexagon])).rejects.toMatchObject({
      message: `the host’s entry ${hexagon.name} is disabled`,
    });
    expect(readFileSync(entryFile(hexagon.name), 'utf8')).toMatch(/^disabled\n/);
  });

  it('was put in the place of ours: neither we nor our reaper remove it', async () => {
    using _mount = mountForeign();
    using program = await buildProgram(HOLD);
    const mine = await registerOnHost([hexagon]);
    writeFileSync(entryFile(hexagon.name), '-1');
    using _entry = registerForeign({ ...hexagon, interpreter: '/bin/false' });
    await mine[Symbol.asyncDispose]();
    expect(ours()).toEqual([hexagon.name]);

    await using child = program.start([JSON.stringify([microblaze])]);
    await child.line();
    writeFileSync(entryFile(microblaze.name), '-1');
    using _other = registerForeign({ ...microblaze, interpreter: '/bin/false' });
    await child.kill();
    expect(await within(5, () => readdirSync(ENTRY_MARKS).length === 0)).toBe(true);
    await sleep(100);
    expect(ours()).toEqual([...names].sort());
  });
});

describeWithRoot('a table', () => {
  watchHost();

  it('that is switched off stays so, and is said to be', async () => {
    using _mount = mountForeign();
    writeFileSync(join(BINFMT_DIRECTORY, 'status'), '0');
    try {
      await expect(registerOnHost([hexagon])).rejects.toMatchObject({
        code: 'BINFMT',
        message: expect.stringContaining('switched off as a whole') as string,
        hint: expect.stringContaining('echo 1 > ') as string,
      });
      expect(readBinfmtState()).toMatchObject({ mounted: true, enabled: false, entries: [] });
    } finally {
      writeFileSync(join(BINFMT_DIRECTORY, 'status'), '1');
    }
  });

  it('that we mounted stays mounted while somebody else has an entry in it', async () => {
    const mounted = isMounted();
    const mine = await registerOnHost([hexagon]);
    {
      using _entry = registerForeign({ ...microblaze, name: 'somebody-elses' });
      await mine[Symbol.asyncDispose]();
      expect(readBinfmtState().entries.map(({ name }) => name)).toContain('somebody-elses');
      expect(ours()).toEqual([]);
    }
    await (await registerOnHost([hexagon]))[Symbol.asyncDispose]();
    expect(isMounted()).toBe(mounted);
  });
});

describeWithRoot('what a build killed together with its reaper left', () => {
  watchHost();

  it('is seen, and repaired by the next build', async () => {
    using program = await buildProgram(HOLD);
    const child = program.start([JSON.stringify([hexagon, microblaze])]);
    await child.line();
    await killWithReapers(child);
    expect(ours()).toEqual([...names].sort());
    const next = await registerOnHost([hexagon]);
    expect(ours()).toEqual([hexagon.name]);
    await next[Symbol.asyncDispose]();
    expect(ours()).toEqual([]);
  });

  it.each(['replaced', 'gone'])('is repaired when its emulator was %s', async (fate) => {
    await using scratch = await openScratch('pin');
    const emulator = scratch.path('emulator');
    copyFileSync('/bin/true', emulator);
    using program = await buildProgram(HOLD);
    const child = program.start([JSON.stringify([{ ...hexagon, interpreter: emulator }])]);
    await child.line();
    await killWithReapers(child);
    rmSync(emulator);
    if (fate === 'replaced') copyFileSync('/bin/false', emulator);
    const next = await registerOnHost([
      fate === 'replaced' ? { ...hexagon, interpreter: emulator } : hexagon,
    ]);
    expect(readBinfmtState().entries.find(({ name }) => name === hexagon.name)?.interpreter).toBe(
      fate === 'replaced' ? emulator : hexagon.interpreter,
    );
    await next[Symbol.asyncDispose]();
  });

  it('is not taken from a build that still uses it, and not used with an emulator that was replaced', async () => {
    await using scratch = await openScratch('pin');
    const emulator = scratch.path('emulator');
    copyFileSync('/bin/true', emulator);
    const registration = { ...hexagon, interpreter: emulator };
    using program = await buildProgram(HOLD);
    await using child = program.start([JSON.stringify([registration])]);
    await child.line();
    copyFileSync('/bin/false', scratch.path('new'));
    renameSync(scratch.path('new'), emulator);
    await expect(registerOnHost([registration])).rejects.toMatchObject({
      message: `the host’s entry ${hexagon.name}, of another build, runs what ${emulator} was before it was replaced`,
      hint: 'wait for the build that made it',
    });
    expect(ours()).toEqual([hexagon.name]);
    expect(await child.end()).toBe(0);
    expect(ours()).toEqual([]);
  });

  it('is a mark without an entry: nothing is removed for it', async () => {
    using _mount = mountForeign();
    using _entry = registerForeign(hexagon);
    mkdirSync(ENTRY_MARKS, { recursive: true });
    for (const name of [hexagon.name, microblaze.name]) writeFileSync(join(ENTRY_MARKS, name), '');
    await (await registerOnHost([microblaze]))[Symbol.asyncDispose]();
    expect(ours()).toEqual([hexagon.name]);
  });
});

describeWith(['root', 'private-binfmt'], 'the rehearsal', () => {
  watchHost();

  /** Nothing of the machine is compared: it catches each program of 64 bits, little-endian. */
  const lax: Registration = {
    ...hexagon,
    name: 'arch-build-lax',
    magic: architectureByName('aarch64')!.magic,
    mask: `${'ff'.repeat(5)}${'00'.repeat(15)}`,
  };

  it('refuses a mask that catches native programs before the host has it', async () => {
    await expect(registerOnHost([hexagon, lax])).rejects.toMatchObject({
      code: 'BINFMT',
      message: expect.stringMatching(
        /^a program of this host does not run any more in the rehearsal: /,
      ) as string,
    });
    expect(spawnSync('/bin/true').status).toBe(0);
    expect(ours()).toEqual([]);
  });

  it('knows such a mask by itself, for kernels without private tables', () => {
    expect(() => refuseNative(lax)).toThrow(/catch programs of this host itself/);
    expect(() => refuseNative(hexagon)).not.toThrow();
  });

  it('judges the masks alone where there is no namespace to rehearse in', async () => {
    using program = await buildProgram(WITHOUT_NAMESPACES);
    await using child = program.start([JSON.stringify([hexagon, lax, registrationFor('riscv64')])]);
    expect(await child.line()).toBe(`${hexagon.name}: may be registered`);
    expect(await child.line()).toBe(
      `${lax.name}: the line for ${lax.name} would catch programs of this host itself: its mask is too lax`,
    );
    expect(await child.line()).toBe('arch-build-riscv64: may be registered');
    expect(await child.end()).toBe(0);
  });

  it('refuses an emulator that does not run the machine’s programs', async () => {
    await expect(registerOnHost([registrationFor('riscv64')])).rejects.toMatchObject({
      code: 'BINFMT',
      message: expect.stringContaining(
        'a program for riscv64 does not run in the rehearsal: the emulator needs a loader',
      ) as string,
    });
  });

  it('keeps the error number of a line that the kernel refuses', async () => {
    const unknown = { ...hexagon, flags: 'POCFZ' };
    await expect(registerOnHost([microblaze, unknown])).rejects.toMatchObject({
      code: 'BINFMT',
      errno: 'EINVAL',
      registration: unknown,
    });
  });

  it('takes a line without F whose emulator is not on the host', async () => {
    const inside = { ...registrationFor('aarch64', '/nonexistent/qemu-aarch64'), flags: 'POC' };
    await using _registration = await registerOnHost([inside]);
    expect(readBinfmtState().entries.find(({ name }) => name === inside.name)).toMatchObject({
      interpreter: '/nonexistent/qemu-aarch64',
      flags: 'POC',
    });
  });
});
