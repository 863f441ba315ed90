import { expect, it } from 'vitest';
import { explainExcluded, selectSources } from '../../src/build/copy-sources.ts';
import { openContext } from '../../src/build/context.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, makeTree, symlink, whiteout, type Item } from '../support/tree-spec.ts';

type Items = Readonly<Record<string, Item>>;

async function selected(items: Items, words: readonly string[]): Promise<string[]> {
  await using scratch = await openScratch('select');
  const tree = new MergedTree([makeTree(scratch.path('c'), items)], { plain: true });
  return describe_(await selectSources(tree, words));
}

const describe_ = (sources: Awaited<ReturnType<typeof selectSources>>): string[] =>
  sources.flatMap(({ name, files }) =>
    files.map(({ path }) => (path === '' ? `${name}:` : `${name}: ${path}`)),
  );

const FILES: Items = {
  'a.txt': file(),
  'b.txt': file(),
  '.hidden.txt': file(),
  'dir/x.txt': file(),
  'dir/sub/y.txt': file(),
  'other/x.txt': file(),
  'a[1].txt': file(),
  'st*r': file(),
  'é ü.txt': file(),
  dlnk: symlink('dir'),
  flnk: symlink('dir/x.txt'),
  up: symlink('../../../../dir'),
  out: symlink('/etc/passwd'),
};

describeWithRoot('sources', () => {
  it.each<[string[], string[]]>([
    [['a.txt'], ['a.txt:']],
    [['/a.txt'], ['a.txt:']],
    [['./dir/../a.txt'], ['a.txt:']],
    [['../../a.txt'], ['a.txt:']],
    [['dir'], ['dir:', 'dir: sub', 'dir: sub/y.txt', 'dir: x.txt']],
    [
      ['b.txt', 'a.txt', 'b.txt'],
      ['b.txt:', 'a.txt:', 'b.txt:'],
    ],
    [['?.txt'], ['a.txt:', 'b.txt:']],
    [['[!a].txt'], ['a.txt:']],
    [['[^a].txt'], ['b.txt:']],
    [['*.txt'], ['.hidden.txt:', 'a.txt:', 'a[1].txt:', 'b.txt:', 'é ü.txt:'].map(bytes)],
    [['*/x.txt'], ['x.txt:', 'x.txt:']],
    [['dlnk/*.txt'], ['x.txt:']],
    [['*lnk/x.txt'], []],
    [['d*/sub'], ['sub:', 'sub: y.txt']],
    [['**/y.txt'], []],
    [['nope*'], []],
    [['nope/*'], []],
    [['a.txt/*'], []],
    [['a\\[1\\].txt'], ['a[1].txt:']],
    [['st\\*r'], ['st*r:']],
    [['é*'], [bytes('é ü.txt:')]],
    [['é?ü.txt'], [bytes('é ü.txt:')]],
    [['flnk'], ['flnk:']],
    [['up'], ['up:', 'up: sub', 'up: sub/y.txt', 'up: x.txt']],
  ])('%j select %j', async (words, expected) => expect(await selected(FILES, words)).toEqual(expected));

  it('that are the root have no name of their own', async () => {
    expect(await selected({ a: file(), 'd/b': file() }, ['.'])).toEqual([':', ': a', ': d', ': d/b']);
    expect(await selected({ a: file() }, ['/'])).toEqual([':', ': a']);
  });

  it('take whiteouts for what they are only in layers', async () => {
    await using scratch = await openScratch('stage');
    const layers = [
      makeTree(scratch.path('1'), { 'd/a': whiteout }),
      makeTree(scratch.path('0'), { 'd/a': file(), 'd/b': file() }),
    ];
    expect(describe_(await selectSources(new MergedTree(layers), ['d']))).toEqual(['d:', 'd: b']);
  });

  it.each([['nope'], ['a.txt/b'], ['out'], ['no\\pe'], ['a\0b'], ['n'.repeat(300)], ['dir/nope/x']])(
    'that are missing are an error: %j',
    async (word) => {
      await expect(selected(FILES, [word])).rejects.toMatchObject({
        code: 'COPY',
        message: expect.stringMatching(/: not found$/) as string,
      });
    },
  );

  it.each(['[', 'a[', '*[a-]', 'dir/[]a]', '*\\'])(
    'that are malformed patterns are an error: %s',
    async (word) => {
      await expect(selected(FILES, [word])).rejects.toMatchObject({ code: 'COPY' });
    },
  );
});

function bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

describeWithRoot('an ignore file', () => {
  async function seen(items: Items, words: readonly string[]): Promise<string[]> {
    await using scratch = await openScratch('ignore');
    const context = openContext(makeTree(scratch.path('c'), items), {
      kubefilePath: scratch.path('Kubefile'),
    });
    return describe_(await selectSources(context.tree, words, { explainMissing: explainExcluded(context) }));
  }

  it.each<[string, string, string[], string[]]>([
    [
      'hides files',
      '*.log',
      ['.'],
      [':', ': .dockerignore', ': d', ': d/b.log', ': d/keep', ': d/sub', ': d/sub/c', ': e', ': lnk'],
    ],
    ['hides directories', 'd', ['.'], [':', ': .dockerignore', ': a.log', ': e', ': lnk']],
    [
      'keeps a directory it empties',
      'd/*',
      ['.'],
      [':', ': .dockerignore', ': a.log', ': d', ': e', ': lnk'],
    ],
    ['takes back what is in a hidden directory', 'd\n!d/keep', ['d'], ['d:', 'd: keep']],
    ['takes back deeply', '*\n!d/sub/c', ['.'], [':', ': d', ': d/sub', ': d/sub/c']],
    [
      'hides a directory when nothing in it is taken back',
      'd\n!d/none',
      ['.'],
      [':', ': .dockerignore', ': a.log', ': e', ': lnk'],
    ],
    ['hides itself', '.dockerignore', ['.*'], []],
    ['leaves wildcards what is left', '**/*.log', ['d/*'], ['keep:', 'sub:', 'sub: c']],
  ])('%s', async (...[, ignore, words, expected]) => {
    const items = {
      'a.log': file(),
      'd/b.log': file(),
      'd/keep': file(),
      'd/sub/c': file(),
      e: dir(),
      lnk: symlink('d/keep'),
    };
    expect(await seen({ ...items, '.dockerignore': file(ignore) }, words)).toEqual(expected);
  });

  it.each([
    ['file', 'f'],
    ['f', 'f'],
    ['d', 'd/x'],
    ['d', 'lnk'],
  ])('says why something is missing: %s hides %s', async (ignore, word) => {
    const items = { f: file(), 'd/x': file(), lnk: symlink('d/x'), '.dockerignore': file(ignore) };
    if (ignore === 'file') {
      expect(await seen(items, [word])).toEqual(['f:']);
      return;
    }
    await expect(seen(items, [word])).rejects.toMatchObject({
      code: 'COPY',
      hint: expect.stringContaining('.dockerignore') as string,
    });
  });

  it('is not blamed for what is not there at all', async () => {
    await expect(seen({ '.dockerignore': file('x') }, ['y'])).rejects.toMatchObject({
      code: 'COPY',
      hint: undefined,
    });
  });
});

describeWithRoot('sources with their parents', () => {
  const TREE: Items = {
    'a/b/c/d/e/bay': file(),
    'a/b/c/d/foo': file(),
    'a/b/c2/d/e/baz': file(),
    'a/b2/c/d/e/bar': file(),
    top: file(),
    lnk: symlink('a'),
  };

  async function below(words: readonly string[], exclude: readonly string[] = []): Promise<string[]> {
    await using scratch = await openScratch('parents');
    const tree = new MergedTree([makeTree(scratch.path('c'), TREE)], { plain: true });
    const sources = await selectSources(tree, words, { parents: true, exclude });
    return sources.flatMap(({ files }) => files.slice(1).map(({ path }) => path));
  }

  it.each<[string[], string[]]>([
    [['a/b/c/d/foo'], ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/foo']],
    [['/a/b/./c/d'], ['c', 'c/d', 'c/d/e', 'c/d/e/bay', 'c/d/foo']],
    [['a/b/c/d/.'], ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/e', 'a/b/c/d/e/bay', 'a/b/c/d/foo']],
    [['./a/b/c/d/foo'], ['a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/foo']],
    [['a/./b/./c2'], ['b', 'b/c2', 'b/c2/d', 'b/c2/d/e', 'b/c2/d/e/baz']],
    [['a/./*/c2'], ['b', 'b/c2', 'b/c2/d', 'b/c2/d/e', 'b/c2/d/e/baz']],
    [['a/b*/./c/**/e'], ['c', 'c/d', 'c/d/e', 'c/d/e/bay', 'c', 'c/d', 'c/d/e', 'c/d/e/bar']],
    [
      ['**/ba?'],
      [
        'a',
        'a/b',
        'a/b/c',
        'a/b/c/d',
        'a/b/c/d/e',
        'a/b/c/d/e/bay',
        'a/b/c2',
        'a/b/c2/d',
        'a/b/c2/d/e',
        'a/b/c2/d/e/baz',
        'a/b2',
        'a/b2/c',
        'a/b2/c/d',
        'a/b2/c/d/e',
        'a/b2/c/d/e/bar',
      ],
    ],
    [['lnk/b/./c2'], ['c2', 'c2/d', 'c2/d/e', 'c2/d/e/baz']],
    [['a/b/c2/./'], ['d', 'd/e', 'd/e/baz']],
    [['nope*'], []],
    [
      ['top', 'lnk'],
      ['top', 'lnk'],
    ],
  ])('%j keep them', async (words, expected) => expect(await below(words)).toEqual(expected));

  it.each(['nope', 'a/nope', 'a/./nope', 'nope/./a', 'top/x'])(
    'that are missing are an error: %s',
    async (word) => {
      await expect(below([word])).rejects.toMatchObject({
        code: 'COPY',
        message: expect.stringContaining('not found') as string,
      });
    },
  );

  it('that are malformed patterns are an error', async () => {
    await expect(below(['a/['])).rejects.toMatchObject({ code: 'COPY' });
  });

  it('leave out what is excluded below the base', async () => {
    expect(await below(['a/./b'], ['**/e', 'b/c2'])).toEqual(['b', 'b/c', 'b/c/d', 'b/c/d/foo']);
  });
});

describeWithRoot('exclusions', () => {
  it.each<[string[], string[], string[]]>([
    [['dir'], ['*.txt'], ['dir:', 'dir: sub', 'dir: sub/y.txt']],
    [['dir'], ['**/*.txt'], ['dir:', 'dir: sub']],
    [['dir', 'other'], ['x.txt'], ['dir:', 'dir: sub', 'dir: sub/y.txt', 'other:']],
    [['dir'], ['*', '!sub/y.txt'], ['dir:', 'dir: sub', 'dir: sub/y.txt']],
    [['dir'], ['sub'], ['dir:', 'dir: x.txt']],
    [['?.txt'], ['a*'], ['b.txt:']],
    [['a.txt'], ['a.txt'], []],
  ])('%j without %j select %j', async (words, exclude, expected) => {
    await using scratch = await openScratch('exclude');
    const tree = new MergedTree([makeTree(scratch.path('c'), FILES)], { plain: true });
    expect(describe_(await selectSources(tree, words, { exclude }))).toEqual(expected);
  });
});
