import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cacheKeyOf, type CacheInputs } from '../../src/build/cache-key.ts';
import type { ChainId } from '../../src/oci/digest.ts';

const inputs: CacheInputs = {
  platform: 'linux/amd64',
  parent: `sha256:${'a'.repeat(64)}` as ChainId,
  instruction: ['RUN', 'sh', '-c', 'make'],
  context: [['A', '1']],
};

describe('a cache key', () => {
  it('is a digest and the same for the same inputs', () => {
    expect(cacheKeyOf(inputs)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(cacheKeyOf(structuredClone(inputs))).toBe(cacheKeyOf(inputs));
  });

  it.each<[string, Partial<CacheInputs>]>([
    ['the platform', { platform: 'linux/arm64' }],
    ['the layers below', { parent: `sha256:${'b'.repeat(64)}` as ChainId }],
    ['no layers below', { parent: undefined }],
    ['words cut elsewhere', { instruction: ['RUN', 'sh', '-c make'] }],
    ['an empty word', { instruction: ['RUN', 'sh', '-c', 'make', ''] }],
    ['another value', { context: [['A', '2']] }],
    ['another name', { context: [['B', '1']] }],
    ['nothing else', { context: [] }],
    ['name and value cut elsewhere', { context: [['A1', '']] }],
    [
      'two of a name',
      {
        context: [
          ['A', '1'],
          ['A', '1'],
        ],
      },
    ],
  ])('depends on %s', (_what, change) => {
    expect(cacheKeyOf({ ...inputs, ...change })).not.toBe(cacheKeyOf(inputs));
  });

  it('differs whenever any input differs', () => {
    const words = fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 });
    const any = fc.record({
      platform: fc.constantFrom('p', 'q'),
      parent: fc.constantFrom(undefined, 'x' as ChainId),
      instruction: words,
      context: fc.array(fc.tuple(fc.string({ maxLength: 2 }), fc.string({ maxLength: 2 })), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(any, any, (a, b) => {
        expect(cacheKeyOf(a) === cacheKeyOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});
