import { createServer } from 'node:net';
import { once } from 'node:events';
import { lstatSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyFiles, type CopyRequest } from '../../src/build/copy-files.ts';
import { selectSources, type SelectOptions } from '../../src/build/copy-sources.ts';
import { ROOT, toBytePath } from '../../src/layer/byte-path.ts';
import { commitUpper } from '../../src/layer/commit.ts';
import { LayerWriter } from '../../src/layer/layer-writer.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { listXattrs, readXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import {
  describeTree,
  dir,
  file,
  hardLink,
  makeTree,
  OLD,
  symlink,
  type Item,
} from '../support/tree-spec.ts';

type Items = Readonly<Record<string, Item>>;

const NOW = 1_700_000_000_000_000_000n;

interface Copy {
  readonly context: Items;
  readonly rootfs?: Items;
  readonly words: readonly string[];
  readonly to: string;
  readonly select?: SelectOptions;
  readonly with?: Partial<CopyRequest>;
}

/** Copies and hands over the new layer's directory. */
async function copying(
  { context, rootfs = {}, words, to, select = {}, with: rest }: Copy,
  check: (target: string) => void = () => undefined,
): Promise<void> {
  await using scratch = await openScratch('copy');
  const tree = new MergedTree([makeTree(scratch.path('context'), context)], {
    plain: rest?.keepsOwner !== true,
  });
  const lower = new MergedTree([makeTree(scratch.path('rootfs'), rootfs)]);
  const target = scratch.path('target');
  mkdirSync(target);
  const sources = await selectSources(tree, words, select);
  const writer = new LayerWriter(target, lower, { now: NOW });
  await copyFiles(writer, {
    sources,
    destination: to,
    workdir: '/',
    wordCount: words.length,
    keepsOwner: false,
    placement: 'docker',
    ...rest,
  });
  check(target);
}

const copied = async (copy: Copy): Promise<Record<string, string>> => {
  let result: Record<string, string> = {};
  await copying(copy, (target) => (result = describeTree(target)));
  return result;
};

const CONTEXT: Items = {
  f: file('F'),
  g: file('G', { mode: 0o4750, uid: 5, gid: 6 }),
  'd/one': file('1'),
  'd/sub/two': file('2', { mode: 0o600 }),
  d: dir({ mode: 0o2770 }),
  'd/sub': dir({ mode: 0o700, uid: 9 }),
  'd/link': symlink('/etc/passwd'),
  'd/broken': symlink('nowhere'),
  lnk: symlink('f'),
  dlnk: symlink('/d'),
  e: dir(),
};

const SPREAD = {
  x: 'dir 0755',
  'x/broken': '-> nowhere',
  'x/link': '-> /etc/passwd',
  'x/one': 'file 0644 1',
  'x/sub': 'dir 0700',
  'x/sub/two': 'file 0600 2',
};

describeWithRoot('COPY places', () => {
  it.each<[string, Omit<Copy, 'context'>, Record<string, string>]>([
    ['a file under a new name', { words: ['f'], to: '/x' }, { x: 'file 0644 F' }],
    ['a file in a new directory', { words: ['f'], to: '/x/' }, { x: 'dir 0755', 'x/f': 'file 0644 F' }],
    [
      'a file below new parents',
      { words: ['f'], to: '/a/b/x' },
      { a: 'dir 0755', 'a/b': 'dir 0755', 'a/b/x': 'file 0644 F' },
    ],
    [
      'a file in an existing directory',
      { rootfs: { t: dir({ mode: 0o711 }) }, words: ['f'], to: '/t' },
      { t: 'dir 0711', 't/f': 'file 0644 F' },
    ],
    ['a file in the root', { words: ['f'], to: '/' }, { f: 'file 0644 F' }],
    [
      'a file over a file',
      { rootfs: { x: file('old', { mode: 0o777, uid: 3 }) }, words: ['f'], to: '/x' },
      { x: 'file 0644 F' },
    ],
    [
      'a file over a symlink in the directory',
      { rootfs: { 't/f': symlink('/etc/shadow') }, words: ['f'], to: '/t/' },
      { t: 'dir 0755', 't/f': 'file 0644 F' },
    ],
    [
      'a file where a symlink leads',
      { rootfs: { lnk: symlink('real/deep'), real: dir() }, words: ['f'], to: '/lnk' },
      { real: 'dir 0755', 'real/deep': 'file 0644 F' },
    ],
    [
      'a file where a broken symlink leads',
      { rootfs: { lnk: symlink('../../../../new/dir') }, words: ['f'], to: '/lnk/' },
      { new: 'dir 0755', 'new/dir': 'dir 0755', 'new/dir/f': 'file 0644 F' },
    ],
    [
      'a file through a symlink that leaves the root',
      { rootfs: { esc: symlink('../../../../tmp') }, words: ['f'], to: '/esc/f' },
      { tmp: 'dir 0755', 'tmp/f': 'file 0644 F' },
    ],
    ['a file above the root', { words: ['f'], to: '/../../x' }, { x: 'file 0644 F' }],
    [
      'a file relative to the working directory',
      { words: ['f'], to: 'y/', with: { workdir: '/w' } },
      { w: 'dir 0755', 'w/y': 'dir 0755', 'w/y/f': 'file 0644 F' },
    ],
    [
      'a file in the working directory',
      { words: ['f'], to: '.', with: { workdir: '/w' } },
      { w: 'dir 0755', 'w/f': 'file 0644 F' },
    ],
    ['the contents of a directory', { words: ['d'], to: '/x' }, SPREAD],
    ['the contents of a directory with slashes', { words: ['d/'], to: '/x/' }, SPREAD],
    ['the contents of a directory behind a symlink', { words: ['dlnk'], to: '/x' }, SPREAD],
    ['the file behind a symlink', { words: ['lnk'], to: '/x/' }, { x: 'dir 0755', 'x/lnk': 'file 0644 F' }],
    ['an empty directory', { words: ['e'], to: '/x' }, { x: 'dir 0755' }],
    [
      'several files',
      { words: ['f', 'g'], to: '/x/' },
      { x: 'dir 0755', 'x/f': 'file 0644 F', 'x/g': 'file 4750 G' },
    ],
    [
      'several files in an existing directory',
      { rootfs: { t: dir() }, words: ['f', 'g'], to: '/t' },
      { t: 'dir 0755', 't/f': 'file 0644 F', 't/g': 'file 4750 G' },
    ],
    [
      'a directory over one that exists, which keeps its attributes',
      {
        rootfs: { x: dir({ mode: 0o1777, uid: 4 }), 'x/sub': dir(), 'x/sub/old': file() },
        words: ['d'],
        to: '/x',
      },
      { ...SPREAD, x: 'dir 1777 4:0' },
    ],
    ['what is above the context as what is in it', { words: ['../../../f'], to: '/x' }, { x: 'file 0644 F' }],
    [
      'matches of a wildcard',
      { words: ['[fg]'], to: '/x/' },
      { x: 'dir 0755', 'x/f': 'file 0644 F', 'x/g': 'file 4750 G' },
    ],
    ['nothing for a wildcard without matches', { words: ['nope*'], to: '/x/' }, {}],
    [
      'over a symlink in the destination',
      { rootfs: { 'x/one': symlink('f') }, words: ['d'], to: '/x' },
      SPREAD,
    ],
  ])('%s', async (_, copy, expected) =>
    expect(await copied({ context: CONTEXT, ...copy })).toEqual(expected),
  );

  it('sources with their parents, which keep their modes', async () => {
    const select = { parents: true };
    const result = await copied({
      context: CONTEXT,
      words: ['d/sub/two'],
      to: '/o/',
      select,
      with: { owner: { uid: 1, gid: 1 } },
    });
    expect(result).toEqual({
      o: 'dir 0755 1:1',
      'o/d': 'dir 2770 1:1',
      'o/d/sub': 'dir 0700 1:1',
      'o/d/sub/two': 'file 0600 1:1 2',
    });
    expect(await copied({ context: CONTEXT, words: ['nope/*'], to: '/o/', select })).toEqual({});
    expect(await copied({ context: CONTEXT, words: ['d/./sub'], to: '/o', select })).toEqual({
      o: 'dir 0755',
      'o/sub': 'dir 0700',
      'o/sub/two': 'file 0600 2',
    });
  });

  it('every match under its own name the way sealer did', async () => {
    expect(
      await copied({ context: CONTEXT, words: ['d', 'f'], to: '/x', with: { placement: 'sealer-v1' } }),
    ).toEqual({
      x: 'dir 0755',
      'x/d': 'dir 2770',
      'x/d/broken': '-> nowhere',
      'x/d/link': '-> /etc/passwd',
      'x/d/one': 'file 0644 1',
      'x/d/sub': 'dir 0700',
      'x/d/sub/two': 'file 0600 2',
      'x/f': 'file 0644 F',
    });
    const all = await copied({
      context: { a: file('A') },
      words: ['.'],
      to: 'x',
      with: { placement: 'sealer-v1' },
    });
    expect(all).toEqual({ x: 'dir 0755', 'x/a': 'file 0644 A' });
  });

  it.each<[string, Pick<Copy, 'words' | 'to' | 'rootfs'>, Record<string, string>]>([
    [
      'a directory',
      { words: ['manifests'], to: 'manifests' },
      { manifests: 'dir 0700', 'manifests/m': 'file 0644 M' },
    ],
    [
      'one of a directory',
      { words: ['arm64/registry'], to: './registry/' },
      { registry: 'dir 0755', 'registry/r': 'file 0644 R' },
    ],
    [
      'a directory that is there',
      { words: ['manifests'], to: '/manifests', rootfs: { 'manifests/old': file('O') } },
      { manifests: 'dir 0700', 'manifests/m': 'file 0644 M' },
    ],
    ['a file', { words: ['f'], to: 'etc/f' }, { etc: 'dir 0755', 'etc/f': 'file 0644 F' }],
    [
      'a file in spite of a slash',
      { words: ['f'], to: 'etc/f/' },
      { etc: 'dir 0755', 'etc/f': 'file 0644 F' },
    ],
    ['a file that is there', { words: ['f'], to: '/f', rootfs: { f: file('old') } }, { f: 'file 0644 F' }],
    [
      'one match of several',
      { words: ['s*'], to: 'sa' },
      { sa: 'dir 0755', 'sa/sb': 'file 0644 B', 'sa/in': 'file 0644 A' },
    ],
    ['no other name', { words: ['f'], to: 'g' }, { g: 'dir 0755', 'g/f': 'file 0644 F' }],
  ])('%s in place of a destination of the same name the way sealer did', async (_, copy, expected) => {
    const context: Items = {
      f: file('F'),
      'manifests/m': file('M'),
      manifests: dir({ mode: 0o700 }),
      'arm64/registry/r': file('R'),
      'sa/in': file('A'),
      sb: file('B'),
    };
    expect(await copied({ context, ...copy, with: { placement: 'sealer-v1' } })).toEqual(expected);
  });
});

describeWithRoot('COPY gives', () => {
  it('the owner asked for to everything it makes, and to nothing it finds', async () => {
    const owner = { uid: 7, gid: 8 };
    const result = await copied({
      context: CONTEXT,
      rootfs: { t: dir() },
      words: ['d'],
      to: '/t/new',
      with: { owner },
    });
    expect(result).toEqual({
      t: 'dir 0755',
      't/new': 'dir 0755 7:8',
      't/new/broken': '-> nowhere 7:8',
      't/new/link': '-> /etc/passwd 7:8',
      't/new/one': 'file 0644 7:8 1',
      't/new/sub': 'dir 0700 7:8',
      't/new/sub/two': 'file 0600 7:8 2',
    });
  });

  it('the mode asked for to files and directories, not to the destination', async () => {
    const result = await copied({ context: CONTEXT, words: ['d'], to: '/x', with: { chmod: () => 0o4711 } });
    expect(result).toEqual({
      ...SPREAD,
      'x/one': 'file 4711 1',
      'x/sub': 'dir 4711',
      'x/sub/two': 'file 4711 2',
    });
  });

  it('owners of a stage back, capabilities and the attributes of users', () =>
    copying(
      {
        context: {
          p: file('P', {
            uid: 5,
            gid: 6,
            mode: 0o755,
            xattrs: {
              'security.capability': '\u0001\0\0\u0002\0\u0004\0\0\0\0\0\0\0\0\0\0\0\0\0\0',
              'user.x': 'y',
              'user.overlay.opaque': 'y',
              'trusted.x': 'y',
            },
          }),
          'd/sub': dir({ xattrs: { 'user.x': 'z' } }),
        },
        words: ['p', 'd'],
        to: '/q/',
        with: { keepsOwner: true },
      },
      (target) => {
        expect(describeTree(target)).toEqual({
          q: 'dir 0755',
          'q/p': 'file 0755 5:6 P',
          'q/sub': 'dir 0755',
        });
        expect(listXattrs(join(target, 'q/p')).sort()).toEqual(['security.capability', 'user.x']);
        expect(readXattr(join(target, 'q/p'), 'security.capability')).toHaveLength(20);
        expect(readXattr(join(target, 'q/p'), 'user.x')?.toString()).toBe('y');
        expect(readXattr(join(target, 'q/sub'), 'user.x')?.toString()).toBe('z');
      },
    ));

  it('files of a context neither owner nor xattrs', () =>
    copying(
      { context: { p: file('P', { uid: 5, xattrs: { 'user.x': 'y' } }) }, words: ['p'], to: '/q' },
      (target) => {
        expect(describeTree(target)).toEqual({ q: 'file 0644 P' });
        expect(readXattr(join(target, 'q'), 'user.x')).toBeUndefined();
      },
    ));

  it('whole seconds, the source directory its time and the destination the present', () =>
    copying(
      {
        context: {
          'd/s/f': file('', { mtimeNs: OLD + 999n }),
          'd/s': dir({ mtimeNs: OLD + 1n }),
          'd/n': file('', { mtimeNs: -1n }),
        },
        words: ['d'],
        to: '/x/y',
      },
      (target) => {
        const times = ['x', 'x/y', 'x/y/s', 'x/y/s/f', 'x/y/n'].map(
          (name) => lstatSync(join(target, name), { bigint: true }).mtimeNs,
        );
        expect(times).toEqual([NOW, NOW, OLD, OLD, -1_000_000_000n]);
      },
    ));

  it('hard links within one directory and nowhere else', () =>
    copying(
      {
        context: { 'd/g': file('x'), 'd/h': hardLink('d/g'), i: hardLink('d/g') },
        words: ['d', 'i'],
        to: '/x/',
      },
      (target) => {
        const inode = (name: string): number => lstatSync(join(target, 'x', name)).ino;
        expect(inode('g')).toBe(inode('h'));
        expect(inode('i')).not.toBe(inode('g'));
      },
    ));

  it('fifos and devices as they are, and files for sockets', async () => {
    await using scratch = await openScratch('nodes');
    const context = makeTree(scratch.path('context'), {
      'd/p': { type: 'fifo', mode: 0o640 },
      'd/n': { type: 'char', mode: 0o666 },
    });
    const server = createServer().listen(join(context, 'd/s'));
    await once(server, 'listening');
    const target = scratch.path('target');
    mkdirSync(target);
    const sources = await selectSources(new MergedTree([context], { plain: true }), ['d']);
    const writer = new LayerWriter(target, new MergedTree([]), { now: NOW });
    await copyFiles(writer, {
      sources,
      destination: '/',
      workdir: '/',
      wordCount: 1,
      keepsOwner: false,
      placement: 'docker',
      chmod: () => 0o700,
    });
    expect(describeTree(target)).toEqual({ n: 'char 0700 1,3', p: 'fifo 0700', s: 'file 0700' });
    await new Promise((resolve) => server.close(resolve));
  });
});

describeWithRoot('COPY refuses', () => {
  it.each<[string, Omit<Copy, 'context'>]>([
    ['several sources for one name', { words: ['f', 'g'], to: '/x' }],
    ['several matches for one name', { words: ['?'], to: '/x' }],
    ['several sources over a file', { rootfs: { x: file() }, words: ['f', 'g'], to: '/x' }],
    ['a directory over a file', { rootfs: { x: file() }, words: ['d'], to: '/x' }],
    ['a directory over a device', { rootfs: { x: { type: 'char' } }, words: ['d'], to: '/x' }],
    ['a file named as a directory', { rootfs: { x: file() }, words: ['f'], to: '/x/' }],
    ['a file as a parent', { rootfs: { x: file() }, words: ['f'], to: '/x/y' }],
    ['a directory over a file further down', { rootfs: { 'x/sub': file() }, words: ['d'], to: '/x' }],
    [
      'a directory over a symlink further down',
      { rootfs: { 'x/sub': symlink('/x') }, words: ['d'], to: '/x' },
    ],
    ['a file over a directory further down', { rootfs: { 'x/one': dir() }, words: ['d'], to: '/x' }],
    ['a file over a directory inside the destination', { rootfs: { 'x/f': dir() }, words: ['f'], to: '/x' }],
    ['a loop in the destination', { rootfs: { loop: symlink('loop') }, words: ['f'], to: '/loop/x' }],
    ['a name that is missing', { words: ['nope'], to: '/x' }],
    ['a name below a file', { words: ['f/x'], to: '/x' }],
    ['a symlink to nowhere', { words: ['d/broken'], to: '/x' }],
  ])('%s', async (_, copy) => {
    await expect(copying({ context: CONTEXT, ...copy })).rejects.toMatchObject({ code: 'COPY' });
  });

  it.each<[string, Items, string[]]>([
    ['a directory', { 'a/n/x': file(), 'b/n': file() }, ['a', 'b']],
    ['a file', { 'b/n/x': file(), 'a/n': file() }, ['a', 'b']],
  ])('to replace %s it has just copied by something else', async (_, context, words) => {
    await expect(copying({ context, words, to: '/new/' })).rejects.toMatchObject({ code: 'COPY' });
  });

  it('a file that changed after it was selected', async () => {
    await using scratch = await openScratch('changing');
    const context = makeTree(scratch.path('context'), { f: file('abc') });
    const sources = await selectSources(new MergedTree([context], { plain: true }), ['f']);
    writeFileSync(join(context, 'f'), 'xyz');
    const target = scratch.path('target');
    mkdirSync(target);
    const request: CopyRequest = {
      sources,
      destination: '/',
      workdir: '/',
      wordCount: 1,
      keepsOwner: false,
      placement: 'docker',
    };
    await expect(copyFiles(new LayerWriter(target, new MergedTree([])), request)).rejects.toMatchObject({
      code: 'CONTEXT',
    });
  });

  it('a file below a directory that became a symlink', async () => {
    await using scratch = await openScratch('changing');
    const root = makeTree(scratch.directory, { 'c/d/f': file('public'), 'secret/f': file('secret') });
    const context = new MergedTree([join(root, 'c')], { plain: true });
    renameSync(join(root, 'c/d'), join(root, 'was'));
    symlinkSync('../secret', join(root, 'c/d'));
    const target = scratch.path('target');
    mkdirSync(target);
    const node = new MergedTree([root], { plain: true }).lookup(toBytePath('secret/f'));
    const host = Buffer.from(join(root, 'c/d/f'));
    const source = { name: 'f', node: node!, files: [{ path: ROOT, node: { ...node!, host } }] };
    const request: CopyRequest = {
      sources: [source],
      destination: '/',
      workdir: '/',
      wordCount: 1,
      keepsOwner: false,
      placement: 'docker',
    };
    await expect(copyFiles(new LayerWriter(target, new MergedTree([])), request)).rejects.toMatchObject({
      code: 'CONTEXT',
    });
    expect(context.lookup(toBytePath('d'))?.type).toBe('symlink');
  });

  it('no file because its context is reached through a symlink', async () => {
    await using scratch = await openScratch('linked');
    const root = makeTree(scratch.directory, { 'real/f': file('F'), link: symlink('real') });
    const target = scratch.path('target');
    mkdirSync(target);
    const sources = await selectSources(new MergedTree([join(root, 'link')], { plain: true }), ['f']);
    const request: CopyRequest = {
      sources,
      destination: '/',
      workdir: '/',
      wordCount: 1,
      keepsOwner: false,
      placement: 'docker',
    };
    await copyFiles(new LayerWriter(target, new MergedTree([])), request);
    expect(describeTree(target)).toEqual({ f: 'file 0644 F' });
  });

  it('to go on when interrupted', async () => {
    const context = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`d/${index}`, file('x')]));
    const controller = new AbortController();
    controller.abort(new Error('stop'));
    const copy = copying({ context, words: ['d'], to: '/x/', with: { signal: controller.signal } });
    await expect(copy).rejects.toThrow('stop');
  });
});

describe('a copy committed', () => {
  it('adds no layer when everything is there already', async () => {
    await using scratch = await openScratch('same');
    const context = makeTree(scratch.path('context'), { 'd/f': file('x'), 'd/s/g': file('y') });
    truncateSync(join(context, 'd/f'), 1);
    const lower = scratch.path('lower');
    const upper = scratch.path('upper');
    for (const [target, below] of [
      [lower, []],
      [upper, [lower]],
    ] as const) {
      mkdirSync(target);
      const tree = new MergedTree(below);
      const writer = new LayerWriter(target, tree, { now: NOW });
      const sources = await selectSources(new MergedTree([context], { plain: true }), ['d']);
      await copyFiles(writer, {
        sources,
        destination: '/x',
        workdir: '/',
        wordCount: 1,
        keepsOwner: false,
        placement: 'docker',
      });
      const { changed } = commitUpper(target, tree, { overlay: 'trusted' });
      expect(changed).toBe(target === lower);
    }
  });
});
