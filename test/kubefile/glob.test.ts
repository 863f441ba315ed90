import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGlob, replaceGlob, trimPrefix, trimSuffix } from '../../src/kubefile/glob.ts';

/** The definition: try every way. */
function matches(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern.startsWith('*'))
    return matches(pattern.slice(1), text) || (text !== '' && matches(pattern, text.slice(1)));
  return (
    text !== '' &&
    (pattern.startsWith('?') || pattern[0] === text[0]) &&
    matches(pattern.slice(1), text.slice(1))
  );
}

const patterns = fc.stringMatching(/^[ab*?]{0,6}$/);
const texts = fc.stringMatching(/^[abc]{0,8}$/);
const cuts = (text: string): number[] => Array.from({ length: text.length + 1 }, (_, index) => index);
const glob = (pattern: string): ReturnType<typeof parseGlob> => parseGlob(pattern, '\\');

describe('patterns against their definition', () => {
  it.each([false, true])('prefix, longest %s', (longest) => {
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        const ends = cuts(text).filter((end) => matches(pattern, text.slice(0, end)));
        const expected = ends.length === 0 ? text : text.slice(longest ? ends.at(-1) : ends[0]);
        expect(trimPrefix(text, glob(pattern), longest)).toBe(expected);
      }),
      { seed: 11, numRuns: 2000 },
    );
  });

  it.each([false, true])('suffix, longest %s', (longest) => {
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        const starts = cuts(text).filter((start) => matches(pattern, text.slice(start)));
        const expected = starts.length === 0 ? text : text.slice(0, longest ? starts[0] : starts.at(-1));
        expect(trimSuffix(text, glob(pattern), longest)).toBe(expected);
      }),
      { seed: 12, numRuns: 2000 },
    );
  });

  it.each([false, true])('replacement, all %s, is that of a regular expression', (all) => {
    fc.assert(
      fc.property(
        patterns.filter((pattern) => pattern !== ''),
        texts,
        (pattern, text) => {
          const source = pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]');
          // Where JavaScript also replaces the nothing behind a match, Go does not.
          const onlyStars = /^\*+$/.test(pattern);
          const expected = text.replace(new RegExp(source, all && !onlyStars ? 'g' : ''), '<>');
          expect(replaceGlob(text, glob(pattern), { replacement: '<>', all })).toBe(expected);
        },
      ),
      { seed: 13, numRuns: 2000 },
    );
  });
});

describe('patterns', () => {
  it('replace the empty one at every place, or at the first', () => {
    expect(replaceGlob('ab', glob(''), { replacement: '-', all: true })).toBe('-a-b-');
    expect(replaceGlob('ab', glob(''), { replacement: '-', all: false })).toBe('-ab');
    expect(replaceGlob('', glob(''), { replacement: '-', all: true })).toBe('-');
  });

  it('do not cut characters beyond the first plane', () => {
    expect(trimPrefix('🚀x', glob('?'), false)).toBe('x');
    expect(trimSuffix('x🚀', glob('?'), false)).toBe('x');
    expect(replaceGlob('🚀', glob('?'), { replacement: 'x', all: true })).toBe('x');
  });

  it('take dollars of the replacement as they are', () => {
    expect(replaceGlob('ab', glob('a'), { replacement: '$1$&', all: true })).toBe('$1$&b');
  });

  it.each(['\\', 'a\\', '\\x'])('%j has an escape that means nothing', (pattern) => {
    expect(() => glob(pattern)).toThrow(expect.objectContaining({ code: 'EXPANSION' }));
  });
});
