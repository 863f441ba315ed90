/** The tar behind sealer's layer ids: its sizes are known from sealer itself, its headers are read with our reader. */
import { chmodSync, linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encodeGoHeader, type GoHeader } from '../../src/layer/go-tar-header.ts';
import { describeSealerLayer } from '../../src/layer/sealer-layer.ts';
import { decodePax } from '../../src/layer/pax.ts';
import { decodeHeader } from '../../src/layer/tar-format.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { makeNode, S_IFCHR } from '../../src/sys/special-file.ts';
import { writeXattr } from '../../src/sys/xattr.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const OWNERS = { user: (uid: number) => (uid === 0 ? 'root' : ''), group: () => 'root' };
const HEADER: GoHeader = {
  path: 'etc/Clusterfile',
  type: '0',
  mode: 0o644,
  uid: 0,
  gid: 0,
  user: 'root',
  group: 'root',
  size: 5,
  mtime: 1_646_720_598,
};
const END = Buffer.alloc(1024);

/** The digest of a tar put together by hand. */
const tarDigest = (...parts: readonly Uint8Array[]): string => digestOf(Buffer.concat([...parts, END]));
const padded = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(512 - text.length)]);

async function openTree(folders: readonly string[], files: readonly string[]): Promise<Scratch> {
  const scratch = await openScratch('layer');
  for (const folder of folders) mkdirSync(scratch.path(folder));
  for (const file of files) await scratch.write(file, 'hello');
  return scratch;
}

describe('a layer', () => {
  it.each([
    ['one file', [], ['Metadata'], 2048],
    ['a directory and a file', ['etc'], ['etc/x'], 2560],
    ['a tree', ['etc', 'etc/d', 'etc/d/e'], ['etc/d/e/f'], 3584],
  ])('of %s has the size it has for sealer', async (_, folders, files, size) => {
    await using scratch = await openTree(folders, files);
    expect(describeSealerLayer(scratch.directory, OWNERS)).toMatchObject({ tarSize: size, fileSize: 5 });
  });

  it('without files is none', async () => {
    await using scratch = await openTree([], []);
    expect(describeSealerLayer(scratch.directory, OWNERS).id).toBeUndefined();
    expect(tarDigest()).toMatch(/^sha256:5f70bf18/); // what sealer calls it
  });
});

describeWithRoot('the tar of a layer', () => {
  it('has names in order, whole seconds, links as files and targets of symlinks', async () => {
    await using scratch = await openTree(['b'], ['b/file']);
    linkSync(scratch.path('b/file'), scratch.path('b.txt'));
    symlinkSync('../target', scratch.path('b/link'));
    chmodSync(scratch.path('b/file'), 0o4755);
    for (const [path, time] of [
      ['b/file', 1001.9],
      ['b', 1000.4999],
    ] as const)
      utimesSync(scratch.path(path), time, time);
    lutimesSync(scratch.path('b/link'), 7, 7);
    const entry = (header: Partial<GoHeader>): Buffer => encodeGoHeader({ ...HEADER, size: 0, ...header });
    const file = { mode: 0o4755, size: 5, mtime: 1001 };
    expect(describeSealerLayer(scratch.directory, OWNERS)).toMatchObject({
      id: tarDigest(
        entry({ path: 'b', type: '5', mode: 0o755, mtime: 1000 }),
        entry({ path: 'b/file', ...file }),
        padded('hello'),
        entry({ path: 'b/link', type: '2', mode: 0o777, mtime: 7, linkPath: '../target' }),
        entry({ path: 'b.txt', ...file }),
        padded('hello'),
      ),
      fileSize: 10,
    });
  });

  it('has whiteouts where the file was, and opaque directories marked inside', async () => {
    await using scratch = await openTree(['d'], ['z']);
    makeNode(scratch.path('gone'), S_IFCHR, { major: 0, minor: 0 });
    writeXattr(scratch.path('d'), 'trusted.overlay.opaque', Buffer.from('y'));
    utimesSync(scratch.path('gone'), 9, 9);
    utimesSync(scratch.path('z'), 9, 9);
    utimesSync(scratch.path('d'), 9, 9);
    const entry = (header: Partial<GoHeader>): Buffer =>
      encodeGoHeader({ ...HEADER, size: 0, mtime: 9, ...header });
    expect(describeSealerLayer(scratch.directory, OWNERS).id).toBe(
      tarDigest(
        entry({ path: 'd', type: '5', mode: 0o755 }),
        entry({ path: 'd/.wh..wh..opq', mode: 0o755, mtime: 0 }),
        entry({ path: '.wh.gone', mode: 0o600, mtime: 0 }),
        entry({ path: 'z', size: 5 }),
        padded('hello'),
      ),
    );
  });
});

describe('a header of Go', () => {
  it('is ustar with names of owners and device numbers of zero', () => {
    const block = encodeGoHeader(HEADER);
    expect(decodeHeader(block)).toMatchObject({
      name: 'etc/Clusterfile',
      mode: 0o644,
      size: 5,
      mtime: HEADER.mtime,
    });
    const text = (from: number, to: number): string => block.toString('latin1', from, to);
    expect([text(265, 270), text(297, 302)]).toEqual(['root\0', 'root\0']);
    expect(text(329, 345)).toBe('0000000\x000000000\0');
    expect(text(148, 156)).toMatch(/^[0-7]{6}\0 $/);
    expect(block).toHaveLength(512);
  });

  it('cuts a long name at the last slash that fits', () => {
    const path = `${'d'.repeat(60)}/${'e'.repeat(60)}/${'f'.repeat(60)}`;
    const block = encodeGoHeader({ ...HEADER, path });
    expect(decodeHeader(block).name).toBe(path);
    expect(block.toString('latin1', 0, 61)).toBe(`${'f'.repeat(60)}\0`);
  });

  it.each([
    ['a name that does not fit', { path: `d/${'f'.repeat(120)}` }, ['path']],
    ['a name that is not ASCII', { path: Buffer.from('é').toString('latin1') }, ['path']],
    ['a long target', { type: '2', linkPath: 'x'.repeat(101) }, ['linkpath']],
  ] as const)('has a PAX header for %s', (_, changes, keys) => {
    const blocks = encodeGoHeader({ ...HEADER, ...changes });
    const extension = decodeHeader(blocks.subarray(0, 512));
    expect([extension.typeFlag, blocks.length]).toEqual(['x', 1536]);
    const records = decodePax(blocks.subarray(512, 512 + extension.size));
    expect(records.map(([key]) => key)).toEqual(keys);
  });
});
