/** Id maps as the kernel writes them, and the maps made from them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasSingleId, identityMap, isMapped, parseIdMap } from '../../src/sys/identity.ts';

const FULL = '         0          0 4294967295\n';
const RANGES = '         0       1000          1\n         1     100000      65536\n';

describe('an id map', () => {
  it.each([
    ['of the whole host', FULL, [{ inside: 0, outside: 0, count: 4294967295 }]],
    [
      'of a user with subordinate ids',
      RANGES,
      [
        { inside: 0, outside: 1000, count: 1 },
        { inside: 1, outside: 100000, count: 65536 },
      ],
    ],
    ['that was not written', '', []],
  ])('%s is read', (_name, text, expected) => {
    expect(parseIdMap(text)).toEqual(expected);
  });

  it.each([
    [FULL, false],
    [RANGES, false],
    ['0 1000 1\n', true],
  ])('knows whether there is a single id: %j', (text, single) => {
    expect(hasSingleId(parseIdMap(text))).toBe(single);
  });

  it('gives a map in which everything mapped is itself, and nothing else is mapped', () => {
    const extent = fc.record({
      inside: fc.nat(1_000_000),
      outside: fc.nat(1_000_000),
      count: fc.integer({ min: 1, max: 70_000 }),
    });
    fc.assert(
      fc.property(fc.array(extent, { minLength: 1, maxLength: 5 }), fc.nat(1_100_000), (ranges, id) => {
        const own = parseIdMap(identityMap(ranges));
        expect(own.every(({ inside, outside }) => inside === outside)).toBe(true);
        expect(isMapped(own, id)).toBe(isMapped(ranges, id));
      }),
    );
  });
});
