import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { applyLayer, type AppliedLayer } from '../../src/layer/apply-layer.ts';
import type { OverlayNamespace } from '../../src/sys/identity.ts';
import { hashLayer } from '../../src/layer/write-layer.ts';
import { readXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { describeTree, dir, file, hardLink, makeTree, symlink, type Item } from '../support/tree-spec.ts';
import {
  dirEntry,
  extension,
  fileEntry,
  fingerprint,
  inChunks,
  linkEntry,
  paxRecords,
  rawHeader,
  symlinkEntry,
  tarOf,
  TIME,
  type Entry,
} from './tar-fixtures.ts';

type Items = Readonly<Record<string, Item>>;
interface Options {
  readonly base?: Items;
  readonly overlay?: OverlayNamespace;
  readonly chunk?: number;
}

/** Unpacks onto `base`; the layer is the directory `layer` of the scratch. */
async function apply(
  scratch: Scratch,
  tar: Buffer,
  { base, overlay = 'trusted', chunk }: Options = {},
): Promise<AppliedLayer> {
  const lowers = base === undefined ? [] : [makeTree(scratch.path('base'), base)];
  mkdirSync(scratch.path('layer'));
  return applyLayer(inChunks(tar, chunk), scratch.path('layer'), { lowers, overlay });
}

/** What `describeTree` says of the layer, with the opaque marks. */
async function unpacked(entries: readonly Entry[], base?: Items): Promise<Record<string, string>> {
  await using scratch = await openScratch('apply');
  await apply(scratch, tarOf(entries), base === undefined ? {} : { base });
  const tree = describeTree(scratch.path('layer'));
  const mark = (path: string): string =>
    readXattr(scratch.path('layer', path), 'trusted.overlay.opaque') === undefined ? '' : ' opaque';
  return Object.fromEntries(
    Object.entries(tree).map(([path, text]) => [path, text.startsWith('dir') ? text + mark(path) : text]),
  );
}

const invalid = expect.objectContaining({ code: 'LAYER_INVALID' }) as Error;

describeWithRoot('whiteouts', () => {
  const D: Items = { 'd/old': file(), 'd/x/old': file() };
  it.each<[string, Entry[], Record<string, string>]>([
    ['of a file', [dirEntry('d'), fileEntry('d/.wh.old')], { d: 'dir 0755', 'd/old': 'whiteout' }],
    ["without the parent's entry", [fileEntry('d/.wh.old')], { d: 'dir 0755', 'd/old': 'whiteout' }],
    ['of what is not there', [fileEntry('.wh.none')], { none: 'whiteout' }],
    [
      'of a directory and a new one after it',
      [fileEntry('.wh.d'), dirEntry('d', 0o700)],
      { d: 'dir 0700 opaque' },
    ],
    [
      'of a directory and a new one before it',
      [dirEntry('d', 0o700), fileEntry('.wh.d')],
      { d: 'dir 0700 opaque' },
    ],
    [
      'of a directory and a file in it after it',
      [fileEntry('.wh.d'), fileEntry('d/new', 'n')],
      { d: 'dir 0755 opaque', 'd/new': 'file 0644 n' },
    ],
    [
      'of a directory and a file in it before it',
      [fileEntry('d/new', 'n'), fileEntry('.wh.d')],
      { d: 'dir 0755 opaque', 'd/new': 'file 0644 n' },
    ],
    [
      'of a file and a new one after it',
      [fileEntry('d/.wh.old'), fileEntry('d/old', 'n')],
      { d: 'dir 0755', 'd/old': 'file 0644 n' },
    ],
    [
      'of a file and a new one before it',
      [fileEntry('d/old', 'n'), fileEntry('d/.wh.old')],
      { d: 'dir 0755', 'd/old': 'file 0644 n' },
    ],
    [
      'of a file and a symlink after it',
      [fileEntry('d/.wh.old'), symlinkEntry('d/old', 'x')],
      { d: 'dir 0755', 'd/old': '-> x' },
    ],
    [
      'of a file and a hard link after it',
      [fileEntry('a', 'x'), fileEntry('.wh.b'), linkEntry('b', 'a')],
      { a: 'file 0644 x', b: 'file 0644 x' },
    ],
    [
      'opaque before its siblings',
      [dirEntry('d'), fileEntry('d/.wh..wh..opq'), fileEntry('d/new', 'n')],
      { d: 'dir 0755 opaque', 'd/new': 'file 0644 n' },
    ],
    [
      'opaque after its siblings',
      [fileEntry('d/new', 'n'), fileEntry('d/.wh..wh..opq'), dirEntry('d')],
      { d: 'dir 0755 opaque', 'd/new': 'file 0644 n' },
    ],
    [
      'opaque in the root',
      [fileEntry('new', 'n'), fileEntry('.wh..wh..opq')],
      { d: 'whiteout', new: 'file 0644 n' },
    ],
    [
      'opaque in the root with a directory that goes on',
      [fileEntry('.wh..wh..opq'), dirEntry('d'), fileEntry('d/x/new', 'n')],
      { d: 'dir 0755 opaque', 'd/x': 'dir 0755', 'd/x/new': 'file 0644 n' },
    ],
    [
      'that AUFS kept its own things under',
      [
        dirEntry('.wh..wh.plnk'),
        fileEntry('.wh..wh.plnk/1.2', 'x'),
        fileEntry('.wh..wh.aufs'),
        fileEntry('d/.wh..wh.orph/f'),
      ],
      {},
    ],
    ['under the name of the opaque mark', [fileEntry('d/.wh..wh..opq/f', 'x')], {}],
  ])('%s', async (_name, entries, expected) => {
    expect(await unpacked(entries, D)).toEqual(expected);
  });

  it('in a user namespace use its attributes', async () => {
    await using scratch = await openScratch('apply');
    const tar = tarOf([
      dirEntry('d'),
      fileEntry('d/.wh..wh..opq'),
      { path: 'null', type: 'char', device: { major: 1, minor: 3 } },
    ]);
    await apply(scratch, tar, { overlay: 'user' });
    expect(readXattr(scratch.path('layer/d'), 'user.overlay.opaque')?.toString()).toBe('y');
    expect(describeTree(scratch.path('layer'))).toMatchObject({ d: 'dir 0755' });
  });

  it('in a user namespace keep devices, which nobody can make there: the layer is the same', async () => {
    await using scratch = await openScratch('apply');
    const tar = tarOf([
      { path: 'block', type: 'block', mode: 0o660, gid: 6, device: { major: 8, minor: 1 } },
      { path: 'null', type: 'char', mode: 0o666, device: { major: 1, minor: 3 } },
      { path: 'pts', type: 'char', device: { major: 136, minor: 300 } },
    ]);
    const layers: string[] = [];
    for (const overlay of ['trusted', 'user'] as const) {
      await apply(scratch, tar, { overlay });
      expect(statSync(scratch.path('layer/null')).isCharacterDevice()).toBe(overlay === 'trusted');
      layers.push((await hashLayer(scratch.path('layer'))).diffId);
      rmSync(scratch.path('layer'), { recursive: true });
    }
    expect(layers[1]).toBe(layers[0]);
  });

  it('give everything to root where there is nobody else', async () => {
    await using scratch = await openScratch('apply');
    mkdirSync(scratch.path('layer'));
    const tar = tarOf([{ path: 'f', type: 'file', uid: 7, gid: 42 }, dirEntry('d')]);
    const options = { lowers: [], overlay: 'user', singleOwner: true } as const;
    await applyLayer(inChunks(tar, 512), scratch.path('layer'), options);
    expect(statSync(scratch.path('layer/f'))).toMatchObject({ uid: 0, gid: 0 });
  });
});

describeWithRoot('refused', () => {
  const char = (major: number): Entry => ({ path: 'c', type: 'char', device: { major, minor: major } });
  it.each<[string, Entry[] | Buffer]>([
    ['a whiteout of nothing', [fileEntry('d/.wh.')]],
    ['a whiteout of the directory itself', [fileEntry('d/.wh..')]],
    ['a whiteout of the parent', [fileEntry('d/.wh...')]],
    ['a whiteout twice', [fileEntry('.wh.x'), fileEntry('.wh.x')]],
    ['a root that is a file', [fileEntry('.')]],
    ['a root that is a symlink', [symlinkEntry('/', '/etc')]],
    ['a root that is a device', [{ ...char(1), path: '.' }]],
    ['a root that is a hard link', [fileEntry('a'), linkEntry('a/..', 'a')]],
    ['a file twice', [fileEntry('a'), fileEntry('b'), fileEntry('./a')]],
    ['a symlink and a file of one name', [symlinkEntry('a', '/etc/passwd'), fileEntry('a', 'x')]],
    ['a file and a directory of one name', [fileEntry('a'), dirEntry('a')]],
    ['a directory and a file of one name', [dirEntry('a'), fileEntry('a')]],
    ['a directory that had files and a symlink of its name', [fileEntry('a/b'), symlinkEntry('a', '/etc')]],
    ['a hard link and a file of one name', [fileEntry('a'), linkEntry('b', 'a'), fileEntry('b')]],
    ['a file as parent', [fileEntry('a'), fileEntry('a/b')]],
    ['a device as parent', [char(1), fileEntry('c/b')]],
    ['a symlink to a file as parent', [fileEntry('a'), symlinkEntry('l', 'a'), fileEntry('l/b')]],
    ['a symlink to itself as parent', [symlinkEntry('l', 'l'), fileEntry('l/b')]],
    ['symlinks in a circle as parents', [symlinkEntry('a', 'b'), symlinkEntry('b', 'a/x'), fileEntry('a/b')]],
    ['a hard link to nothing', [linkEntry('b', 'a')]],
    ['a hard link to a later entry', [linkEntry('b', 'a'), fileEntry('a')]],
    ['a hard link to itself', [linkEntry('a', './a')]],
    ['a hard link to a directory', [dirEntry('d'), linkEntry('b', 'd')]],
    ['a hard link to the root', [linkEntry('b', '/')]],
    ['a hard link to what this layer deletes', [fileEntry('.wh.a'), linkEntry('b', 'a')]],
    ['a hard link to a file that is not in the root', [linkEntry('b', '/etc/shadow')]],
    ['a symlink without a target', [symlinkEntry('s', '')]],
    ['a character device 0:0', [char(0)]],
    ['a name of 300 bytes', [fileEntry('n'.repeat(300))]],
    ['a path of 5000 bytes', [fileEntry('n/'.repeat(2500) + 'f')]],
    [
      'an owner beyond 32 bits',
      Buffer.concat([extension('x', paxRecords([['uid', '4294967296']])), rawHeader('f', '0')]),
    ],
    [
      'an owner that means none',
      Buffer.concat([extension('x', paxRecords([['uid', '4294967295']])), rawHeader('f', '0')]),
    ],
  ])('%s', async (_name, tar) => {
    await using scratch = await openScratch('refused');
    const bytes = Buffer.isBuffer(tar) ? tar : tarOf(tar);
    await expect(apply(scratch, bytes, { base: { a2: file() } })).rejects.toThrow(invalid);
  });

  it('names the path', async () => {
    await using scratch = await openScratch('refused');
    await expect(apply(scratch, tarOf([fileEntry('a/b'), fileEntry('a/b')]))).rejects.toThrow(
      '/a/b is in the layer twice',
    );
  });
});

describeWithRoot('attributes', () => {
  it("keep setuid bits, capabilities and user attributes, and nothing that is not a layer's", async () => {
    await using scratch = await openScratch('apply');
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const names = [
      'trusted.evil',
      'trusted.overlay.opaque',
      'user.overlay.redirect',
      'security.ima',
      'security.selinux',
      'system.posix_acl_access',
    ];
    const xattrs = new Map([
      ...names.map((name) => [name, Buffer.from('y')] as const),
      ['security.capability', capability],
      ['user.a', Buffer.from('\0\xff', 'latin1')],
    ]);
    const tar = tarOf([
      { ...dirEntry('d', 0o2751), uid: 5, gid: 6, xattrs },
      fileEntry('d/f', 'x', { mode: 0o6755, uid: 7, gid: 8, mtime: -3, xattrs }),
      { ...symlinkEntry('d/s', 'f'), uid: 9, gid: 9, xattrs },
      { path: 'd/p', type: 'fifo', mode: 0o777, xattrs },
      { path: 'd/b', type: 'block', mode: 0o660, gid: 4, device: { major: 8, minor: 0x12345 } },
    ]);
    await apply(scratch, tar);
    const lines = fingerprint(scratch.path('layer'));
    const hash = createHash('sha256').update('x').digest('hex').slice(0, 16);
    const kept = `security.capability=${capability.toString('hex')} user.a=00ff`;
    expect(lines).toMatchObject({
      '': 'dir 755 0:0 @0',
      d: `dir 2751 5:6 @${TIME} user.a=00ff`.replace('user.a=00ff', kept),
      'd/f': `file 6755 7:8 @-3 ${hash} ${kept}`,
      'd/s': `symlink 777 9:9 @${TIME} -> f`,
      'd/p': `fifo 777 0:0 @${TIME}`,
    });
    expect(lines['d/b']).toMatch(/^block 660 0:4/);
  });

  it('of the root come from its entry', async () => {
    await using scratch = await openScratch('apply');
    await apply(
      scratch,
      tarOf([{ path: './', type: 'directory', mode: 0o1711, uid: 3, mtime: 44 }, fileEntry('f')]),
    );
    expect(fingerprint(scratch.path('layer'))['']).toBe('dir 1711 3:0 @44');
  });

  it('of parents without an entry come from below', async () => {
    await using scratch = await openScratch('apply');
    const base: Items = {
      top: dir({
        mode: 0o1777,
        uid: 4,
        mtimeNs: 77_500_000_000n,
        xattrs: { 'user.k': 'v', 'trusted.overlay.opaque': 'y' },
      }),
      'top/sub': dir({ mode: 0o700 }),
      plain: file(),
    };
    await apply(scratch, tarOf([fileEntry('top/sub/f'), fileEntry('new/f'), fileEntry('plain/f')]), { base });
    expect(fingerprint(scratch.path('layer'))).toMatchObject({
      top: 'dir 1777 4:0 @77 user.k=76',
      'top/sub': 'dir 700 0:0 @1000000000',
      new: 'dir 755 0:0 @0',
      plain: 'dir 755 0:0 @0',
    });
    expect(statSync(scratch.path('layer/top'), { bigint: true }).mtimeNs).toBe(77_500_000_000n);
  });

  it("of two entries for one directory are the last one's", async () => {
    expect(await unpacked([dirEntry('d', 0o700), fileEntry('d/f'), dirEntry('d', 0o711)])).toMatchObject({
      d: 'dir 0711',
    });
  });

  it('keep fractions of seconds', async () => {
    await using scratch = await openScratch('apply');
    await apply(
      scratch,
      Buffer.concat([extension('x', paxRecords([['mtime', '5.123456789']])), rawHeader('f', '0')]),
    );
    expect(statSync(scratch.path('layer/f'), { bigint: true }).mtimeNs).toBe(5_123_456_789n);
  });

  it('of directories are not touched by what comes after', async () => {
    await using scratch = await openScratch('apply');
    await apply(
      scratch,
      tarOf([dirEntry('d'), fileEntry('d/f'), dirEntry('d/e'), linkEntry('d/e/l', 'd/f')]),
    );
    const lines = fingerprint(scratch.path('layer'));
    expect([lines['d'], lines['d/e']]).toEqual([`dir 755 0:0 @${TIME}`, `dir 755 0:0 @${TIME}`]);
  });
});

describeWithRoot('hard links', () => {
  it('to a file of a layer below bring it along with all it has', async () => {
    await using scratch = await openScratch('apply');
    const base: Items = {
      'bin/tool': file('binary', { mode: 0o4755, uid: 3, gid: 4, xattrs: { 'user.a': 'b' } }),
      'bin/other': hardLink('bin/tool'),
      'lib/link': symlink('tool', { uid: 7 }),
    };
    await apply(scratch, tarOf([linkEntry('new/tool', 'bin/tool'), linkEntry('new/link', 'lib/link')]), {
      base,
    });
    const lines = fingerprint(scratch.path('layer'));
    expect(Object.keys(lines)).toEqual([
      '',
      'bin',
      'bin/tool',
      'lib',
      'lib/link',
      'new',
      'new/link',
      'new/tool',
    ]);
    expect(lines['bin/tool']).toMatch(/^file 4755 3:4 @1000000000 .* user.a=62$/);
    expect(lines['new/tool']).toContain('= bin/tool');
    expect(lines['new/link']).toContain('= lib/link');
    expect(readFileSync(scratch.path('layer/new/tool'), 'utf8')).toBe('binary');
  });

  it('to a device or a fifo are second names of it', async () => {
    const entries: Entry[] = [
      { path: 'n', type: 'char', device: { major: 1, minor: 3 } },
      linkEntry('m', 'n'),
    ];
    expect(await unpacked(entries)).toEqual({ m: 'char 0644 1,3', n: 'char 0644 1,3' });
  });

  it('to what is hidden below are refused', async () => {
    const base: Items = { 'd/f': file() };
    await expect(
      unpacked([dirEntry('d'), fileEntry('d/.wh..wh..opq'), linkEntry('g', 'd/f')], base),
    ).rejects.toThrow(invalid);
    await expect(unpacked([fileEntry('.wh.d'), dirEntry('d'), linkEntry('g', 'd/f')], base)).rejects.toThrow(
      invalid,
    );
  });
});

describeWithRoot('paths', () => {
  it.each<[string, { tar: Entry[]; base?: Items }, Record<string, string>]>([
    [
      'through a symlink of the layer',
      { tar: [symlinkEntry('l', 'd/e'), fileEntry('l/f', 'x')] },
      { d: 'dir 0755', 'd/e': 'dir 0755', 'd/e/f': 'file 0644 x', l: '-> d/e' },
    ],
    [
      'through a symlink below',
      { tar: [fileEntry('lib/f', 'x')], base: { lib: symlink('usr/lib'), 'usr/lib': dir({ mode: 0o711 }) } },
      { usr: 'dir 0755', 'usr/lib': 'dir 0711', 'usr/lib/f': 'file 0644 x' },
    ],
    [
      'through a symlink below that leads up and to another',
      {
        tar: [fileEntry('d/way/f', 'x')],
        base: { 'd/way': symlink('../e/../../next/x'), next: symlink('/d/./e') },
      },
      { d: 'dir 0755', 'd/e': 'dir 0755', 'd/e/x': 'dir 0755', 'd/e/x/f': 'file 0644 x' },
    ],
    [
      'not through a symlink below that this layer deletes',
      { tar: [fileEntry('.wh.lib'), fileEntry('lib/f', 'x')], base: { lib: symlink('usr') } },
      { lib: 'dir 0755 opaque', 'lib/f': 'file 0644 x' },
    ],
    [
      'not through a symlink below in an opaque directory',
      { tar: [fileEntry('d/.wh..wh..opq'), fileEntry('d/lib/f', 'x')], base: { 'd/lib': symlink('/usr') } },
      { d: 'dir 0755 opaque', 'd/lib': 'dir 0755', 'd/lib/f': 'file 0644 x' },
    ],
    [
      'not through a symlink below in a directory that became opaque later',
      {
        tar: [fileEntry('d/e/f'), fileEntry('d/.wh..wh..opq'), fileEntry('d/e/lib/f', 'x')],
        base: { 'd/e/lib': symlink('/usr') },
      },
      {
        d: 'dir 0755 opaque',
        'd/e': 'dir 0755',
        'd/e/f': 'file 0644',
        'd/e/lib': 'dir 0755',
        'd/e/lib/f': 'file 0644 x',
      },
    ],
    [
      'over a symlink below as a directory',
      { tar: [dirEntry('lib'), fileEntry('lib/f', 'x')], base: { lib: symlink('usr') } },
      { lib: 'dir 0755', 'lib/f': 'file 0644 x' },
    ],
    [
      'that say .. in the middle',
      { tar: [fileEntry('a/../b/./c', 'x')] },
      { b: 'dir 0755', 'b/c': 'file 0644 x' },
    ],
  ])('%s', async (_name, { tar, base }, expected) => {
    expect(await unpacked(tar, base)).toEqual(expected);
  });

  it('may have any bytes', async () => {
    await using scratch = await openScratch('paths');
    await apply(scratch, tarOf([fileEntry('\n\\:\x80/\xff')]));
    expect(Object.keys(fingerprint(scratch.path('layer')))).toEqual(['', '\n\\:\x80', '\n\\:\x80/\xff']);
  });

  it('may be deep', async () => {
    await using scratch = await openScratch('paths');
    const depth = 500;
    const path = `${'d/'.repeat(depth)}f`;
    await apply(scratch, tarOf([fileEntry(path, 'x'), fileEntry(`${path}2`)]), { base: {} });
    expect(readFileSync(scratch.path('layer', path), 'utf8')).toBe('x');
  });
});

describeWithRoot('content', () => {
  it('of any size arrives in chunks of any size', async () => {
    const sizes = [0, 1, 511, 512, 513, 131_072, 131_073, 1_000_000];
    const content = (size: number): Buffer => Buffer.alloc(size, 'arch-build');
    const tar = tarOf(sizes.map((size) => fileEntry(`f${size}`, content(size).toString())));
    for (const chunk of [700, 65_536, 1 << 20]) {
      await using scratch = await openScratch('content');
      const applied = await apply(scratch, tar, { chunk });
      expect(applied).toEqual({
        diffId: `sha256:${createHash('sha256').update(tar).digest('hex')}`,
        size: tar.length,
        entries: sizes.length,
      });
      for (const size of sizes)
        expect(readFileSync(scratch.path(`layer/f${size}`)).equals(content(size))).toBe(true);
    }
  });

  it('of zeros takes no space', async () => {
    await using scratch = await openScratch('content');
    const data = Buffer.alloc(8 << 20);
    data.write('start');
    data.write('middle', 3_000_000);
    await apply(
      scratch,
      tarOf([
        { path: 'f', content: data },
        { path: 'zeros', content: Buffer.alloc(1 << 20) },
      ]),
    );
    expect(readFileSync(scratch.path('layer/f')).equals(data)).toBe(true);
    expect(statSync(scratch.path('layer/f')).blocks * 512).toBeLessThan(1 << 20);
    expect(statSync(scratch.path('layer/zeros'))).toMatchObject({ size: 1 << 20, blocks: 0 });
  });

  it("goes into a whiteout's place", async () => {
    await using scratch = await openScratch('content');
    const base = { f: file('old') };
    await apply(scratch, tarOf([fileEntry('.wh.f'), { path: 'f', content: Buffer.alloc(300_000, 'x') }]), {
      base,
    });
    expect(statSync(scratch.path('layer/f')).size).toBe(300_000);
  });

  it('that breaks off is told as what the source said', async () => {
    await using scratch = await openScratch('content');
    mkdirSync(scratch.path('layer'));
    const source = async function* (): AsyncGenerator<Buffer> {
      yield* inChunks(tarOf([{ path: 'f', content: Buffer.alloc(1 << 20, 'x') }]).subarray(0, 400_000));
      throw new RangeError('line cut');
    };
    const options = { lowers: [], overlay: 'trusted' } as const;
    await expect(applyLayer(source(), scratch.path('layer'), options)).rejects.toThrow('line cut');
  });
});
