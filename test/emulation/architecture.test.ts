import { describe, expect, it } from 'vitest';
import {
  ARCHITECTURES,
  architectureByName,
  architectureOf,
  hostArchitecture,
  platformOfMachine,
  runsNatively,
} from '../../src/emulation/architecture.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

/** Magic and mask as the distribution packages of qemu register them, written out byte by byte. */
const LITTLE = 'ffffffffffffff00fffffffffffffffffeffffff';
const BIG = 'ffffffffffffff00fffffffffffffffffffeffff';
const LITTLE_OSABI = 'fffffffffffffffcfffffffffffffffffeffffff';
const BIG_OSABI = 'fffffffffffffffcfffffffffffffffffffeffff';
const INTEL = 'fffffffffffefefcfffffffffffffffffeffffff';
const REGISTERED: Record<string, readonly [magic: string, mask: string]> = {
  aarch64: ['7f454c460201010000000000000000000200b700', LITTLE],
  aarch64_be: ['7f454c46020201000000000000000000000200b7', BIG],
  alpha: ['7f454c4602010100000000000000000002002690', LITTLE],
  arm: ['7f454c4601010100000000000000000002002800', LITTLE],
  armeb: ['7f454c4601020100000000000000000000020028', BIG],
  hexagon: ['7f454c460101010000000000000000000200a400', LITTLE],
  hppa: ['7f454c460102010000000000000000000002000f', BIG],
  i386: ['7f454c4601010100000000000000000002000300', INTEL],
  i486: ['7f454c4601010100000000000000000002000600', 'fffffffffffefe00fffffffffffffffffeffffff'],
  loongarch64: ['7f454c4602010100000000000000000002000201', 'fffffffffffffffc00fffffffffffffffeffffff'],
  m68k: ['7f454c4601020100000000000000000000020004', BIG],
  microblaze: ['7f454c460102010000000000000000000002baab', BIG],
  microblazeel: ['7f454c460101010000000000000000000200abba', LITTLE],
  mips: [
    '7f454c46010201000000000000000000000200080000000100000000000000000000000000000000',
    'ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020',
  ],
  mips64: ['7f454c4602020100000000000000000000020008', 'ffffffffffffff0000fffffffffffffffffeffff'],
  mips64el: ['7f454c4602010100000000000000000002000800', 'ffffffffffffff0000fffffffffffffffeffffff'],
  mipsel: [
    '7f454c46010101000000000000000000020008000100000000000000000000000000000000000000',
    'ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000',
  ],
  mipsn32: [
    '7f454c46010201000000000000000000000200080000000100000000000000000000000000000020',
    'ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020',
  ],
  mipsn32el: [
    '7f454c46010101000000000000000000020008000100000000000000000000000000000020000000',
    'ffffffffffffff0000fffffffffffffffeffffffffffffff00000000000000000000000020000000',
  ],
  or1k: ['7f454c460102010000000000000000000002005c', BIG],
  ppc: ['7f454c4601020100000000000000000000020014', BIG_OSABI],
  ppc64: ['7f454c4602020100000000000000000000020015', BIG_OSABI],
  ppc64le: ['7f454c4602010100000000000000000002001500', 'fffffffffffffffcfffffffffffffffffeffff00'],
  riscv32: ['7f454c460101010000000000000000000200f300', LITTLE],
  riscv64: ['7f454c460201010000000000000000000200f300', LITTLE],
  s390x: ['7f454c4602020100000000000000000000020016', BIG_OSABI],
  sh4: ['7f454c4601010100000000000000000002002a00', LITTLE_OSABI],
  sh4eb: ['7f454c460102010000000000000000000002002a', BIG_OSABI],
  sparc: ['7f454c4601020100000000000000000000020002', BIG_OSABI],
  sparc32plus: ['7f454c4601020100000000000000000000020012', BIG_OSABI],
  sparc64: ['7f454c460202010000000000000000000002002b', BIG_OSABI],
  x86_64: ['7f454c4602010100000000000000000002003e00', INTEL],
  xtensa: ['7f454c4601010100000000000000000002005e00', LITTLE],
  xtensaeb: ['7f454c460102010000000000000000000002005e', BIG],
};

describe('the architecture table', () => {
  it('has exactly the machines that have a registration', () => {
    expect(ARCHITECTURES.map(({ arch }) => arch).sort()).toEqual(Object.keys(REGISTERED).sort());
    expect(ARCHITECTURES).toHaveLength(34);
  });

  it.each(ARCHITECTURES.map((row) => [row.arch, row] as const))(
    '%s has the magic and mask that distributions register',
    (arch, row) => {
      expect([row.magic, row.mask]).toEqual(REGISTERED[arch]);
    },
  );

  it('gives no platform to two machines', () => {
    const names = ARCHITECTURES.flatMap(({ platforms }) => [
      ...new Set(platforms.map(({ architecture }) => architecture)),
    ]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('names a CPU model only where the default of qemu is a bad choice', () => {
    expect(ARCHITECTURES.filter(({ cpu }) => cpu !== undefined).map(({ arch, cpu }) => [arch, cpu])).toEqual([
      ['aarch64', 'neoverse-n1'],
    ]);
  });
});

describe('architectureOf', () => {
  it.each([
    ['linux/amd64', 'x86_64'],
    ['linux/amd64/v3', 'x86_64'],
    ['linux/386', 'i386'],
    ['linux/arm64', 'aarch64'],
    ['linux/arm64/v9', 'aarch64'],
    ['linux/arm/v7', 'arm'],
    ['linux/arm/v6', 'arm'],
    ['linux/arm/v5', 'arm'],
    ['linux/ppc64le', 'ppc64le'],
    ['linux/s390x', 's390x'],
    ['linux/riscv64', 'riscv64'],
    ['linux/loong64', 'loongarch64'],
    ['linux/mips64le', 'mips64el'],
    ['linux/mips64', 'mips64'],
    ['linux/mipsle', 'mipsel'],
    ['linux/mips', 'mips'],
    ['linux/ppc64', 'ppc64'],
  ])('%s runs on %s', (platform, arch) => {
    expect(architectureOf(parsePlatform(platform))?.arch).toBe(arch);
  });

  it.each(['windows/amd64', 'darwin/arm64', 'linux/wasm'])('%s has none', (platform) => {
    expect(architectureOf(parsePlatform(platform))).toBeUndefined();
  });
});

describe('names of machines', () => {
  it.each([
    ['aarch64', 'aarch64', 'linux/arm64'],
    ['AArch64', 'aarch64', 'linux/arm64'],
    ['arm64', 'aarch64', 'linux/arm64'],
    ['arm', 'arm', 'linux/arm/v7'],
    ['armv7l', 'arm', 'linux/arm/v7'],
    ['armv7', 'arm', 'linux/arm/v7'],
    ['armv8l', 'arm', 'linux/arm/v8'],
    ['armel', 'arm', 'linux/arm/v6'],
    ['i486', 'i386', 'linux/386'],
    ['armhf', 'arm', 'linux/arm/v7'],
    ['armv6l', 'arm', 'linux/arm/v6'],
    ['armv5tel', 'arm', 'linux/arm/v5'],
    ['x86_64', 'x86_64', 'linux/amd64'],
    ['amd64', 'x86_64', 'linux/amd64'],
    ['i386', 'i386', 'linux/386'],
    ['386', 'i386', 'linux/386'],
    ['i686', 'i386', 'linux/386'],
    ['ppc64le', 'ppc64le', 'linux/ppc64le'],
    ['ppc64el', 'ppc64le', 'linux/ppc64le'],
    ['s390x', 's390x', 'linux/s390x'],
    ['riscv64', 'riscv64', 'linux/riscv64'],
    ['loong64', 'loongarch64', 'linux/loong64'],
    ['loongarch64', 'loongarch64', 'linux/loong64'],
    ['mips64el', 'mips64el', 'linux/mips64le'],
    ['mips64le', 'mips64el', 'linux/mips64le'],
    ['mipsel', 'mipsel', 'linux/mipsle'],
    ['linux/arm64/v8', 'aarch64', 'linux/arm64'],
    ['linux/arm/v6', 'arm', 'linux/arm/v6'],
  ])('%s is %s and means %s', (name, arch, platform) => {
    if (!name.includes('/')) expect(architectureByName(name)?.arch).toBe(arch);
    const meant = platformOfMachine(name);
    expect(meant).toEqual(parsePlatform(platform));
    expect(architectureOf(meant!)?.arch).toBe(arch);
  });

  it.each(['', 'vax', 'arm128', '__proto__', 'constructor', 'toString'])('%j is nobody', (name) => {
    expect(architectureByName(name)).toBeUndefined();
    expect(platformOfMachine(name)).toBeUndefined();
  });

  it('agrees with the platform grammar on every name both know', () => {
    for (const row of ARCHITECTURES) {
      for (const name of [
        row.arch,
        row.debian ?? row.arch,
        ...row.aliases.map((alias) => alias.split('=')[0]!),
      ]) {
        const meant = platformOfMachine(name);
        if (meant === undefined) continue;
        const parsed = tryParse(name);
        if (parsed === undefined || architectureOf(parsed) === undefined) continue;
        expect(meant, name).toEqual(parsed);
      }
    }
  });

  it('refuses a malformed platform', () => {
    expect(() => platformOfMachine('linux/arm64/v8/x')).toThrow(
      expect.objectContaining({ code: 'PLATFORM_INVALID' }),
    );
  });

  it('knows no machine for platforms of other systems', () => {
    expect(platformOfMachine('windows/amd64')).toBeUndefined();
  });
});

function tryParse(text: string): ReturnType<typeof parsePlatform> | undefined {
  try {
    return parsePlatform(text);
  } catch {
    return undefined;
  }
}

describe('the host', () => {
  it.each([
    ['x86_64', 'x86_64'],
    ['aarch64', 'aarch64'],
    ['armv7l', 'arm'],
    ['i686', 'i386'],
    ['mips64', 'mips64'],
  ])('that calls itself %s is %s', (name, arch) => {
    expect(hostArchitecture(name).arch).toBe(arch);
  });

  it('with an unknown name is refused', () => {
    expect(() => hostArchitecture('vax')).toThrow(expect.objectContaining({ code: 'HOST_INCAPABLE' }));
  });

  it.each([
    ['linux/amd64', [], true],
    ['linux/amd64/v2', [], true],
    ['linux/386', [], false],
    ['linux/386', ['i386'], true],
    ['linux/arm64', ['i386'], false],
    ['windows/amd64', [], false],
  ])('of x86_64 runs %s with compatible %j: %s', (platform, compatible, expected) => {
    const host = architectureByName('x86_64')!;
    const facts = { host, compatible: compatible.map((name) => architectureByName(name)!) };
    expect(runsNatively(parsePlatform(platform), facts)).toBe(expected);
  });
});
