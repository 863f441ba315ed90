import { expect, it } from 'vitest';
import { makeNode } from '../../src/sys/special-file.ts';
import { joinBytePath, ROOT, toBytePath, type BytePath } from '../../src/layer/byte-path.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, makeTree, opaque, symlink, whiteout, type Item } from '../support/tree-spec.ts';

type Layers = readonly Readonly<Record<string, Item>>[];

/** Layers are given topmost first. */
async function withLayers(layers: Layers, check: (tree: MergedTree) => void): Promise<void> {
  await using scratch = await openScratch('merged');
  const roots = layers.map((layer, index) => makeTree(scratch.path(String(index)), layer));
  check(new MergedTree(roots));
}

function flatten(tree: MergedTree, at: BytePath = ROOT): string[] {
  return tree.list(at).flatMap((name) => {
    const path = joinBytePath(at, name);
    return [path, ...flatten(tree, path)];
  });
}

describeWithRoot('merged tree', () => {
  it.each<[string, Layers, string[]]>([
    ['joins directories', [{ 'd/a': file() }, { 'd/b': file() }], ['d', 'd/a', 'd/b']],
    ['hides a deleted file', [{ 'd/a': whiteout }, { 'd/a': file(), 'd/b': file() }], ['d', 'd/b']],
    ['hides a deleted directory', [{ d: whiteout }, { 'd/a': file() }], []],
    [
      'shows what is made again above a deletion',
      [{ 'd/new': file() }, { d: whiteout }, { 'd/old': file() }],
      ['d', 'd/new'],
    ],
    ['stops at an opaque directory', [{ d: opaque(), 'd/n': file() }, { 'd/o': file() }], ['d', 'd/n']],
    [
      'stops below an opaque directory further down',
      [{ 'd/1': file() }, { d: opaque(), 'd/2': file() }, { 'd/3': file() }],
      ['d', 'd/1', 'd/2'],
    ],
    ['lets a file hide a directory', [{ d: file() }, { 'd/a': file() }], ['d']],
    [
      'lets a directory hide a file and what the file hid',
      [{ 'd/n': file() }, { d: file() }, { 'd/o': file() }],
      ['d', 'd/n'],
    ],
    [
      'knows the newer whiteouts where the directory says so',
      [
        { d: dir({ xattrs: { 'trusted.overlay.opaque': 'x' } }), 'd/a': { type: 'xwhiteout' } },
        { 'd/a': file(), 'd/b': file() },
      ],
      ['d', 'd/b'],
    ],
    [
      'takes the newer whiteouts for files elsewhere',
      [{ 'd/a': { type: 'xwhiteout' } }, { 'd/a': file() }],
      ['d', 'd/a'],
    ],
    [
      'merges the roots even if one is marked opaque',
      [{ '.': dir({ xattrs: { 'trusted.overlay.opaque': 'y' } }), a: file() }, { b: file() }],
      ['a', 'b'],
    ],
    ['keeps names that are whiteouts in tar form', [{ '.wh.a': file() }, { a: file() }], ['.wh.a', 'a']],
    [
      'sorts names by bytes',
      [{ b: file(), é: file(), Z: file() }, { a: file() }],
      ['Z', 'a', 'b', toBytePath('é')],
    ],
  ])('%s', (_, layers, expected) => withLayers(layers, (tree) => expect(flatten(tree)).toEqual(expected)));

  it('takes a file and its attributes from the topmost layer', () =>
    withLayers([{ 'd/a': file('new', { mode: 0o4711, uid: 7 }) }, { 'd/a': file('old') }], (tree) => {
      const node = tree.lookup(toBytePath('d/a'));
      expect(node).toMatchObject({ type: 'file', path: 'd/a' });
      expect([node?.stat.mode, node?.stat.uid]).toEqual([0o104711n, 7n]);
      expect(tree.readFile(toBytePath('d/a'), 100).toString()).toBe('new');
    }));

  it('is an empty root without layers', () => {
    const tree = new MergedTree([]);
    expect(tree.lookup(toBytePath('/'))).toMatchObject({
      type: 'directory',
      stat: { mode: 0o040755n, uid: 0n },
    });
    expect(tree.list(toBytePath('/'))).toEqual([]);
    expect(tree.lookup(toBytePath('/a/b'))).toBeUndefined();
  });

  it('shows whiteouts as devices in a plain directory', async () => {
    await using scratch = await openScratch('plain');
    const root = makeTree(scratch.path('c'), { a: whiteout });
    expect(new MergedTree([root], { plain: true }).lookup(toBytePath('a'))?.type).toBe('char');
  });

  it.each([['a'.repeat(300)], ['a\0b'], ['d/a/b']])('finds nothing at %j', (path) =>
    withLayers([{ 'd/a': file() }], (tree) => expect(tree.lookup(toBytePath(path))).toBeUndefined()),
  );

  it('does not look at each layer for each file', () => {
    const layers = Array.from({ length: 60 }, (_, index) =>
      index === 59
        ? Object.fromEntries(Array.from({ length: 500 }, (__, n) => [`deep/d/f${n}`, file()]))
        : { [`other${index}`]: file() },
    );
    return withLayers(layers, (tree) => {
      const directory = tree.openDirectory(toBytePath('deep/d'));
      expect(directory?.parts).toHaveLength(1);
      expect(directory?.names()).toHaveLength(500);
    });
  });
});

describeWithRoot('path resolution', () => {
  const layers: Layers = [
    {
      'real/dir/file': file('x'),
      rel: symlink('real/dir'),
      abs: symlink('/real/dir'),
      up: symlink('../../../../real'),
      chain: symlink('rel/file'),
      dangling: symlink('/real/none'),
      'real/back': symlink('../rel/..'),
      loop: symlink('loop'),
      ping: symlink('pong'),
      pong: symlink('ping'),
      empty: symlink('/'),
      é: symlink('real'),
    },
  ];

  it.each([
    ['/real/dir/file', 'real/dir/file', 'file'],
    ['rel/file', 'real/dir/file', 'file'],
    ['abs/file', 'real/dir/file', 'file'],
    ['up/dir', 'real/dir', 'directory'],
    ['chain', 'real/dir/file', 'file'],
    ['../../real', 'real', 'directory'],
    ['real/back', 'real', 'directory'],
    ['rel/..', 'real', 'directory'],
    ['empty/real', 'real', 'directory'],
    ['dangling', 'real/none', undefined],
    ['dangling/more/names', 'real/none/more/names', undefined],
    ['real/dir/file/x', 'real/dir/file/x', undefined],
    ['none/../real', 'real', 'directory'],
    ['', '', 'directory'],
    ['/', '', 'directory'],
    [toBytePath('é/dir'), 'real/dir', 'directory'],
  ])('leads %j to %j', (path, expected, type) =>
    withLayers(layers, (tree) => {
      const resolved = tree.resolve(path);
      expect([resolved.path, resolved.node?.type]).toEqual([expected, type]);
    }),
  );

  it('keeps a last symlink when asked to', () =>
    withLayers(layers, (tree) => {
      expect(tree.resolve('abs', { followLast: false }).node?.type).toBe('symlink');
      expect(tree.resolve('abs/file', { followLast: false }).path).toBe('real/dir/file');
    }));

  it.each(['loop', 'ping', 'loop/x', 'pong/a/b'])('refuses the loop %s', (path) =>
    withLayers(layers, (tree) =>
      expect(() => tree.resolve(path)).toThrow(expect.objectContaining({ code: 'COPY' })),
    ),
  );

  it('follows symlinks through layers', () =>
    withLayers(
      [{ 'etc/link': symlink('/usr/x') }, { 'usr/x': symlink('y') }, { 'usr/y': file('deep') }],
      (tree) => {
        expect(tree.resolve('etc/link').path).toBe('usr/y');
      },
    ));
});

describeWithRoot('reading a file', () => {
  it('never waits for a fifo', async () => {
    await using scratch = await openScratch('fifo');
    const root = makeTree(scratch.path('l'), { d: dir() });
    makeNode(`${root}/d/fifo`, 0o010600);
    expect(() => new MergedTree([root]).readFile(toBytePath('d/fifo'), 10)).toThrow(
      expect.objectContaining({ code: 'IO' }),
    );
  });

  it.each([
    ['a missing file', 'none'],
    ['a directory', 'd'],
    ['a symlink', 'link'],
    ['a file above the limit', 'big'],
    ['a device', 'null'],
  ])('refuses %s', (_, path) =>
    withLayers(
      [{ d: dir(), link: symlink('big'), big: file('12345678901'), null: { type: 'char' } }],
      (tree) =>
        expect(() => tree.readFile(toBytePath(path), 10)).toThrow(expect.objectContaining({ code: 'IO' })),
    ),
  );

  it('reads up to the limit', () =>
    withLayers([{ a: file('1234567890'), e: file('') }], (tree) => {
      expect(tree.readFile(toBytePath('a'), 10).toString()).toBe('1234567890');
      expect(tree.readFile(toBytePath('e'), 0)).toHaveLength(0);
    }));
});
