import { expect, it } from 'vitest';
import { limitsFrom } from '../../src/cli/globals.ts';
import { beyondLimit, LIMITS, limitOf, parseLimit, setLimits } from '../../src/oci/limits.ts';
import { limited } from '../support/limits.ts';

it.each<[string, readonly [string, number]]>([
  ['layer-entries=5000000', ['layer-entries', 5_000_000]],
  ['layer-bytes=1T', ['layer-bytes', 2 ** 40]],
  ['expansion-free=64M', ['expansion-free', 64 << 20]],
  ['path-depth=none', ['path-depth', Infinity]],
  ['index-depth=0', ['index-depth', 0]],
])('%s', (text, expected) => {
  expect(parseLimit(text)).toEqual(expected);
});

it.each([
  '',
  'layer-entries',
  'layer-entries=',
  'layer-entries=-1',
  'layer-entries=1.5',
  'nothing=1',
  'toString=1',
])('is no limit: %j', (text) => {
  expect(() => parseLimit(text)).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error);
});

it('come from the environment and the options, the options last', () => {
  const environment = { ARCH_BUILD_LIMITS: 'layer-entries=1,path-depth=2' };
  expect(limitsFrom({ limit: ['layer-entries=3'] }, environment)).toEqual(
    new Map([
      ['layer-entries', 3],
      ['path-depth', 2],
    ]),
  );
  expect(limitsFrom({ limits: false, limit: ['path-depth=9'] }, {}).get('path-depth')).toBe(9);
  for (const lifted of [limitsFrom({ limits: false }, {}), limitsFrom({}, { ARCH_BUILD_LIMITS: 'none' })])
    expect([...lifted]).toEqual(Object.keys(LIMITS).map((name) => [name, Infinity]));
});

it('are what they were when nothing is said', () => {
  {
    using _few = limited({ 'layer-entries': 3 });
    expect(limitOf('layer-entries')).toBe(3);
    expect(limitOf('path-bytes')).toBe(4095);
  }
  expect(limitOf('layer-entries')).toBe(LIMITS['layer-entries'].value);
  setLimits(new Map());
});

it('say their name and how to raise them', () => {
  const { code, hint } = beyondLimit('LAYER_INVALID', 'layer-bytes', 'too much');
  expect(code).toBe('LAYER_INVALID');
  expect(hint).toContain('--limit layer-bytes=N');
});
