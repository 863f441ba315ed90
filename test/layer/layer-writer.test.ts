import { lstatSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Attributes } from '../../src/layer/attributes.ts';
import { toBytePath } from '../../src/layer/byte-path.ts';
import { LayerWriter, type LayerWriterOptions } from '../../src/layer/layer-writer.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { statPath } from '../../src/layer/tree-node.ts';
import { listXattrs, readXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import {
  describeFile,
  describeTree,
  dir,
  file,
  makeTree,
  OLD,
  symlink,
  whiteout,
  type Item,
} from '../support/tree-spec.ts';

const path = toBytePath;
const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;
const plain: Attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: OLD };

interface Fixture {
  readonly writer: LayerWriter;
  readonly target: string;
  /** Below the scratch directory. */
  readonly at: (name: string) => string;
}

async function withWriter(
  lowers: readonly Readonly<Record<string, Item>>[],
  use: (fixture: Fixture) => void | Promise<void>,
  options: LayerWriterOptions = { now: NOW },
): Promise<void> {
  await using scratch = await openScratch('writer');
  const roots = lowers.map((items, index) => makeTree(scratch.path(`l${index}`), items));
  const target = scratch.path('target');
  mkdirSync(target, { mode: 0o700 });
  await use({
    writer: new LayerWriter(target, new MergedTree(roots), options),
    target,
    at: (name) => scratch.path(name),
  });
}

const mtime = (host: string): bigint => lstatSync(host, { bigint: true }).mtimeNs;
const isOpaque = (host: string): boolean => readXattr(host, 'trusted.overlay.opaque')?.toString() === 'y';

describeWithRoot('directories of a new layer', () => {
  it('are copied up with all they have', () =>
    withWriter(
      [
        {
          'a/b': dir({ mode: 0o2710, uid: 5, gid: 6, xattrs: { 'user.k': 'v', 'trusted.t': 'no' } }),
          'a/b/old': file(),
        },
      ],
      ({ writer, target }) => {
        writer.writeFile(path('a/b/new'), Buffer.from('x'), plain);
        expect(describeTree(target)).toEqual({
          a: 'dir 0755',
          'a/b': 'dir 2710 5:6',
          'a/b/new': 'file 0644 x',
        });
        expect(listXattrs(join(target, 'a/b'))).toEqual(['user.k']);
        expect([mtime(join(target, 'a')), mtime(join(target, 'a/b'))]).toEqual([OLD, NOW]);
      },
    ));

  it('keep their time when no time is given for changes', () =>
    withWriter(
      [{ a: dir() }],
      ({ writer, target }) => {
        writer.writeFile(path('a/new'), Buffer.from('x'), plain);
        expect(mtime(join(target, 'a'))).toBe(OLD);
      },
      {},
    ));

  it('are made with the owner asked for', () =>
    withWriter([{}], ({ writer, target }) => {
      writer.ensureParents(path('x/y/z'), { uid: 7, gid: 8 });
      expect(describeTree(target)).toEqual({ x: 'dir 0755 7:8', 'x/y': 'dir 0755 7:8' });
      expect(mtime(join(target, 'x/y'))).toBe(NOW);
    }));

  it('do not depend on the umask', () =>
    withWriter([{}], ({ writer, target }) => {
      const before = process.umask(0o077);
      try {
        writer.makeDirectory(path('a/b'), { ...plain, mode: 0o1777 });
        writer.writeFile(path('a/f'), Buffer.from(''), { ...plain, mode: 0o666 });
      } finally {
        process.umask(before);
      }
      expect(describeTree(target)).toEqual({ a: 'dir 0755', 'a/b': 'dir 1777', 'a/f': 'file 0666' });
    }));

  it('give the root what the root below has', () =>
    withWriter([{ '.': dir({ mode: 0o711, uid: 3 }) }], ({ writer, target }) => {
      writer.ensureParents(path('a'));
      expect(describeFile(target)).toBe('dir 0711 3:0');
    }));

  it('keep the time they are made with when names are added later', () =>
    withWriter([{}], ({ writer, target }) => {
      writer.makeDirectory(path('d'), { ...plain, mode: 0o755, mtimeNs: 5n * SECOND + 7n });
      writer.writeFile(path('d/f'), Buffer.from(''), plain);
      expect(mtime(join(target, 'd'))).toBe(5n * SECOND + 7n);
    }));

  it('take new attributes and keep what is below', () =>
    withWriter([{ 'd/old': file('o') }], ({ writer, target }) => {
      writer.makeDirectory(path('d'), { ...plain, mode: 0o700, uid: 9 });
      expect(describeTree(target)).toEqual({ d: 'dir 0700 9:0' });
      expect(writer.tree.lookup(path('d/old'))?.type).toBe('file');
    }));

  it.each<[string, readonly Readonly<Record<string, Item>>[], boolean]>([
    ['over a deletion of a directory', [{ d: whiteout }, { 'd/old': file() }], false],
    ['over a file', [{ d: file() }, { 'd/old': file() }], false],
    ['over a symlink', [{ d: symlink('/x') }], false],
    ['over nothing', [{}], false],
  ])('made %s need no mark, as nothing shows through', (_, lowers, expected) =>
    withWriter(lowers, ({ writer, target }) => {
      writer.makeDirectory(path('d'), plain);
      expect(isOpaque(join(target, 'd'))).toBe(expected);
      expect(writer.tree.list(path('d'))).toEqual([]);
    }),
  );

  it.each([
    ['a directory removed before', (writer: LayerWriter) => writer.remove(path('d'))],
    [
      'a file that replaced a directory',
      (writer: LayerWriter) => writer.writeFile(path('d'), Buffer.from(''), plain),
    ],
  ])('are opaque in place of %s', (_, prepare) =>
    withWriter([{ 'd/old': file() }], ({ writer, target }) => {
      prepare(writer);
      writer.makeDirectory(path('d'), { ...plain, mode: 0o755 });
      expect(isOpaque(join(target, 'd'))).toBe(true);
      expect(writer.tree.list(path('d'))).toEqual([]);
      expect(describeTree(target)).toEqual({ d: 'dir 0755' });
    }),
  );

  it.each<[string, Item]>([
    ['a file', file()],
    ['a symlink to a directory', symlink('real')],
  ])('cannot stand below %s', (_, item) =>
    withWriter([{ a: item, real: dir() }], ({ writer }) => {
      expect(() => writer.writeFile(path('a/b'), Buffer.from(''), plain)).toThrow(
        expect.objectContaining({ code: 'COPY' }),
      );
    }),
  );
});

describeWithRoot('files of a new layer', () => {
  it('carry mode, owner, xattrs and exact time', () =>
    withWriter([{}], ({ writer, target }) => {
      const attributes = {
        mode: 0o6755,
        uid: 1,
        gid: 2,
        mtimeNs: OLD + 123n,
        xattrs: new Map([['user.a', Buffer.from([0, 255])]]),
      };
      writer.writeFile(path('f'), Buffer.from('data'), attributes);
      expect(describeFile(join(target, 'f'))).toBe('file 6755 1:2 data');
      expect(readXattr(join(target, 'f'), 'user.a')).toEqual(Buffer.from([0, 255]));
      expect(mtime(join(target, 'f'))).toBe(OLD + 123n);
    }));

  it.each([-5n * SECOND, -1n, 0n, 1n << 33n, (1n << 33n) * SECOND])('have the time %s ns', (mtimeNs) =>
    withWriter([{}], ({ writer, target }) => {
      writer.writeFile(path('f'), Buffer.from(''), { ...plain, mtimeNs });
      writer.makeSymlink(path('s'), 'x', { ...plain, mtimeNs });
      expect([mtime(join(target, 'f')), mtime(join(target, 's'))]).toEqual([mtimeNs, mtimeNs]);
    }),
  );

  it.each([0, 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20, 65 << 20])(
    'are copied whole: %i bytes',
    (size) =>
      withWriter([{}], async ({ writer, target, at }) => {
        const content = Buffer.alloc(size, 'abcdefghijklm');
        writeFileSync(at('source'), content);
        const host = Buffer.from(at('source'));
        await writer.copyFile(
          path('d/f'),
          { host, stat: statPath(host)! },
          { ...plain, mode: 0o4755, uid: 3, gid: 4 },
        );
        expect(readFileSync(join(target, 'd/f')).equals(content)).toBe(true);
        expect(lstatSync(join(target, 'd/f'))).toMatchObject({ mode: 0o104755, uid: 3, gid: 4 });
        expect(mtime(join(target, 'd/f'))).toBe(OLD);
      }),
  );

  it.each([10, 70 << 20])('are refused when the source changed since it was seen: %i bytes', (size) =>
    withWriter([{}], async ({ writer, at }) => {
      const host = Buffer.from(at('source'));
      writeFileSync(host, 'x');
      truncateSync(host, size);
      const seen = statPath(host)!;
      truncateSync(host, size + 1);
      const copy = async (): Promise<void> => writer.copyFile(path('f'), { host, stat: seen }, plain);
      await expect(copy()).rejects.toMatchObject({ code: 'CONTEXT' });
    }),
  );

  it('are not read through a symlink that took their place', () =>
    withWriter([{}], ({ writer, at }) => {
      makeTree(at('s'), { secret: file('x'), link: symlink('secret') });
      const stat = statPath(Buffer.from(at('s/secret')))!;
      const copy = (): unknown =>
        writer.copyFile(path('f'), { host: Buffer.from(at('s/link')), stat }, plain);
      expect(copy).toThrow(expect.objectContaining({ code: 'CONTEXT' }));
    }));

  it.each<[string, Item]>([
    ['a file', file('old')],
    ['a symlink', symlink('/etc/passwd')],
    ['a fifo', { type: 'fifo' }],
    ['a directory', dir()],
  ])('replace %s below and one written before', (_, item) =>
    withWriter([{ f: item }], ({ writer, target }) => {
      writer.writeFile(path('f'), Buffer.from('1'), plain);
      writer.writeFile(path('f'), Buffer.from('22'), plain);
      expect(describeTree(target)).toEqual({ f: 'file 0644 22' });
    }),
  );

  it('replace a directory of the new layer with all in it', () =>
    withWriter([{}], ({ writer, target }) => {
      writer.writeFile(path('d/e/f'), Buffer.from('1'), plain);
      writer.writeFile(path('d'), Buffer.from('2'), plain);
      expect(describeTree(target)).toEqual({ d: 'file 0644 2' });
      expect(() => writer.writeFile(path('d/e/f'), Buffer.from('3'), plain)).toThrow(
        expect.objectContaining({ code: 'COPY' }),
      );
    }));

  it('may be links, nodes and strange names', () =>
    withWriter([{ 'low/f': file('low', { uid: 4 }) }], async ({ writer, target }) => {
      writer.writeFile(path('a'), Buffer.from('A'), plain);
      await writer.makeHardLink(path('b'), path('a'));
      await writer.makeHardLink(path('c'), path('low/f'));
      writer.makeSymlink(path('s'), '/abs/../x', { ...plain, uid: 6 });
      writer.makeNode(path('p'), { type: 'fifo', device: { major: 0, minor: 0 } }, plain);
      writer.makeNode(path('n'), { type: 'char', device: { major: 1, minor: 5 } }, { ...plain, mode: 0o666 });
      writer.writeFile(path('line\nbreak:é'), Buffer.from('n'), plain);
      expect(describeTree(target)).toEqual({
        a: 'file 0644 A',
        b: 'file 0644 A',
        c: 'file 0644 4:0 low',
        'line\nbreak:é': 'file 0644 n',
        low: 'dir 0755',
        'low/f': 'file 0644 4:0 low',
        n: 'char 0666 1,5',
        p: 'fifo 0644',
        s: '-> /abs/../x 6:0',
      });
      expect(lstatSync(join(target, 'a')).ino).toBe(lstatSync(join(target, 'b')).ino);
    }));

  it('cannot be what a layer reads as a deletion', () =>
    withWriter([{}], ({ writer }) => {
      const make = (): void =>
        writer.makeNode(path('n'), { type: 'char', device: { major: 0, minor: 0 } }, plain);
      expect(make).toThrow(expect.objectContaining({ code: 'COPY' }));
    }));

  it.each(['missing', 'd'])('cannot be links to %s', (existing) =>
    withWriter([{ d: dir() }], async ({ writer }) => {
      await expect(writer.makeHardLink(path('l'), path(existing))).rejects.toMatchObject({ code: 'COPY' });
    }),
  );
});

describeWithRoot('removing from a new layer', () => {
  it('leaves a whiteout of what is below', () =>
    withWriter([{ 'd/f': file(), 'd/g': file() }], ({ writer, target }) => {
      writer.remove(path('d/f'));
      expect(describeTree(target)).toEqual({ d: 'dir 0755', 'd/f': 'whiteout' });
      expect(writer.tree.list(path('d'))).toEqual(['g']);
      expect(mtime(join(target, 'd'))).toBe(NOW);
    }));

  it('leaves nothing of what is only in the new layer', () =>
    withWriter([{}], ({ writer, target }) => {
      writer.writeFile(path('d/e/f'), Buffer.from(''), plain);
      writer.remove(path('d/e'));
      writer.remove(path('d/none'));
      expect(describeTree(target)).toEqual({ d: 'dir 0755' });
    }));

  it('leaves nothing where a layer below deleted it already', () =>
    withWriter([{ d: whiteout }, { 'd/f': file() }], ({ writer, target }) => {
      writer.writeFile(path('d'), Buffer.from(''), plain);
      writer.remove(path('d'));
      expect(describeTree(target)).toEqual({});
    }));

  it('deletes a tree of which both layers have a part', () =>
    withWriter([{ 'd/low': file() }], ({ writer, target }) => {
      writer.writeFile(path('d/new'), Buffer.from(''), plain);
      writer.remove(path('d'));
      expect(describeTree(target)).toEqual({ d: 'whiteout' });
      writer.writeFile(path('d/again'), Buffer.from(''), plain);
      expect(isOpaque(join(target, 'd'))).toBe(true);
      expect(writer.tree.list(path('d'))).toEqual(['again']);
    }));

  it('never takes the root', () =>
    withWriter([{}], ({ writer }) =>
      expect(() => writer.remove(path('/'))).toThrow(expect.objectContaining({ code: 'COPY' })),
    ));
});

describeWithRoot('a batch', () => {
  it('sets the times of directories at its end', () =>
    withWriter([{ 'a/b': dir() }], async ({ writer, target }) => {
      await writer.batch(async () => {
        writer.makeDirectory(path('a/c'), { ...plain, mode: 0o755 });
        for (const name of ['a/b/1', 'a/c/2']) writer.writeFile(path(name), Buffer.from(''), plain);
        await Promise.resolve();
      });
      expect(['a', 'a/b', 'a/c'].map((name) => mtime(join(target, name)))).toEqual([NOW, NOW, OLD]);
    }));

  it('forgets a replaced directory, and no other whose name begins the same', () =>
    withWriter([{}], ({ writer, target }) => {
      writer.writeFile(path('ab/f'), Buffer.from(''), plain);
      writer.makeDirectory(path('a'), plain);
      writer.writeFile(path('a'), Buffer.from(''), plain);
      writer.writeFile(path('ab/g'), Buffer.from(''), plain);
      expect(Object.keys(describeTree(target))).toEqual(['a', 'ab', 'ab/f', 'ab/g']);
    }));
});
