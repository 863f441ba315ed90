import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureByName } from '../../src/emulation/architecture.ts';
import { findEmulator } from '../../src/emulation/emulators.ts';
import { fetchEmulators, type FetchOptions } from '../../src/emulation/fetch.ts';
import { fetchToolbox } from '../../src/emulation/fetch-toolbox.ts';
import { importEmulator } from '../../src/emulation/import.ts';
import { pinnedPackages, pinnedToolboxes, type PinnedPackage } from '../../src/emulation/pins.ts';
import { findToolbox } from '../../src/emulation/toolbox.ts';
import { runProgram } from '../../src/sys/run-program.ts';
import type { BuildEvent } from '../../src/events.ts';
import { fakeEmulator, tinyProgram, writeProgram } from '../emulation/tiny-program.ts';
import { fetchedEmulators } from './fetched-emulators.ts';

const aarch64 = architectureByName('aarch64')!;
const riscv64 = architectureByName('riscv64')!;
const [first] = pinnedPackages() as [PinnedPackage];
let root: string;
let storeDirectory: string;
let events: BuildEvent[];
let options: FetchOptions;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fetch-'));
  storeDirectory = join(root, 'store');
  mkdirSync(storeDirectory);
  events = [];
  options = { storeDirectory, report: (event) => void events.push(event) };
});
afterEach(() => rmSync(root, { recursive: true }));

const shelf = (): string[] =>
  existsSync(join(storeDirectory, 'emulators'))
    ? readdirSync(join(storeDirectory, 'emulators'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.includes('qemu-'))
        .sort()
    : [];
const leftOver = (): string[] => readdirSync(join(storeDirectory, 'tmp'));
const fetched = (): number => events.filter(({ type }) => type === 'info').length;
const fails = (code: string): unknown => expect.objectContaining({ code });

/** Names, sizes and times of what belongs to apt and dpkg on this host. */
function aptState(): string {
  const folders = [
    '/var/lib/apt',
    '/var/lib/apt/lists',
    '/var/cache/apt',
    '/var/cache/apt/archives',
    '/var/lib/dpkg',
  ];
  const lines = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder).map((name) => {
        const { size, mtimeMs, ino } = statSync(join(folder, name));
        return [folder, name, size, mtimeMs, ino].join(' ');
      }),
    );
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

describe('fetching emulators', () => {
  it('fetches what is missing, once, and touches nothing of apt', async () => {
    const before = aptState();
    const [arm64, riscv] = await fetchEmulators([aarch64, riscv64], options);
    expect(arm64).toMatchObject({
      arch: 'aarch64',
      version: first.version,
      sha256: first.emulators['aarch64']?.sha256,
    });
    expect(riscv).toMatchObject({ arch: 'riscv64', source: 'store' });
    expect(shelf()).toEqual([`${first.version}/qemu-aarch64`, `${first.version}/qemu-riscv64`]);
    expect(await findEmulator(aarch64, { environment: {}, storeDirectory })).toEqual(arm64);
    expect(fetched()).toBe(1);
    await fetchEmulators([riscv64], options);
    expect(fetched()).toBe(1);
    expect(leftOver()).toEqual([]);
    expect(aptState()).toBe(before);
  });

  it('fetches one program for machines that share it', async () => {
    const wanted = ARCHITECTURES.filter(({ emulator }) => emulator === 'i386');
    const emulators = await fetchEmulators(wanted, options);
    expect(emulators.map(({ arch }) => arch)).toEqual(['i386', 'i486']);
    expect(shelf()).toEqual([`${first.version}/qemu-i386`]);
  });

  it('fetches for each machine a version that is new enough', async () => {
    const loong = architectureByName('loongarch64')!;
    const emulators = await fetchEmulators([aarch64, loong], options);
    expect(emulators.map(({ arch, version }) => [arch, version])).toEqual([
      ['aarch64', first.version],
      ['loongarch64', pinnedPackages()[1]?.version],
    ]);
    expect(fetched()).toBe(2);
  });

  it('repairs a damaged file', async () => {
    const path = join(storeDirectory, 'emulators', first.version, 'qemu-aarch64');
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, 'damaged');
    const [emulator] = await fetchEmulators([aarch64], options);
    expect(fetched()).toBe(1);
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(emulator?.sha256);
  });

  it.each(
    pinnedPackages()
      .slice(1)
      .map(({ version }) => version),
  )('fetches %s with lists of its own when those of the host do not know it', async (version) => {
    const before = aptState();
    const [emulator] = await fetchEmulators([aarch64], { ...options, version });
    expect(emulator).toMatchObject({ version });
    expect(aptState()).toBe(before);
  });

  /** A hundredth in size of those that have emulators; what is refused is refused before a program is run. */
  const small = (): PinnedPackage => {
    const toolboxes = pinnedToolboxes().map(({ architecture: _of, ...each }) => each);
    const { program, ...toolbox } = toolboxes.find(({ arch }) => arch === 'x86_64')!;
    return { ...first, ...toolbox, emulators: { aarch64: program } };
  };
  const tampered = (change: Partial<PinnedPackage>): FetchOptions => ({
    ...options,
    pins: [{ ...small(), ...change }],
  });
  const zeros = '0'.repeat(64);

  it.each([
    ['the package', { sha256: zeros }],
    ['a program in it', { emulators: { aarch64: { ...small().emulators['aarch64']!, sha256: zeros } } }],
  ])('refuses another digest of %s and leaves nothing behind', async (_, change) => {
    await expect(fetchEmulators([aarch64], tampered(change))).rejects.toThrow(fails('DIGEST_MISMATCH'));
    expect(shelf()).toEqual([]);
    expect(leftOver()).toEqual([]);
  });

  it('refuses a member that is not there', async () => {
    const emulators = { aarch64: { ...small().emulators['aarch64']!, file: 'usr/bin/none' } };
    await expect(fetchEmulators([aarch64], tampered({ emulators }))).rejects.toThrow(
      fails('ARCHIVE_INVALID'),
    );
    expect(leftOver()).toEqual([]);
  });

  it('falls back to the next pin when an archive no longer serves the first', async () => {
    const gone = { ...first, version: '0.1', packageVersion: '1:0.1-1', suite: 'no-such-suite' };
    const [emulator] = await fetchEmulators([aarch64], { ...options, pins: [gone, first] });
    expect(emulator?.version).toBe(first.version);
  });

  it('says NETWORK when no archive serves any', async () => {
    const gone = tampered({ packageVersion: '1:0.1-1', suite: 'no-such-suite' });
    await expect(fetchEmulators([aarch64], gone)).rejects.toThrow(fails('NETWORK'));
    expect(leftOver()).toEqual([]);
  });

  it('says which machine or version is not pinned', async () => {
    await expect(fetchEmulators([aarch64], { ...options, version: '0.1' })).rejects.toThrow(
      fails('EMULATOR_MISSING'),
    );
    await expect(fetchEmulators([aarch64], tampered({ emulators: {} }))).rejects.toThrow(
      /aarch64.*x86_64 hosts/,
    );
  });

  it('needs apt, and says so', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nowhere';
    try {
      await expect(fetchEmulators([aarch64], options)).rejects.toThrow(fails('TOOL_MISSING'));
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('can be interrupted', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    await expect(fetchEmulators([aarch64], { ...options, signal: controller.signal })).rejects.toThrow(
      fails('INTERRUPTED'),
    );
    expect(shelf()).toEqual([]);
    expect(leftOver()).toEqual([]);
  });

  it('works for somebody who is not root', async () => {
    await runProgram('chmod', ['755', root]);
    const probe = await runProgram('setpriv', [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'sh',
      '-c',
      'cd /tmp && d=$(mktemp -d) && cd "$d" && apt-get -q -o Dir::Cache="$d" download "$1=$2" && ls *.deb; rm -r "$d"',
      'sh',
      first.package,
      first.packageVersion,
    ]);
    expect(probe.stdout).toContain('.deb');
  });
});

describe('importing emulators', () => {
  it('takes a program, whatever its name and mode', async () => {
    const file = writeProgram(join(root, 'some file'), fakeEmulator('s390x', '8.1.0'), 0o600);
    const [emulator] = await importEmulator(file, { storeDirectory });
    const path = join(storeDirectory, 'emulators/8.1.0/qemu-s390x');
    expect(emulator).toMatchObject({ arch: 's390x', path, version: '8.1.0', source: 'store' });
    expect(statSync(path).mode & 0o777).toBe(0o755);
    expect(readFileSync(file)).toEqual(readFileSync(path));
    expect(leftOver()).toEqual([]);
  });

  it('follows a link to the program and stores a file', async () => {
    writeProgram(join(root, 'real'), fakeEmulator('arm', '8.1.0'));
    symlinkSync('real', join(root, 'link'));
    const [emulator] = await importEmulator(join(root, 'link'), { storeDirectory });
    expect(statSync(emulator!.path).isFile()).toBe(true);
  });

  it('replaces one that is in use without disturbing it', async () => {
    const file = writeProgram(join(root, 'q'), fakeEmulator('arm', '8.1.0'));
    const [before] = await importEmulator(file, { storeDirectory });
    const inode = statSync(before!.path).ino;
    await importEmulator(file, { storeDirectory });
    expect(statSync(before!.path).ino).not.toBe(inode);
  });

  it('takes all emulators of a package', async () => {
    const deb = await packageWith([
      ['usr/bin/qemu-aarch64-static', fakeEmulator('aarch64', '8.1.0')],
      ['usr/bin/qemu-riscv64', fakeEmulator('riscv64', '8.1.0')],
      ['usr/bin/qemu-cris-static', fakeEmulator('cris', '8.1.0')],
      ['usr/bin/other', tinyProgram({ prints: 'x' })],
    ]);
    const emulators = await importEmulator(deb, { storeDirectory });
    expect(emulators.map(({ arch }) => arch).sort()).toEqual(['aarch64', 'riscv64']);
    expect(shelf()).toEqual(['8.1.0/qemu-aarch64', '8.1.0/qemu-riscv64']);
  });

  it.each([
    [
      'a dynamically linked emulator',
      [['usr/bin/qemu-arm', tinyProgram({ prints: 'qemu-arm version 1.0\n', interpreter: '/lib64/ld.so' })]],
      'EMULATOR_UNUSABLE',
    ],
    ['an emulator that is a link', [['usr/bin/qemu-arm', '/etc/passwd']], 'ARCHIVE_INVALID'],
    ['no emulator', [['usr/bin/other', tinyProgram({ prints: 'x' })]], 'EMULATOR_UNUSABLE'],
  ] as [string, [string, Buffer | string][], string][])(
    'refuses a package with %s',
    async (_, files, code) => {
      await expect(importEmulator(await packageWith(files), { storeDirectory })).rejects.toThrow(fails(code));
      expect(shelf()).toEqual([]);
      expect(leftOver()).toEqual([]);
    },
  );

  it.each([
    ['a text', Buffer.from('hello'), 'EMULATOR_UNUSABLE'],
    ['a shared program', readFileSync('/bin/ls'), 'EMULATOR_UNUSABLE'],
    ['a program for another host', tinyProgram({ prints: 'x', arch: 'riscv64' }), 'EMULATOR_UNUSABLE'],
    ['an emulator of an unknown machine', fakeEmulator('nios2'), 'EMULATOR_UNUSABLE'],
    ['a version that leads elsewhere', fakeEmulator('arm', '../../../evil'), 'EMULATOR_UNUSABLE'],
    ['a damaged package', Buffer.from('!<arch>\nrubbish'), 'ARCHIVE_INVALID'],
  ])('refuses %s', async (_, bytes, code) => {
    const file = writeProgram(join(root, 'file'), bytes);
    await expect(importEmulator(file, { storeDirectory })).rejects.toThrow(fails(code));
    expect(shelf()).toEqual([]);
    expect(leftOver()).toEqual([]);
  });

  it.each(['/no/such/file', '/tmp'])('cannot read %s', async (path) => {
    await expect(importEmulator(path, { storeDirectory })).rejects.toThrow(fails('IO'));
  });

  it('takes what another host has fetched', async () => {
    const emulator = (await fetchedEmulators(first.version)).get('aarch64')!;
    const [imported] = await importEmulator(emulator.path, { storeDirectory });
    expect(imported).toMatchObject({ version: first.version, sha256: emulator.sha256 });
  });

  /** Text stands for a link. */
  async function packageWith(files: readonly (readonly [string, Buffer | string])[]): Promise<string> {
    const tree = join(root, 'tree');
    mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
    writeFileSync(
      join(tree, 'DEBIAN/control'),
      'Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n',
    );
    for (const [path, content] of files) {
      mkdirSync(join(tree, path, '..'), { recursive: true });
      if (typeof content === 'string') symlinkSync(content, join(tree, path));
      else writeProgram(join(tree, path), content);
    }
    const deb = join(root, 'x.deb');
    const { status, stderr } = await runProgram('dpkg-deb', ['--build', tree, deb]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return deb;
  }
});

describe('fetching a toolbox', () => {
  it('fetches the busybox of a foreign machine, once, and touches nothing of apt', async () => {
    const before = aptState();
    await fetchToolbox(aarch64, options);
    const found = await findToolbox(aarch64, { environment: {}, storeDirectory });
    const pinned = pinnedToolboxes().find(({ arch }) => arch === 'aarch64');
    expect(found).toMatchObject({ arch: 'aarch64', sha256: pinned?.program.sha256, source: 'store' });
    expect(fetched()).toBe(1);
    await fetchToolbox(aarch64, options);
    expect(fetched()).toBe(1);
    expect(aptState()).toBe(before);
    expect(leftOver()).toEqual([]);
  });

  it('has none for a machine that Debian has none for', async () => {
    const sparc = architectureByName('sparc')!;
    await expect(fetchToolbox(sparc, options)).rejects.toEqual(fails('TOOL_MISSING'));
  });
});
