/** Emulators as one file: what goes in comes out, and nothing else gets in. */
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import { MANIFEST, writeBundle, type BundleManifest } from '../../src/emulation/bundle.ts';
import { findEmulators, type Emulator } from '../../src/emulation/emulators.ts';
import { importEmulator, importPrograms } from '../../src/emulation/import.ts';
import { endAfter, formatHeader, paddingAfter } from '../../src/emulation/plain-tar.ts';
import { findToolbox, type Toolbox } from '../../src/emulation/toolbox.ts';
import { fakeEmulator, tinyBusybox, tinyProgram, writeProgram } from './tiny-program.ts';

let root: string;
let storeDirectory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bundle-'));
  storeDirectory = join(root, 'store');
});
afterEach(() => rmSync(root, { recursive: true }));

const fails = (code: string): unknown => expect.objectContaining({ code });
const shelf = (): string[] =>
  existsSync(join(storeDirectory, 'emulators'))
    ? readdirSync(join(storeDirectory, 'emulators'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.includes('qemu-'))
        .sort()
    : [];
const leftOver = (): string[] => readdirSync(join(storeDirectory, 'tmp'));

async function bytesOf(emulators: readonly Emulator[], toolboxes: readonly Toolbox[] = []): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeBundle(emulators, toolboxes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function threeEmulators(folder = 'kit'): Promise<Emulator[]> {
  const found: Emulator[] = [];
  for (const [target, version] of [
    ['s390x', '8.1.0'],
    ['aarch64', '10.0.1'],
    ['aarch64', '8.1.0'],
  ] as const) {
    writeProgram(join(root, folder, version, `qemu-${target}`), fakeEmulator(target, version));
  }
  for (const name of ['s390x', 'aarch64']) {
    const lookup = { environment: { ARCH_BUILD_EMULATORS: join(root, folder) }, distributionFolders: [] };
    found.push(...(await findEmulators(architectureByName(name)!, lookup)));
  }
  return found;
}

async function twoToolboxes(): Promise<Toolbox[]> {
  const environment = { ARCH_BUILD_TOOLBOX: join(root, 'tools') };
  const found: Toolbox[] = [];
  for (const arch of ['aarch64', 's390x']) {
    writeProgram(join(root, 'tools', `busybox-${arch}`), tinyBusybox('1.36.1', arch));
    found.push((await findToolbox(architectureByName(arch)!, { environment, storeDirectory }))!);
  }
  return found;
}

describe('a bundle', () => {
  it('brings every emulator over, byte for byte', async () => {
    const emulators = await threeEmulators();
    const file = join(root, 'bundle.tar');
    writeFileSync(file, await bytesOf(emulators));
    const imported = await importEmulator(file, { storeDirectory });
    expect(shelf()).toEqual(['10.0.1/qemu-aarch64', '8.1.0/qemu-aarch64', '8.1.0/qemu-s390x']);
    expect(imported.map(({ sha256 }) => sha256).sort()).toEqual(emulators.map(({ sha256 }) => sha256).sort());
    for (const { path, version, arch } of emulators)
      expect(readFileSync(join(storeDirectory, 'emulators', version, `qemu-${arch}`))).toEqual(
        readFileSync(path),
      );
    expect(leftOver()).toEqual([]);
  });

  it('brings toolboxes over too, with emulators and without', async () => {
    const emulators = await threeEmulators();
    const toolboxes = await twoToolboxes();
    const file = join(root, 'bundle.tar');
    for (const some of [emulators, []]) {
      writeFileSync(file, await bytesOf(some, toolboxes));
      expect(await bytesOf(some, [...toolboxes].reverse())).toEqual(readFileSync(file));
      rmSync(storeDirectory, { recursive: true, force: true });
      const imported = await importPrograms(file, { storeDirectory });
      expect(imported.emulators).toHaveLength(some.length);
      expect(imported.toolboxes.map(({ arch }) => arch)).toEqual(['aarch64', 's390x']);
      for (const each of toolboxes) {
        const found = await findToolbox(architectureByName(each.arch)!, { environment: {}, storeDirectory });
        expect(imported.toolboxes).toContainEqual(found);
        expect(readFileSync(found!.path)).toEqual(readFileSync(each.path));
      }
      expect(leftOver()).toEqual([]);
    }
  });

  it('has the same bytes whatever the order and the place, each program once', async () => {
    const emulators = await threeEmulators();
    const elsewhere = await threeEmulators('other');
    const [first] = emulators as [Emulator];
    const bytes = await bytesOf(emulators);
    expect(await bytesOf([...elsewhere].reverse())).toEqual(bytes);
    expect(await bytesOf([...emulators, first])).toEqual(bytes);
  });

  it('is a tar like any other, with a manifest that says what is in it', async () => {
    const file = join(root, 'bundle.tar');
    writeFileSync(file, await bytesOf(await threeEmulators()));
    const listed = spawnSync('tar', ['--list', '--verbose', '--file', file], { encoding: 'utf8' });
    expect(listed.stderr).toBe('');
    expect(
      listed.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ').at(-1)),
    ).toEqual([MANIFEST, '8.1.0/qemu-aarch64', '8.1.0/qemu-s390x', '10.0.1/qemu-aarch64']);
    expect(listed.stdout).toMatch(/^-rwxr-xr-x 0\/0 .* 1970-01-01/m);
    const text = spawnSync('tar', ['--extract', '--to-stdout', '--file', file, MANIFEST], {
      encoding: 'utf8',
    });
    const { host, emulators } = JSON.parse(text.stdout) as BundleManifest;
    expect(host).toBe('x86_64');
    expect(emulators[0]).toEqual({
      arch: 'aarch64',
      version: '8.1.0',
      file: '8.1.0/qemu-aarch64',
      size: fakeEmulator('aarch64', '8.1.0').length,
      sha256: createHash('sha256').update(fakeEmulator('aarch64', '8.1.0')).digest('hex'),
    });
  });

  it('is refused to be written from a file that has changed', async () => {
    const [first] = (await threeEmulators()) as [Emulator];
    writeFileSync(first.path, 'changed');
    await expect(bytesOf([first])).rejects.toThrow(fails('DIGEST_MISMATCH'));
  });
});

/** One entry, as a writer that is not ours would make it too. */
const entry = (name: string, content: Buffer): Buffer =>
  Buffer.concat([formatHeader({ name, size: content.length }), content, paddingAfter(content.length)]);
const archive = (...entries: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(entries);
  return Buffer.concat([body, endAfter(body.length)]);
};

const arm = fakeEmulator('arm', '8.1.0');
const digestOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const named = (file: string, content: Buffer, changes: object = {}): object => ({
  arch: 'arm',
  version: '8.1.0',
  file,
  size: content.length,
  sha256: digestOf(content),
  ...changes,
});
const good = entry('8.1.0/qemu-arm', arm);
const manifest = (emulators: unknown, changes: object = {}): Buffer =>
  entry(
    MANIFEST,
    Buffer.from(JSON.stringify({ format: 'arch-build emulators 1', host: 'x86_64', emulators, ...changes })),
  );
const honest = manifest([named('8.1.0/qemu-arm', arm)]);

const TOOL = 'toolbox/busybox-arm';

/** The header of `good` with another byte somewhere, and a checksum that fits. */
function forged(offset: number, text: string): Buffer {
  const bytes = Buffer.from(good);
  bytes.write(text, offset, 'latin1');
  bytes.write(' '.repeat(8), 148, 'latin1');
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

describe('a hostile bundle', () => {
  const other = fakeEmulator('arm', '9.9.9');
  const linked = tinyProgram({ prints: 'qemu-arm version 8.1.0\n', interpreter: '/lib64/ld.so' });
  const tool = tinyBusybox('8.1.0', 'arm');
  const strange = tinyBusybox('8.1.0', 's390x');
  const toolsManifest = (toolboxes: unknown): Buffer =>
    manifest([named('8.1.0/qemu-arm', arm)], { toolboxes });
  const whole = archive(honest, good);
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['cut in the manifest', whole.subarray(0, 600), 'ARCHIVE_INVALID'],
    ['cut in a program', whole.subarray(0, honest.length + 700), 'ARCHIVE_INVALID'],
    ['cut before its end', whole.subarray(0, honest.length + good.length), 'ARCHIVE_INVALID'],
    ['with something behind its end', Buffer.concat([whole, Buffer.from('x')]), 'ARCHIVE_INVALID'],
    ['with an entry nobody announced', archive(honest, good, entry('x', arm)), 'ARCHIVE_INVALID'],
    ['without an entry that was announced', archive(honest), 'ARCHIVE_INVALID'],
    ['with another entry than announced', archive(honest, entry('8.1.0/qemu-ppc', arm)), 'ARCHIVE_INVALID'],
    ['with a link', archive(honest, forged(156, '2')), 'ARCHIVE_INVALID'],
    ['with a hard link', archive(honest, forged(156, '1')), 'ARCHIVE_INVALID'],
    ['with a device', archive(honest, forged(156, '3')), 'ARCHIVE_INVALID'],
    ['with a setuid file', archive(honest, forged(100, '0004755')), 'ARCHIVE_INVALID'],
    ['with a prefix to its name', archive(honest, forged(345, '/etc')), 'ARCHIVE_INVALID'],
    ['with a wrong checksum', archive(honest, Buffer.from(good).fill('9', 148, 150)), 'ARCHIVE_INVALID'],
    ['that claims 8 GB', archive(honest, forged(124, '77777777777')), 'ARCHIVE_INVALID'],
    [
      'with bytes in the padding',
      archive(honest, Buffer.from(good).fill('x', good.length - 1)),
      'ARCHIVE_INVALID',
    ],
    [
      'with another digest',
      archive(manifest([named('8.1.0/qemu-arm', arm, { sha256: '0'.repeat(64) })]), good),
      'DIGEST_MISMATCH',
    ],
    [
      'with another program',
      archive(manifest([named('8.1.0/qemu-arm', other)]), entry('8.1.0/qemu-arm', other)),
      'EMULATOR_UNUSABLE',
    ],
    [
      'with a shared program',
      archive(manifest([named('8.1.0/qemu-arm', linked)]), entry('8.1.0/qemu-arm', linked)),
      'EMULATOR_UNUSABLE',
    ],
    [
      'with a toolbox of another version',
      archive(toolsManifest([named(TOOL, tool, { version: '1.37.0' })]), good, entry(TOOL, tool)),
      'TOOL_MISSING',
    ],
    [
      'with a toolbox of another machine',
      archive(toolsManifest([named(TOOL, strange)]), good, entry(TOOL, strange)),
      'TOOL_MISSING',
    ],
    [
      'with a toolbox that is another program',
      archive(toolsManifest([named(TOOL, arm)]), good, entry(TOOL, arm)),
      'TOOL_MISSING',
    ],
    [
      'with a toolbox of another digest',
      archive(toolsManifest([named(TOOL, tool, { sha256: '0'.repeat(64) })]), good, entry(TOOL, tool)),
      'DIGEST_MISMATCH',
    ],
    [
      'without a toolbox that was announced',
      archive(toolsManifest([named(TOOL, tool)]), good),
      'ARCHIVE_INVALID',
    ],
    [
      'with a toolbox in another place',
      archive(toolsManifest([named('toolbox/../x', tool)]), good, entry('toolbox/../x', tool)),
      'ARCHIVE_INVALID',
    ],
    [
      'of another host',
      archive(manifest([named('8.1.0/qemu-arm', arm)], { host: 's390x' }), good),
      'EMULATOR_UNUSABLE',
    ],
  ];

  it.each(cases)('is refused: %s', async (_, bytes, code) => {
    const file = join(root, 'bundle.tar');
    writeFileSync(file, bytes);
    await expect(importEmulator(file, { storeDirectory })).rejects.toThrow(fails(code));
    expect(shelf()).toEqual([]);
    expect(existsSync(join(storeDirectory, 'toolbox'))).toBe(false);
    expect(leftOver()).toEqual([]);
  });

  const escapes = ['../../evil', '/etc/evil', '8.1.0/../../qemu-arm', '8.1.0/qemu-arm/x', 'qemu-arm'];
  it.each([
    ...escapes.map((file) => [named(file, arm)]),
    [named('8.1.0/qemu-arm', arm, { version: '../..' })],
    [named('8.1.0/qemu-arm', arm, { arch: 'pdp11' })],
    [named('8.1.0/qemu-arm', arm, { size: 2 ** 40 })],
    [named('8.1.0/qemu-arm', arm, { size: -1 })],
    [named('8.1.0/qemu-arm', arm, { sha256: 'x' })],
    [named('8.1.0/qemu-arm', arm), named('8.1.0/qemu-arm', arm)],
    [],
    [null],
    'x',
  ])('has a manifest that is refused: %j', async (emulators) => {
    const file = join(root, 'bundle.tar');
    const [first] = Array.isArray(emulators) ? (emulators as ({ file?: string } | null)[]) : [];
    writeFileSync(file, archive(manifest(emulators), entry(first?.file ?? 'x', arm)));
    await expect(importEmulator(file, { storeDirectory })).rejects.toThrow(fails('ARCHIVE_INVALID'));
    expect(shelf()).toEqual([]);
  });

  it('does no half of its work: a good program before a bad one', async () => {
    const both = [
      named('8.1.0/qemu-arm', arm),
      named('8.1.0/qemu-ppc', arm, { arch: 'ppc', sha256: '0'.repeat(64) }),
    ];
    const file = join(root, 'bundle.tar');
    writeFileSync(file, archive(manifest(both), good, entry('8.1.0/qemu-ppc', arm)));
    await expect(importEmulator(file, { storeDirectory })).rejects.toThrow(fails('DIGEST_MISMATCH'));
    expect(shelf()).toEqual([]);
    expect(leftOver()).toEqual([]);
  });

  it('is no bundle when it is any other tar', async () => {
    mkdirSync(join(root, 'tree'));
    symlinkSync('/etc/passwd', join(root, 'tree', MANIFEST));
    const file = join(root, 'any.tar');
    spawnSync('tar', ['--create', '--file', file, '--directory', join(root, 'tree'), MANIFEST]);
    await expect(importEmulator(file, { storeDirectory })).rejects.toThrow(fails('EMULATOR_UNUSABLE'));
    expect(shelf()).toEqual([]);
  });
});
