import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatPlatform,
  matchesPlatform,
  normalizePlatform,
  parsePlatform,
  platformOfConfig,
  type Platform,
} from '../../src/oci/platform.ts';
import { arbitraryPlatform } from './arbitrary.ts';

const host: Platform = { os: 'linux', architecture: 'arm', variant: 'v6' };

describe('parsePlatform', () => {
  it.each([
    ['linux/amd64', 'linux/amd64'],
    ['linux/x86_64', 'linux/amd64'],
    ['LINUX/X86-64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['aarch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm64/v8.0', 'linux/arm64'],
    ['linux/arm64/9', 'linux/arm64/v9'],
    ['arm', 'linux/arm/v7'],
    ['armhf', 'linux/arm/v7'],
    ['armv7l', 'linux/arm/v7'],
    ['armel', 'linux/arm/v6'],
    ['armv6l', 'linux/arm/v6'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/arm/v5', 'linux/arm/v5'],
    ['i386', 'linux/386'],
    ['i686', 'linux/386'],
    ['ppc64el', 'linux/ppc64le'],
    ['ppc64le', 'linux/ppc64le'],
    ['loongarch64', 'linux/loong64'],
    ['mips64el', 'linux/mips64le'],
    ['mipsel', 'linux/mipsle'],
    ['riscv64', 'linux/riscv64'],
    ['s390x', 'linux/s390x'],
    ['macos/arm64', 'darwin/arm64'],
    ['windows(10.0.17763)/amd64', 'windows(10.0.17763)/amd64'],
    ['windows(10.0+win32k)/amd64', 'windows(10.0+win32k)/amd64'],
    ['windows(+b+a+a)/amd64', 'windows(+a+b)/amd64'],
    ['windows()/amd64', 'windows/amd64'],
    ['plan10/newarch', 'plan10/newarch'],
    ['linux/constructor/toString', 'linux/constructor/tostring'],
  ])('reads %s as %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text))).toBe(expected);
  });

  it.each([
    ['linux', 'linux/arm/v6'],
    ['windows(10.0)', 'windows(10.0)/arm/v6'],
    ['arm64', 'linux/arm64'],
  ])('completes %s from the host to %s', (text, expected) => {
    expect(formatPlatform(parsePlatform(text, host))).toBe(expected);
  });

  it.each([
    '',
    ' ',
    '/',
    'linux/',
    '/amd64',
    'linux//amd64',
    'linux/amd64/v1/x',
    'linux/amd64/',
    'linux',
    'windows(10)',
    'nonsense',
    'toString',
    '__proto__',
    'linux/*',
    '*',
    'linux/amd 64',
    'linux/amd64\n',
    'linux/ämd64',
    'linux/..',
    'linux/../etc',
    'linux/.hidden',
    'linux(10/amd64',
    'linux(a(b))/amd64',
    'linux/amd64,linux/arm64',
    '--platform',
    'a'.repeat(1 << 20),
    'linux/' + '/'.repeat(1 << 20),
  ])('refuses %j', (text) => {
    expect(() => parsePlatform(text.slice(0, 1 << 20))).toThrow(
      expect.objectContaining({
        code: 'PLATFORM_INVALID',
        hint: expect.stringContaining('linux/arm64') as string,
      }),
    );
  });

  it('reads back what formatPlatform writes', () => {
    fc.assert(
      fc.property(arbitraryPlatform, (platform) => {
        const normal = normalizePlatform(platform);
        expect(parsePlatform(formatPlatform(platform))).toEqual(normal);
        expect(normalizePlatform(normal)).toEqual(normal);
      }),
    );
  });

  it('gives a platform or PLATFORM_INVALID for any text', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z(.+)]{0,6}(\/[a-z0-9.]{0,4}){0,3}$/));
    fc.assert(
      fc.property(text, (input) => {
        try {
          const platform = parsePlatform(input, host);
          expect(parsePlatform(formatPlatform(platform))).toEqual(platform);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PLATFORM_INVALID' });
        }
      }),
    );
  });
});

describe('matchesPlatform', () => {
  it.each([
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/aarch64', true],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/amd64', 'linux/amd64/v2', false],
    ['linux/amd64/v2', 'linux/amd64', false],
    ['linux/amd64', 'windows/amd64', false],
    ['linux/arm64', 'linux/arm/v8', false],
    ['windows/amd64', 'windows(10.0)/amd64', true],
    ['windows(10.0)/amd64', 'windows/amd64', false],
    ['windows(10.0)/amd64', 'windows(10.1)/amd64', false],
    ['windows(+a)/amd64', 'windows(+a+b)/amd64', true],
    ['windows(+a+c)/amd64', 'windows(+a+b)/amd64', false],
  ])('wanting %s, %s matches: %s', (want, have, expected) => {
    expect(matchesPlatform(parsePlatform(want), parsePlatform(have))).toBe(expected);
  });

  it('normalises what documents say', () => {
    expect(
      matchesPlatform(
        { os: 'Linux', architecture: 'X86_64', variant: '' },
        { os: 'linux', architecture: 'amd64' },
      ),
    ).toBe(true);
  });

  it('holds between a platform and itself', () => {
    fc.assert(
      fc.property(arbitraryPlatform, (platform) => matchesPlatform(platform, normalizePlatform(platform))),
    );
  });
});

describe('platformOfConfig', () => {
  it('takes only the platform fields, normalised', () => {
    const config = { os: 'linux', architecture: 'aarch64', variant: 'v8', 'os.features': [], created: 'x' };
    expect(platformOfConfig(config)).toEqual({ os: 'linux', architecture: 'arm64' });
  });
});
