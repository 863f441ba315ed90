import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from '../../src/build/healthcheck.ts';
import { stageOf } from './stage-of.ts';

const healthcheckOf = (text: string): unknown => stageOf(`HEALTHCHECK ${text}`).config.Healthcheck;

describe('HEALTHCHECK', () => {
  it.each<[string, object]>([
    ['NONE', { Test: ['NONE'] }],
    ['CMD x y', { Test: ['CMD-SHELL', 'x y'] }],
    ['CMD ["x", "y z"]', { Test: ['CMD', 'x', 'y z'] }],
    ['--interval=30s CMD x', { Test: ['CMD-SHELL', 'x'], Interval: 30_000_000_000 }],
    [
      '--interval=1m30s --timeout=500ms --start-period=1h --start-interval=1.5s --retries=3 CMD x',
      {
        Test: ['CMD-SHELL', 'x'],
        Interval: 90_000_000_000,
        Timeout: 500_000_000,
        StartPeriod: 3_600_000_000_000,
        StartInterval: 1_500_000_000,
        Retries: 3,
      },
    ],
    ['--interval=0s --retries=0 CMD x', { Test: ['CMD-SHELL', 'x'] }],
    ['--timeout=1ms CMD x', { Test: ['CMD-SHELL', 'x'], Timeout: 1_000_000 }],
  ])('%s', (text, expected) => {
    expect(healthcheckOf(text)).toEqual(expected);
  });

  it.each([
    '--interval=30 CMD x',
    '--interval=999us CMD x',
    '--interval=1ns CMD x',
    '--retries=-1 CMD x',
    '--retries=1.5 CMD x',
    '--retries=many CMD x',
    '--timeout=s CMD x',
    '--timeout=-5s CMD x',
  ])('refuses %s', (text) => {
    expect(() => healthcheckOf(text)).toThrow(expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }));
  });

  it('is taken over from the base and replaced as a whole', () => {
    const base = { Healthcheck: { Test: ['CMD', 'old'], Retries: 9 } };
    expect(stageOf('CMD x', { base }).config.Healthcheck).toEqual(base.Healthcheck);
    expect(stageOf('HEALTHCHECK CMD x', { base }).config.Healthcheck).toEqual({ Test: ['CMD-SHELL', 'x'] });
  });
});

describe('a duration', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['1ns', 1],
    ['1us', 1e3],
    ['1µs', 1e3],
    ['1.5h', 5400e9],
    ['.5s', 5e8],
    ['1.s', 1e9],
    ['1h1m1s1ms', 3661e9 + 1e6],
    ['1s1s', 2e9],
  ])('%s is %d ns', (text, nanoseconds) => {
    expect(parseDuration(text)).toBe(nanoseconds);
  });

  it.each(['', '1', 's', '1d', '1 s', '1s ', '1s1', '.s', '1..5s', '1e3s', '+1s', '9999999999999h', '1S'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }));
    },
  );

  it('is the sum of its parts', () => {
    fc.assert(
      fc.property(fc.tuple(fc.nat(20), fc.nat(59), fc.nat(59), fc.nat(999)), ([h, m, s, ms]) => {
        expect(parseDuration(`${h}h${m}m${s}s${ms}ms`)).toBe(((h * 60 + m) * 60 + s) * 1e9 + ms * 1e6);
      }),
    );
  });
});
