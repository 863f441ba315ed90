import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { architectureByName } from '../../src/emulation/architecture.ts';
import {
  findEmulator,
  findEmulators,
  lookUpEmulators,
  type LookupOptions,
} from '../../src/emulation/emulators.ts';
import { packageEmulators, pinnedPackages } from '../../src/emulation/pins.ts';
import { runProgram } from '../../src/sys/run-program.ts';
import { fakeEmulator, tinyProgram, writeProgram } from './tiny-program.ts';

const aarch64 = architectureByName('aarch64')!;
const arm = architectureByName('arm')!;
let root: string;
let options: LookupOptions;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'emulators-'));
  options = {
    environment: { PATH: join(root, 'bin') },
    storeDirectory: join(root, 'store'),
    distributionFolders: [join(root, 'dist')],
  };
});
afterEach(() => rmSync(root, { recursive: true }));

const put = (path: string, version = '9.9.9', target = 'aarch64'): string =>
  writeProgram(join(root, path), fakeEmulator(target, version));
const unusable: unknown = expect.objectContaining({ code: 'EMULATOR_UNUSABLE' });

describe('the tiny program of these tests', () => {
  it('really runs', async () => {
    const path = writeProgram(join(root, 'tiny'), tinyProgram({ prints: 'hello\n', status: 3 }));
    expect(await runProgram(path, [])).toEqual({ status: 3, stdout: 'hello\n', stderr: '' });
  });
});

describe('finding an emulator', () => {
  it('describes what it finds', async () => {
    const path = put('store/emulators/9.9.9/qemu-aarch64');
    const bytes = readFileSync(path);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(await findEmulator(aarch64, options)).toEqual({
      arch: 'aarch64',
      path,
      version: '9.9.9',
      sha256,
      sizeBytes: bytes.length,
      source: 'store',
    });
  });

  it('goes through all places in order', async () => {
    const places = [
      put('own/qemu-aarch64', '1.0'),
      put('kit/qemu-aarch64-static', '2.0'),
      put('store/emulators/3.0/qemu-aarch64', '3.0'),
      put('bin/qemu-aarch64-static', '4.0'),
      put('bin/qemu-aarch64', '5.0'),
      put('dist/qemu-aarch64', '6.0'),
    ];
    const environment = {
      PATH: join(root, 'bin'),
      ARCH_BUILD_EMULATORS: `${join(root, 'none')}:${join(root, 'kit')}`,
    };
    const found = await findEmulators(aarch64, {
      ...options,
      environment,
      explicit: [join(root, 'own/qemu-aarch64')],
    });
    expect(found.map(({ path }) => path)).toEqual(places);
    expect(found.map(({ source }) => source)).toEqual([
      'explicit',
      'environment',
      'store',
      'path',
      'path',
      'distribution',
    ]);
  });

  it('takes pinned versions first, then newer before older', async () => {
    const [first, second] = pinnedPackages().map(({ version }) => version);
    for (const version of ['9.0.1', '10.0.0', second!, '8.2', first!])
      put(`store/emulators/${version}/qemu-aarch64`, version);
    const found = await findEmulators(aarch64, options);
    expect(found.map(({ version }) => version)).toEqual([first, second, '10.0.0', '9.0.1', '8.2']);
  });

  it('names each file once, whatever links lead to it', async () => {
    put('bin/qemu-aarch64-static');
    mkdirSync(join(root, 'dist'));
    symlinkSync(join(root, 'bin/qemu-aarch64-static'), join(root, 'dist/qemu-aarch64'));
    expect(await findEmulators(aarch64, options)).toHaveLength(1);
  });

  it('takes a folder the user names, and passes over files of other machines', async () => {
    put('own/qemu-arm', '1.0', 'arm');
    put('own/2.0/qemu-aarch64', '2.0');
    const explicit = [join(root, 'own'), join(root, 'own/qemu-arm')];
    expect((await findEmulator(aarch64, { ...options, explicit })).version).toBe('2.0');
    expect((await findEmulator(arm, { ...options, explicit })).version).toBe('1.0');
  });

  it('looks elsewhere when the file the user named is fine, but for another machine', async () => {
    put('bin/qemu-aarch64', '4.0');
    const explicit = [put('own/qemu-arm', '1.0', 'arm')];
    expect((await findEmulator(aarch64, { ...options, explicit })).version).toBe('4.0');
  });

  it('runs no program of a relative PATH entry', async () => {
    expect(
      await findEmulators(aarch64, {
        ...options,
        environment: { PATH: '.:bin:', ARCH_BUILD_EMULATORS: 'kit' },
      }),
    ).toEqual([]);
  });

  it('asks the emulator with an empty environment', async () => {
    put('bin/qemu-aarch64');
    process.env['QEMU_VERSION'] = '1';
    try {
      expect((await findEmulator(aarch64, options)).version).toBe('9.9.9');
    } finally {
      delete process.env['QEMU_VERSION'];
    }
  });

  it('says where to get one when there is none', async () => {
    await expect(findEmulator(aarch64, options)).rejects.toThrow(
      expect.objectContaining({
        code: 'EMULATOR_MISSING',
        hint: expect.stringMatching(/emulators fetch aarch64.*import/) as string,
      }),
    );
  });
});

describe('choosing a version', () => {
  beforeEach(() => {
    put('store/emulators/7.2.22/qemu-aarch64', '7.2.22');
    put('store/emulators/10.0.2/qemu-aarch64', '10.0.2');
    put('store/emulators/10.0.13/qemu-aarch64', '10.0.13');
    put('dist/qemu-aarch64-static', '6.2.0');
  });

  it.each([
    ['10', '10.0.13'],
    ['10.0.2', '10.0.2'],
    ['7.2', '7.2.22'],
    ['6', '6.2.0'],
  ])('takes for %s the newest of those: %s', async (version, found) => {
    expect((await findEmulator(aarch64, { ...options, version })).version).toBe(found);
  });

  it('takes the one that was asked for of those in a folder', async () => {
    put('own/9.0.0/qemu-aarch64', '9.0.0');
    put('own/9.1.0/qemu-aarch64', '9.1.0');
    const explicit = [join(root, 'own')];
    expect((await findEmulator(aarch64, { ...options, explicit, version: '9.0' })).version).toBe('9.0.0');
  });

  it('tells which there are, and how to get what is pinned', async () => {
    await expect(findEmulator(aarch64, { ...options, version: '11.1' })).rejects.toThrow(
      expect.objectContaining({
        code: 'EMULATOR_MISSING',
        message: expect.stringMatching(
          /version 11\.1 for aarch64.*7\.2\.22, 10\.0\.13, 10\.0\.2, 6\.2\.0/,
        ) as string,
        hint: expect.stringMatching(/fetch --emulator-version 11\.1\.3 aarch64/) as string,
      }),
    );
    await expect(findEmulator(aarch64, { ...options, version: '3' })).rejects.toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/7\.2\.22, 10\.0\.13, 11\.1\.3$/) as string }),
    );
  });

  it('takes another one after a crash, whatever was asked for', async () => {
    const crashed = new Set(['10.0.13', '7.2.22']);
    expect((await findEmulator(aarch64, { ...options, version: '10.0.13', crashed })).version).toBe('10.0.2');
    const all = new Set(['10.0.13', '7.2.22', '10.0.2', '6.2.0']);
    await expect(findEmulator(aarch64, { ...options, crashed: all })).rejects.toThrow(/have crashed/);
  });
});

describe('an emulator too old for its machine', () => {
  const loong = architectureByName('loongarch64')!;
  beforeEach(() => put('store/emulators/7.2.22/qemu-loongarch64', '7.2.22', 'loongarch64'));

  it('comes behind all others', async () => {
    put('dist/qemu-loongarch64', '9.0.0', 'loongarch64');
    const found = await findEmulators(loong, options);
    expect(found.map(({ version }) => version)).toEqual(['9.0.0', '7.2.22']);
  });

  it('is taken when it is all there is, when it was named, and when its version was asked for', async () => {
    expect((await findEmulator(loong, options)).version).toBe('7.2.22');
    put('dist/qemu-loongarch64', '9.0.0', 'loongarch64');
    expect((await findEmulator(loong, { ...options, version: '7' })).version).toBe('7.2.22');
    const explicit = [join(root, 'store/emulators/7.2.22/qemu-loongarch64')];
    expect((await findEmulator(loong, { ...options, explicit })).version).toBe('7.2.22');
  });
});

describe('a file that is no good', () => {
  const bad: [string, () => Buffer, RegExp, number?][] = [
    [
      'a dynamically linked program',
      () => tinyProgram({ prints: 'x', interpreter: '/lib64/ld.so' }),
      /dynamically linked \(needs \/lib64\/ld\.so\)/,
    ],
    [
      'a program of another host',
      () => tinyProgram({ prints: 'x', arch: 'riscv64' }),
      /program for riscv64, not for x86_64/,
    ],
    [
      'a script',
      () => Buffer.from(`#!/bin/sh\necho qemu-aarch64 version 9.9.9\n${' '.repeat(80)}`),
      /script/,
    ],
    ['a text', () => Buffer.from('hello '.repeat(30)), /not an ELF/],
    ['an empty file', () => Buffer.alloc(0), /not an ELF/],
    ['a truncated program', () => fakeEmulator('aarch64').subarray(0, 70), /make no sense/],
    ['a program that says something else', () => tinyProgram({ prints: 'busybox 1.36\n' }), /does not say/],
    ['a program that says nothing', () => tinyProgram({ prints: '' }), /does not say/],
    [
      'a program whose version ends in an error',
      () => tinyProgram({ prints: 'qemu-aarch64 version 9\n', status: 1 }),
      /exit status 1/,
    ],
    ['the emulator of another machine under this name', () => fakeEmulator('arm'), /emulates arm/],
    ['a program that is not executable', () => fakeEmulator('aarch64'), /not executable/, 0o644],
  ];

  it.each(bad)('is passed over with the reason: %s', async (...[, bytes, why, mode]) => {
    const path = writeProgram(join(root, 'bin/qemu-aarch64'), bytes(), mode);
    const good = put('dist/qemu-aarch64');
    const { usable, rejected } = await lookUpEmulators(aarch64, options);
    expect(usable.map((each) => each.path)).toEqual([good]);
    expect(rejected).toEqual([{ path, source: 'path', why: expect.stringMatching(why) as string }]);
  });

  it.each(bad.slice(0, 9))('is refused when the user named it: %s', async (...[, bytes, why, mode]) => {
    put('dist/qemu-aarch64');
    const explicit = [writeProgram(join(root, 'own'), bytes(), mode)];
    await expect(findEmulator(aarch64, { ...options, explicit })).rejects.toThrow(unusable);
    await expect(findEmulator(aarch64, { ...options, explicit })).rejects.toThrow(why);
  });

  it.each([
    ['does not exist', '/no/such/file', /does not exist/],
    ['is a device', '/dev/null', /not a regular file/],
  ])('is refused when the user named it: %s', async (_, path, why) => {
    await expect(findEmulator(aarch64, { ...options, explicit: [path] })).rejects.toThrow(unusable);
    await expect(findEmulator(aarch64, { ...options, explicit: [path] })).rejects.toThrow(why);
  });

  it('is the reason why there is none, when it is all there is', async () => {
    writeProgram(join(root, 'bin/qemu-aarch64'), tinyProgram({ prints: 'x', interpreter: '/lib64/ld.so' }));
    await expect(findEmulator(aarch64, options)).rejects.toThrow(unusable);
  });

  it('does not hang us: a fifo, a link in a circle', async () => {
    mkdirSync(join(root, 'bin'));
    await runProgram('mkfifo', [join(root, 'bin/qemu-aarch64')]);
    mkdirSync(join(root, 'dist'));
    symlinkSync('qemu-aarch64', join(root, 'dist/qemu-aarch64'));
    const { rejected } = await lookUpEmulators(aarch64, options);
    expect(rejected.map(({ why }) => why)).toEqual(['is not a regular file', 'cannot be read: ELOOP']);
  });
});

describe('what is remembered', () => {
  const remembered = (): unknown => JSON.parse(readFileSync(join(root, 'store/emulators/seen.json'), 'utf8'));

  it('spares the second run', async () => {
    const path = put('bin/qemu-aarch64');
    mkdirSync(join(root, 'store'));
    const first = await findEmulator(aarch64, options);
    expect(remembered()).toEqual([[path, expect.objectContaining({ version: '9.9.9', target: 'aarch64' })]]);
    const file = join(root, 'store/emulators/seen.json');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('9.9.9', '8.8.8'));
    expect(await findEmulator(aarch64, options)).toEqual({ ...first, version: '8.8.8' });
  });

  it('is forgotten when the file changes, even in place with the old time', async () => {
    const path = put('bin/qemu-aarch64', '1.1.1');
    mkdirSync(join(root, 'store'));
    await findEmulator(aarch64, options);
    writeFileSync(path, fakeEmulator('aarch64', '2.2.2'));
    utimesSync(path, 1000, 1000);
    expect((await findEmulator(aarch64, options)).version).toBe('2.2.2');
  });

  it('does not make a broken file fine', async () => {
    const path = put('bin/qemu-aarch64');
    mkdirSync(join(root, 'store'));
    await findEmulator(aarch64, options);
    chmodSync(path, 0o644);
    await expect(findEmulator(aarch64, options)).rejects.toThrow(unusable);
  });

  it.each(['', '{', '{}', '[1]', '[["/x"]]', '[["/x", null]]', '[["/x", {"state": 1}]]', 'null'])(
    'may be rubbish: %j',
    async (text) => {
      put('bin/qemu-aarch64');
      mkdirSync(join(root, 'store/emulators'), { recursive: true });
      writeFileSync(join(root, 'store/emulators/seen.json'), text);
      expect((await findEmulator(aarch64, options)).version).toBe('9.9.9');
      expect(remembered()).toHaveLength(1);
    },
  );

  it('makes no store', async () => {
    put('bin/qemu-aarch64');
    await findEmulator(aarch64, options);
    expect(existsSync(join(root, 'store'))).toBe(false);
  });
});

describe('the pins', () => {
  it('are in order and complete', () => {
    expect(existsSync(join(packageEmulators(), 'pinned.json'))).toBe(true);
    for (const { version, size, sha256, emulators, packageVersion, host } of pinnedPackages()) {
      expect(packageVersion).toContain(version.split('.').slice(0, 2).join('.'));
      expect(host).toBe('x86_64');
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(size).toBeGreaterThan(50_000_000);
      expect(Object.keys(emulators).length).toBeGreaterThanOrEqual(33);
      for (const [target, file] of Object.entries(emulators)) {
        expect(architectureByName(target)?.emulator).toBe(target);
        expect(file.file).toMatch(new RegExp(`^usr/bin/qemu-${target}(-static)?$`));
        expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(file.size).toBeGreaterThan(5_000_000);
      }
    }
  });

  it('have no digest twice', () => {
    const digests = pinnedPackages().flatMap(({ sha256, emulators }) => [
      sha256,
      ...Object.values(emulators).map((file) => file.sha256),
    ]);
    expect(new Set(digests).size).toBe(digests.length);
  });
});
