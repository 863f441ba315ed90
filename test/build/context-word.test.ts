import { describe, expect, it } from 'vitest';
import { readContextWord } from '../../src/build/context-word.ts';
import { openScratch } from '../support/scratch.ts';

describe('the word for a build context', () => {
  it.each([
    ['-', { kind: 'stdin' }],
    ['/nowhere/at/all', { kind: 'directory', path: '/nowhere/at/all' }],
    ['/', { kind: 'directory', path: '/' }],
    ['https://x.test/a.tar.gz', { kind: 'url', url: 'https://x.test/a.tar.gz' }],
    ['HTTP://x.test/Dockerfile', { kind: 'url', url: 'HTTP://x.test/Dockerfile' }],
    ['https://x.test/a.git#main:d', { kind: 'repository', word: 'https://x.test/a.git#main:d' }],
    ['git@x.test:a.git', { kind: 'repository', word: 'git@x.test:a.git' }],
    ['git://x.test/a#b', { kind: 'repository', word: 'git://x.test/a#b' }],
    ['file:///srv/a.git#b', { kind: 'repository', word: 'file:///srv/a.git#b' }],
    ['github.com/me/a#b', { kind: 'repository', word: 'https://github.com/me/a#b' }],
  ])('%s', (word, expected) => {
    expect(readContextWord(word)).toEqual(expected);
  });

  it('is what there is before what it looks like', async () => {
    await using scratch = await openScratch('word');
    const path = await scratch.write('https:/x.test/a.git', 'no repository');
    expect(readContextWord(path)).toEqual({ kind: 'archive', path });
  });
});
