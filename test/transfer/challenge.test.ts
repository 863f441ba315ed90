import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/transfer/challenge.ts';
import { parseRetryAfter } from '../../src/transfer/registry-errors.ts';

describe('parseChallenges', () => {
  it.each([
    ['', []],
    ['Basic realm="a b"', [{ scheme: 'basic', parameters: { realm: 'a b' } }]],
    ['Basic', [{ scheme: 'basic', parameters: {} }]],
    [
      'Bearer realm="https://auth/token",service="reg",scope="repository:a/b:pull,push"',
      [
        {
          scheme: 'bearer',
          parameters: { realm: 'https://auth/token', service: 'reg', scope: 'repository:a/b:pull,push' },
        },
      ],
    ],
    [
      'BEARER Realm = "x" , service=plain',
      [{ scheme: 'bearer', parameters: { realm: 'x', service: 'plain' } }],
    ],
    [
      'Negotiate, Basic realm="x", Bearer realm="y",service="z"',
      [
        { scheme: 'negotiate', parameters: {} },
        { scheme: 'basic', parameters: { realm: 'x' } },
        { scheme: 'bearer', parameters: { realm: 'y', service: 'z' } },
      ],
    ],
    [
      String.raw`Basic realm="quo\"te\\"`,
      [{ scheme: 'basic', parameters: { realm: String.raw`quo"te\ `.trim() } }],
    ],
    ['Bearer realm="never ends', [{ scheme: 'bearer', parameters: {} }]],
    ['realm="nobody"', [{ scheme: 'realm', parameters: {} }]],
    [',,, Basic', [{ scheme: 'basic', parameters: {} }]],
  ])('reads %j', (header, challenges) => {
    expect(parseChallenges(header)).toEqual(challenges);
  });

  it('ends on any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('B', 'a', ' ', '=', '"', '\\', ',', '\t', ';', 'é') }),
        (text) => Array.isArray(parseChallenges(text)),
      ),
    );
  });

  it('is not slow on a megabyte of nonsense', () => {
    const started = performance.now();
    for (const text of ['"', 'a=', '\\"', ' ', ',', 'Bearer '])
      parseChallenges(`Bearer realm="${text.repeat(1 << 20)}`);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('parseRetryAfter', () => {
  const now = Date.parse('2024-01-31T12:00:00Z');
  it.each([
    [undefined, undefined],
    ['120', 120_000],
    ['0', 0],
    ['Wed, 31 Jan 2024 12:00:30 GMT', 30_000],
    ['Wed, 31 Jan 2024 11:00:00 GMT', 0],
    ['soon', undefined],
    ['-5x', undefined],
    ['99999999999999999999', undefined],
  ])('reads %j as %j', (text, milliseconds) => {
    expect(parseRetryAfter(text, now)).toBe(milliseconds);
  });
});
