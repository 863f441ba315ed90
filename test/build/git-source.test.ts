import { describe, expect, it } from 'vitest';
import { isGitRepository, parseGitSource } from '../../src/build/git-source.ts';

describe('a git repository', () => {
  it.each([
    ['https://x.test/a.git', 'https://x.test/a.git', undefined, ''],
    ['https://x.test/a.git#main', 'https://x.test/a.git', 'main', ''],
    ['https://x.test/a.git#v1.0:docs/en', 'https://x.test/a.git', 'v1.0', 'docs/en'],
    ['https://x.test/a.git#:docs', 'https://x.test/a.git', undefined, 'docs'],
    ['git@x.test:me/a.git#refs/heads/b', 'git@x.test:me/a.git', 'refs/heads/b', ''],
    ['ssh://git@x.test:22/a#b', 'ssh://git@x.test:22/a', 'b', ''],
    ['git://x.test/a', 'git://x.test/a', undefined, ''],
  ])('%s', (word, url, reference, directory) => {
    expect(isGitRepository(word)).toBe(true);
    expect(parseGitSource(word)).toEqual({ url, reference, directory });
  });

  it.each([
    'https://x.test/a.git.txt',
    'https://x.test/a#b.git',
    'https://x.test/a?b=.git',
    'a.git',
    'file:///a.git',
  ])('%s is none', (word) => {
    expect(isGitRepository(word)).toBe(false);
  });

  it.each([
    ['https://x.test/a.git#--upload-pack=x', /no branch, tag or commit/],
    ['https://x.test/a.git#a b', /no branch, tag or commit/],
    ['https://x.test/a.git#main~1', /no branch, tag or commit/],
    ['https://x.test/a.git?ref=b', /has a query/],
  ])('%s is refused', (word, message) => {
    expect(() => parseGitSource(word)).toThrow(message);
  });
});
