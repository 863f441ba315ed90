import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseByPlatform, describeFallback, servingPlatforms } from '../../src/oci/platform-choice.ts';
import { formatPlatform, parsePlatform, type Platform } from '../../src/oci/platform.ts';

const texts = (wanted: string, reach?: Parameters<typeof servingPlatforms>[1]): string =>
  servingPlatforms(parsePlatform(wanted), reach).map(formatPlatform).join(' ');

describe('servingPlatforms', () => {
  it.each([
    ['linux/amd64', 'linux/amd64 linux/386'],
    ['linux/amd64/v3', 'linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386'],
    ['linux/386', 'linux/386'],
    ['linux/arm/v7', 'linux/arm/v7 linux/arm/v6 linux/arm/v5'],
    ['linux/arm/v5', 'linux/arm/v5'],
    ['linux/arm64', 'linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5'],
    ['linux/s390x', 'linux/s390x'],
    ['windows/amd64', 'windows/amd64 windows/386'],
  ])('of %s are %s', (wanted, expected) => expect(texts(wanted)).toBe(expected));

  it.each([
    [
      'linux/arm64/v9',
      'linux/arm64/v9 linux/arm64/v8.5 linux/arm64/v8.4 linux/arm64/v8.3 linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64',
    ],
    ['linux/arm64/v8.1', 'linux/arm64/v8.1 linux/arm64'],
    ['linux/amd64/v2', 'linux/amd64/v2 linux/amd64'],
  ])('of %s within its architecture are %s', (wanted, expected) =>
    expect(texts(wanted, 'architecture')).toBe(expected),
  );

  it('are no more than it itself where nothing else will do', () =>
    expect(texts('linux/arm/v7', 'exact')).toBe('linux/arm/v7'));

  it('begin with the wanted one, name each once, and end', () => {
    const variant = fc.constantFrom(
      '',
      'v1',
      'v2',
      'v4',
      'v5',
      'v8',
      'v8.3',
      'v9',
      'v9.9',
      'v99',
      'v123456789',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('amd64', 'arm', 'arm64', 'ppc64le', '386'),
        variant,
        (architecture, text) => {
          const wanted: Platform = { os: 'linux', architecture, ...(text === '' ? {} : { variant: text }) };
          const serving = servingPlatforms(wanted).map(formatPlatform);
          expect(serving[0]).toBe(formatPlatform(wanted));
          expect(new Set(serving).size).toBe(serving.length);
          expect(serving.length).toBeLessThan(120);
        },
      ),
    );
  });
});

describe('chooseByPlatform', () => {
  const choose = (wanted: string, haves: readonly string[]): string | undefined =>
    chooseByPlatform(parsePlatform(wanted), haves, { platformOf: (have) => parsePlatform(have) });

  it.each([
    ['linux/amd64/v3', ['linux/386', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
    ['linux/arm64', ['linux/arm/v7', 'linux/arm64'], 'linux/arm64'],
    ['linux/arm64', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
    ['linux/arm/v6', ['linux/arm/v7'], undefined],
    ['linux/amd64', ['linux/amd64/v2'], undefined],
    ['linux/amd64', ['windows/amd64', 'darwin/amd64'], undefined],
  ])('for %s takes the best of %j', (wanted, haves, expected) =>
    expect(choose(wanted, haves)).toBe(expected),
  );
});

describe('describeFallback', () => {
  it('is silent about the wanted platform in another spelling', () => {
    expect(
      describeFallback('x', parsePlatform('linux/arm64'), parsePlatform('linux/arm64/v8')),
    ).toBeUndefined();
    expect(describeFallback('x', parsePlatform('linux/arm/v7'), parsePlatform('linux/arm/v5'))).toBe(
      'x is not there for linux/arm/v7: linux/arm/v5 is taken, which runs there',
    );
  });
});
