import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { goFilepathMatch, hasWildcard } from '../../src/kubefile/file-match.ts';

describe('goFilepathMatch', () => {
  it.each<[string, string, boolean]>([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'a/b', false],
    ['a*', 'a', true],
    ['*/b', 'a/b', true],
    ['*a*b', 'xaxbxab', true],
    ['*a*b', 'xaxbxa', false],
    ['**', 'a/b', false],
    ['**/b', 'a/b', true],
    ['?', '/', false],
    ['?', '🚀', true],
    ['[^a]', '/', true],
    ['[a-c]x', 'bx', true],
    ['[c-a]', 'b', false],
    ['[\\]]', ']', true],
    ['\\[a', '[a', true],
    ['a]', 'a]', true],
    ['*x', 'xxx/x', false],
  ])('%j on %j: %j', (pattern, name, expected) => {
    expect(goFilepathMatch(pattern, name)).toBe(expected);
  });

  it.each(['[', '[a', '[]', '[^]', 'a\\', '[a-]', '*[', 'zzz['])(
    'refuses %j with the code it is given',
    (pattern) => {
      expect(() => goFilepathMatch(pattern, 'b')).toThrow(
        expect.objectContaining({ code: 'IGNORE_PATTERN' }),
      );
      expect(() => goFilepathMatch(pattern, 'b', 'COPY')).toThrow(expect.objectContaining({ code: 'COPY' }));
    },
  );

  it('matches what a regular expression would', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ab/*?]{0,7}$/), fc.stringMatching(/^[ab/]{0,8}$/), (pattern, name) => {
        const source = pattern.replaceAll('*', '[^/]*').replaceAll('?', '[^/]');
        expect(goFilepathMatch(pattern, name)).toBe(new RegExp(`^${source}$`).test(name));
      }),
      { seed: 31, numRuns: 3000 },
    );
  });

  it('takes quadratic time at most', () => {
    const start = performance.now();
    expect(goFilepathMatch('*a'.repeat(2000) + 'b', 'a'.repeat(4000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

it.each([
  ['a*', true],
  ['a?', true],
  ['[a]', true],
  ['\\a', true],
  ['a/b.c', false],
])('%j has a wildcard: %j', (word, expected) => expect(hasWildcard(word)).toBe(expected));
