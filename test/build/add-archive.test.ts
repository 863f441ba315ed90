import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, lstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { extractArchive, type ArchiveOptions } from '../../src/build/add-archive.ts';
import { toBytePath } from '../../src/layer/byte-path.ts';
import { LayerWriter } from '../../src/layer/layer-writer.ts';
import { MergedTree } from '../../src/layer/merged-tree.ts';
import { encodeEntry, type EntryHeader } from '../../src/layer/tar-writer.ts';
import { statPath } from '../../src/layer/tree-node.ts';
import { readXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
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
type Entry = Partial<EntryHeader> & Pick<EntryHeader, 'path' | 'type'> & { readonly content?: string };

const NOW = 1_700_000_000_000_000_000n;

function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ content = '', ...entry }) => {
    const body = Buffer.from(content);
    const header = encodeEntry({
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: 1_000_000_000,
      ...entry,
      size: body.length,
    });
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

interface Outcome {
  readonly unpacked: boolean;
  readonly target: string;
  readonly scratch: Scratch;
}

async function adding(
  archive: Buffer | ((scratch: Scratch) => string),
  { rootfs = {}, to = '/o', ...options }: { rootfs?: Items; to?: string } & Partial<ArchiveOptions>,
  check: (outcome: Outcome) => void = () => undefined,
): Promise<void> {
  await using scratch = await openScratch('add');
  const path = typeof archive === 'function' ? archive(scratch) : await scratch.write('archive', archive);
  const target = scratch.path('target');
  mkdirSync(target);
  const writer = new LayerWriter(target, new MergedTree([makeTree(scratch.path('rootfs'), rootfs)]), {
    now: NOW,
  });
  const source = { host: Buffer.from(path), stat: statPath(Buffer.from(path))! };
  const unpacked = await extractArchive(writer, source, { destination: toBytePath(to), ...options });
  check({ unpacked, target, scratch });
}

async function added(
  entries: readonly Entry[],
  options: { rootfs?: Items; to?: string } & Partial<ArchiveOptions> = {},
): Promise<Record<string, string>> {
  let tree: Record<string, string> = {};
  await adding(tarOf(entries), options, ({ target }) => (tree = describeTree(target)));
  return tree;
}

const SOURCE: Items = {
  'a/file': file('content', { mode: 0o4755, uid: 11, gid: 12 }),
  'a/hard': hardLink('a/file'),
  'a/link': symlink('/abs', { uid: 3 }),
  'a/pipe': { type: 'fifo' },
  'a/null': { type: 'char', mode: 0o666 },
  a: dir({ mode: 0o2750, uid: 11 }),
  big: file('0123456789'.repeat(40_000)),
};

describeWithRoot('ADD of an archive', () => {
  it.each([
    ['plain', []],
    ['gzip', ['-z']],
    ['bzip2', ['-j']],
    ['xz', ['-J']],
    ['zstd', ['--zstd']],
  ])('unpacks a tar that is %s', async (_, flags) => {
    const make = (scratch: Scratch): string => {
      execFileSync('tar', [
        '-C',
        makeTree(scratch.path('source'), SOURCE),
        ...flags,
        '-cf',
        scratch.path('t'),
        '.',
      ]);
      return scratch.path('t');
    };
    await adding(make, { rootfs: { o: dir({ mode: 0o711, uid: 9 }) } }, ({ unpacked, target }) => {
      expect(unpacked).toBe(true);
      expect(describeTree(target)).toEqual({
        o: 'dir 0711 9:0',
        'o/a': 'dir 2750 11:0',
        'o/a/file': 'file 4755 11:12 content',
        'o/a/hard': 'file 4755 11:12 content',
        'o/a/link': '-> /abs 3:0',
        'o/a/null': 'char 0666 1,3',
        'o/a/pipe': 'fifo 0644',
        'o/big': 'file 0644 400000 bytes',
      });
      expect(lstatSync(join(target, 'o/a/file')).ino).toBe(lstatSync(join(target, 'o/a/hard')).ino);
      expect(readFileSync(join(target, 'o/big'), 'utf8')).toBe('0123456789'.repeat(40_000));
      const times = ['o', 'o/a', 'o/a/file'].map(
        (name) => lstatSync(join(target, name), { bigint: true }).mtimeNs,
      );
      expect(times).toEqual([NOW, OLD, OLD]);
    });
  });

  it.each<[string, Buffer]>([
    ['a text', Buffer.from('hello\n'.repeat(200))],
    ['a short text', Buffer.from('hello')],
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(2048)],
    ['a compressed text', gzipSync('hello\n'.repeat(2000))],
    [
      'a damaged gzip stream',
      Buffer.concat([gzipSync(Buffer.alloc(100_000, 'x')).subarray(0, 30), Buffer.alloc(600, 1)]),
    ],
    ['a header with a wrong checksum', Buffer.from(tarOf([{ path: 'a', type: 'file' }])).fill(0x41, 0, 2)],
  ])('leaves %s alone', async (_, content) => {
    await adding(content, {}, ({ unpacked, target }) => {
      expect(unpacked).toBe(false);
      expect(describeTree(target)).toEqual({});
    });
  });

  it('gives the owner to what it makes for the destination only', async () => {
    const tree = await added([{ path: 'x/f', type: 'file', uid: 5 }], {
      to: '/p/o',
      owner: { uid: 7, gid: 8 },
    });
    expect(tree).toEqual({
      p: 'dir 0755 7:8',
      'p/o': 'dir 0755 7:8',
      'p/o/x': 'dir 0755',
      'p/o/x/f': 'file 0644 5:0',
    });
  });

  it('keeps xattrs that belong into a layer', async () => {
    const xattrs = new Map([
      ['user.k', Buffer.from('v')],
      ['trusted.overlay.opaque', Buffer.from('y')],
      ['security.selinux', Buffer.from('label')],
    ]);
    await adding(
      tarOf([
        { path: 'd/', type: 'directory', mode: 0o755, xattrs },
        { path: 'd/f', type: 'file', xattrs },
      ]),
      {},
      ({ target }) => {
        for (const path of ['o/d', 'o/d/f']) {
          expect(readXattr(join(target, path), 'user.k')?.toString()).toBe('v');
          expect(readXattr(join(target, path), 'trusted.overlay.opaque')).toBeUndefined();
        }
      },
    );
  });

  it.each<[string, Entry[], { rootfs?: Items; to?: string }, Record<string, string>]>([
    [
      'names above the root',
      [
        { path: '../../up', type: 'file' },
        { path: '/abs', type: 'file' },
        { path: 'a/../../b', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/abs': 'file 0644', 'o/b': 'file 0644', 'o/up': 'file 0644' },
    ],
    [
      'a destination that the archive has a file or directory for',
      [
        { path: '', type: 'file', mode: 0o600 },
        { path: './', type: 'directory', mode: 0o700 },
        { path: 'f', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/f': 'file 0644' },
    ],
    [
      'a symlink inside the destination',
      [
        { path: 'l', type: 'symlink', linkPath: 'd' },
        { path: 'l/f', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/d': 'dir 0755', 'o/d/f': 'file 0644', 'o/l': '-> d' },
    ],
    [
      'a symlink of the image inside the destination',
      [{ path: 'lib/f', type: 'file' }],
      { rootfs: { lib: symlink('usr/lib'), 'usr/lib': dir() }, to: '/' },
      { usr: 'dir 0755', 'usr/lib': 'dir 0755', 'usr/lib/f': 'file 0644' },
    ],
    [
      'a destination behind a symlink',
      [{ path: 'f', type: 'file' }],
      { rootfs: { o: symlink('../../real'), real: dir() } },
      { real: 'dir 0755', 'real/f': 'file 0644' },
    ],
    [
      'symlinks that lead out but are not followed',
      [
        { path: 'l', type: 'symlink', linkPath: '../../etc' },
        { path: 'l', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/l': 'file 0644' },
    ],
    [
      'a directory in place of a symlink',
      [
        { path: 'l', type: 'symlink', linkPath: '/etc' },
        { path: 'l/', type: 'directory', mode: 0o755 },
        { path: 'l/f', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/l': 'dir 0755', 'o/l/f': 'file 0644' },
    ],
    [
      'the same name twice',
      [
        { path: 'f', type: 'file', content: '1' },
        { path: 'f', type: 'file', content: '2' },
      ],
      {},
      { o: 'dir 0755', 'o/f': 'file 0644 2' },
    ],
    [
      'a file in place of a directory of the image',
      [{ path: 'd', type: 'file' }],
      { rootfs: { 'o/d/e': file() } },
      { o: 'dir 0755', 'o/d': 'file 0644' },
    ],
    [
      'a hard link named from the root of the archive',
      [
        { path: 'a/f', type: 'file', content: 'x' },
        { path: 'b', type: 'hardlink', linkPath: '/a/f' },
      ],
      {},
      { o: 'dir 0755', 'o/a': 'dir 0755', 'o/a/f': 'file 0644 x', 'o/b': 'file 0644 x' },
    ],
    [
      'a hard link to a file of the image in the destination',
      [{ path: 'b', type: 'hardlink', linkPath: 'old' }],
      { rootfs: { 'o/old': file('img') } },
      { o: 'dir 0755', 'o/b': 'file 0644 img', 'o/old': 'file 0644 img' },
    ],
    [
      'an entry for the root',
      [
        { path: './', type: 'directory', mode: 0o700, uid: 4 },
        { path: './f', type: 'file' },
      ],
      {},
      { o: 'dir 0755', 'o/f': 'file 0644' },
    ],
  ])('keeps %s in place', async (...[, entries, options, expected]) =>
    expect(await added(entries, options)).toEqual(expected),
  );

  it.each<[string, Entry[], { rootfs?: Items }]>([
    [
      'an absolute symlink',
      [
        { path: 'l', type: 'symlink', linkPath: '/etc' },
        { path: 'l/f', type: 'file' },
      ],
      {},
    ],
    [
      'a relative symlink',
      [
        { path: 'l', type: 'symlink', linkPath: '../etc' },
        { path: 'l/f', type: 'file' },
      ],
      {},
    ],
    [
      'a chain of symlinks',
      [
        { path: 'a', type: 'symlink', linkPath: 'b' },
        { path: 'b', type: 'symlink', linkPath: '..' },
        { path: 'a/f', type: 'file' },
      ],
      {},
    ],
    ['a symlink of the image', [{ path: 'l/f', type: 'file' }], { rootfs: { 'o/l': symlink('/etc') } }],
    [
      'a symlink that replaced the parent of entries before',
      [
        { path: 'd/one', type: 'file' },
        { path: 'd', type: 'symlink', linkPath: '/etc' },
        { path: 'd/two', type: 'file' },
      ],
      {},
    ],
    [
      'a hard link',
      [{ path: 'h', type: 'hardlink', linkPath: '../etc/passwd' }],
      { rootfs: { 'etc/passwd': file('secret') } },
    ],
    [
      'a hard link through a symlink',
      [
        { path: 'l', type: 'symlink', linkPath: '/etc' },
        { path: 'h', type: 'hardlink', linkPath: 'l/passwd' },
      ],
      { rootfs: { 'etc/passwd': file('secret') } },
    ],
    [
      'a symlink to itself',
      [
        { path: 'l', type: 'symlink', linkPath: 'l' },
        { path: 'l/f', type: 'file' },
      ],
      {},
    ],
    ['a hard link to itself', [{ path: 'h', type: 'hardlink', linkPath: 'h' }], {}],
    [
      'a hard link to what comes later',
      [
        { path: 'h', type: 'hardlink', linkPath: 'f' },
        { path: 'f', type: 'file' },
      ],
      {},
    ],
    [
      'a hard link to a directory',
      [
        { path: 'd/', type: 'directory', mode: 0o755 },
        { path: 'h', type: 'hardlink', linkPath: 'd' },
      ],
      {},
    ],
    [
      'a file as a parent',
      [
        { path: 'f', type: 'file' },
        { path: 'f/g', type: 'file' },
      ],
      {},
    ],
    ['a symlink as the root', [{ path: './', type: 'symlink', linkPath: '/etc' }], {}],
    ['a device that means deletion', [{ path: 'n', type: 'char', device: { major: 0, minor: 0 } }], {}],
    ['a symlink to nothing', [{ path: 'l', type: 'symlink', linkPath: '' }], {}],
    ['a name no file system takes', [{ path: 'n'.repeat(300), type: 'file' }], {}],
    ['a file as destination', [{ path: 'f', type: 'file' }], { rootfs: { o: file() } }],
  ])('refuses %s', async (_, entries, options) => {
    const check = ({ scratch }: Outcome): void => expect(describeTree(scratch.path('target'))).toEqual({});
    await expect(adding(tarOf(entries), options, check)).rejects.toMatchObject({ code: 'ADD' });
  });

  it.each<[string, (tar: Buffer) => Buffer]>([
    ['ends too early', (tar) => tar.subarray(0, 1200)],
    ['is damaged further on', (tar) => Buffer.from(tar).fill(0x7f, 1024, 1100)],
    [
      'is compressed and ends too early',
      (tar) => gzipSync(Buffer.concat([tar.subarray(0, 1024), Buffer.alloc(1 << 20, 'q')])).subarray(0, 900),
    ],
  ])('refuses an archive that %s', async (_, damage) => {
    const tar = tarOf([
      { path: 'a', type: 'file', content: 'x'.repeat(400) },
      { path: 'b', type: 'file', content: 'y' },
    ]);
    await expect(adding(damage(tar), {})).rejects.toMatchObject({ code: 'ADD' });
  });

  it.each<[string, (tar: Buffer) => Buffer]>([
    ['text', (tar) => Buffer.concat([tar, Buffer.from('signed\n')])],
    ['another archive', (tar) => Buffer.concat([tar, tarOf([{ path: 'b', type: 'file' }])])],
    ['text, compressed', (tar) => gzipSync(Buffer.concat([tar, Buffer.from('signed\n')]))],
  ])('passes over what is behind the end of an archive: %s', async (_, append) => {
    const tar = tarOf([{ path: 'a', type: 'file' }]);
    await adding(append(tar), {}, ({ unpacked, scratch }) => {
      expect(unpacked).toBe(true);
      expect(Object.keys(describeTree(scratch.path('target')))).toEqual(['o', 'o/a']);
    });
  });

  it('refuses an archive that goes on behind half an end', async () => {
    const entry = tarOf([{ path: 'a', type: 'file' }]).subarray(0, 512);
    const broken = Buffer.concat([entry, Buffer.alloc(512), entry, Buffer.alloc(1024)]);
    await expect(adding(broken, {})).rejects.toMatchObject({ code: 'ADD' });
  });

  it('closes no descriptor but its own when a file is no archive', async () => {
    const later: number[] = [];
    for (let round = 0; round < 20; round++)
      await adding(Buffer.alloc(4096, 'text\n'), {}, ({ unpacked }) => {
        expect(unpacked).toBe(false);
        later.push(openSync('/dev/null', 'r'));
      });
    await sleep(50); // whatever was still to be closed
    for (const each of later) {
      expect(() => fstatSync(each)).not.toThrow();
      closeSync(each);
    }
  });

  it('refuses an archive that changed since it was selected', async () => {
    await using scratch = await openScratch('add');
    const host = Buffer.from(await scratch.write('t.tar', tarOf([{ path: 'a', type: 'file' }])));
    const stat = statPath(host)!;
    writeFileSync(host, tarOf([{ path: 'b', type: 'file' }]));
    mkdirSync(scratch.path('target'));
    const writer = new LayerWriter(scratch.path('target'), new MergedTree([]), { now: NOW });
    await expect(
      extractArchive(writer, { host, stat }, { destination: toBytePath('o') }),
    ).rejects.toMatchObject({ code: 'CONTEXT' });
  });

  it('stops when interrupted', async () => {
    const entries = Array.from({ length: 4000 }, (_, index): Entry => ({ path: `f${index}`, type: 'file' }));
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('stop')), 5);
    await expect(adding(tarOf(entries), { signal: controller.signal })).rejects.toThrow('stop');
  });
});
