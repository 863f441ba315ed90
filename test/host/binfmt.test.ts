/** `arch-build binfmt` as a user calls it. It changes the host's table for a moment and puts it back. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { formatEntry } from '../../src/emulation/binfmt-entry.ts';
import { fetchEmulators, TEST_EMULATORS } from '../e2e/bases.ts';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWith } from '../support/requires.ts';
import { hostTables, putBack, type HostTables } from './host-table.ts';

const TABLE = '/proc/sys/fs/binfmt_misc';
const NAME = 'arch-build-aarch64-persistent';
const ARCHS = ['aarch64', 'riscv64'];

interface Listed {
  readonly name: string;
  readonly running: string | null;
  readonly owner: { readonly kind: string; readonly removal: string };
  readonly [fact: string]: unknown;
}

describeWith(['root', 'private-binfmt'], 'binfmt', () => {
  let cli: Cli;
  let before: HostTables;
  const listed = async (): Promise<Listed[]> =>
    (JSON.parse(await cli.run(['binfmt', 'ls', '--json'])) as { entries: Listed[] }).entries;
  beforeAll(async () => {
    cli = await openCli();
    await fetchEmulators(ARCHS);
    for (const arch of ARCHS)
      await cli.run(['emulators', 'import', join(TEST_EMULATORS, '7.2.22', `qemu-${arch}`)]);
  });
  afterAll(() => cli[Symbol.asyncDispose]());
  beforeEach(() => {
    before = hostTables();
  });
  afterEach(() => {
    putBack(before, { entries: [NAME, 'arch-build-riscv64-persistent', 'qemu-aarch64'] });
    expect(hostTables()).toEqual(before);
  });

  it('registers, tells about it, and takes it away', async () => {
    expect(await cli.run(['binfmt', 'register', 'arm64', 'riscv64'])).toMatch(
      /^ARCH .*\naarch64 +registered +arch-build-aarch64-persistent +POCF +\d.* until reboot\nriscv64 +registered /,
    );
    expect(await cli.run(['binfmt', 'register', 'aarch64'])).toMatch(/\naarch64 +already registered /);
    const [riscv64, aarch64, ...others] = await listed();
    expect(others).toEqual([]);
    expect(riscv64?.name).toBe('arch-build-riscv64-persistent');
    expect(aarch64).toMatchObject({
      name: NAME,
      state: 'enabled',
      machines: ['aarch64'],
      flags: 'POCF',
      missing: '',
      catchesNative: false,
      owner: { kind: 'arch-build', source: null, removal: 'arch-build binfmt unregister aarch64' },
      file: { exists: true, changed: false, linking: 'static', version: aarch64!.running, objection: null },
    });
    expect(aarch64!.running).toMatch(/^\d+\.\d+/);
    expect(JSON.parse(await cli.run(['binfmt', 'check', 'aarch64', '--json']))).toEqual([
      expect.objectContaining({
        arch: 'aarch64',
        runs: 'emulated',
        entry: NAME,
        version: aarch64!.running,
        failure: null,
      }),
    ]);
    const shown = await cli.run(['binfmt', 'show', 'arm64']);
    expect(shown).toContain(`line            :${NAME}:M:0:\\x7f\\x45\\x4c\\x46`);
    expect(JSON.parse(await cli.run(['binfmt', 'show', NAME, '--json']))).toEqual([aarch64]);
    expect(await cli.run(['binfmt', 'unregister', 'all'])).toBe(
      `aarch64: removed the entry ${NAME}\nriscv64: removed the entry arch-build-riscv64-persistent`,
    );
    expect(await cli.call(['binfmt', 'unregister', 'all'])).toMatchObject({
      status: 0,
      stdout: '',
      stderr: 'nothing of arch-build is registered\n',
    });
  });

  it('says whose an entry is, and leaves it alone', async () => {
    await cli.run(['binfmt', 'register', 'aarch64']);
    const { magic, mask } = architectureByName('aarch64')!;
    const gone = {
      name: 'qemu-aarch64',
      magic,
      mask,
      interpreter: '/usr/bin/qemu-aarch64-absent',
      flags: '',
    };
    writeFileSync(join(TABLE, 'register'), formatEntry(gone));
    expect((await listed()).map(({ name, state, running }) => [name, state, running])).toEqual([
      ['qemu-aarch64', 'enabled', null],
      [NAME, 'shadowed', null],
    ]);
    const checked = await cli.call(['binfmt', 'check', 'aarch64']);
    expect(checked.status).toBe(3);
    expect(checked.stdout).toMatch(
      /aarch64 +no +qemu-aarch64 +- +POCF +arch-build-aarch64-persistent +the emulator, or a loader it needs, does not exist\n/,
    );
    await cli.run(['binfmt', 'unregister', 'aarch64']);
    const refused = await cli.call(['binfmt', 'unregister', 'aarch64']);
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(refused.stderr).toContain(`echo -1 > ${TABLE}/qemu-aarch64`);
    expect((await listed()).map(({ name }) => name)).toEqual(['qemu-aarch64']);
  });

  it.each([
    [2, ['register', 'aarch64', '--flags', 'POX'], 'unknown flags "X"'],
    [2, ['register', 'pdp11'], 'unknown machine "pdp11"'],
    [2, ['register'], 'missing required argument'],
    [2, ['show', 'nonsense'], 'no entry and no machine is called "nonsense"'],
    [3, ['show', 's390x'], 'no entry of the host’s binfmt_misc is for s390x'],
    [3, ['register', 'x86_64'], 'without an emulator'],
    [3, ['register', 'aarch64', '--emulator', '/bin/true'], '/bin/true is dynamically linked'],
    [3, ['check', 's390x'], ''],
  ])('exits %i for %j', async (status, words, text) => {
    const outcome = await cli.call(['binfmt', ...words], { env: { ARCH_BUILD_EMULATORS: undefined } });
    expect(outcome.status).toBe(status);
    expect(outcome.stderr).toContain(text);
  });

  it.each([
    ['an ordinary user', ['setpriv', '--reuid', '65534', '--clear-groups'], 'only root'],
    ['root of a user namespace', ['unshare', '--user', '--map-root-user'], 'this is a user namespace'],
  ])('changes nothing for %s, who may look', async (_who, through, text) => {
    const env = { ARCH_BUILD_ROOT: '/nonexistent', TMPDIR: '/tmp' };
    for (const word of ['register', 'unregister']) {
      const outcome = await cli.call(['binfmt', word, 'aarch64'], { through, env });
      expect(outcome).toMatchObject({ status: 3, stdout: '' });
      expect(outcome.stderr).toContain(text);
    }
    expect(await cli.call(['binfmt', 'ls'], { through, env })).toMatchObject({ status: 0 });
  });
});
