import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import { verifyImage } from '../../src/layer/verify-image.ts';
import { readLayer } from '../../src/layer/write-layer.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { OciLayout } from '../../src/transfer/oci-layout.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, hardLink, makeTree, opaque, symlink, whiteout } from '../support/tree-spec.ts';
import { BASE, ImageFixture, json, TOP, type Parts } from './image-fixtures.ts';
import {
  collect,
  dirEntry,
  fileEntry,
  fingerprint,
  linkEntry,
  rawHeader,
  symlinkEntry,
  tarOf,
  type Entry,
} from './tar-fixtures.ts';

type Json = Record<string, unknown>;

async function rulesOf(image: ImageFixture, root: Descriptor = image.root): Promise<string[]> {
  return [...new Set((await verifyImage(image, root)).map(({ code }) => code))].sort();
}

const withLayer = (tar: Buffer, stored?: Buffer, mediaType?: string): Parts => ({
  layers: [{ tar: BASE }, { tar, ...(stored && { stored }), ...(mediaType && { mediaType }) }],
});
const withEntries = (entries: readonly Entry[]): Parts => withLayer(tarOf(entries));
const flip = (bytes: Buffer): Buffer => {
  bytes[bytes.length >> 1]! ^= 1;
  return bytes;
};
const layersOf = (manifest: Json): Descriptor[] => manifest.layers as Descriptor[];
const rootfs = (config: Json): { diff_ids: Digest[] } => config.rootfs as { diff_ids: Digest[] };
const history = (config: Json): object[] => config.history as object[];

it('finds nothing wrong with a good image', async () => {
  expect(await verifyImage(new ImageFixture(), new ImageFixture().root)).toEqual([]);
});

/** Eighteen ways to break an image, of which every public validator takes some. */
describe('the mutations', () => {
  const built = (parts: Parts) => () => new ImageFixture(parts);
  const changed = (change: (image: ImageFixture) => void) => () => {
    const image = new ImageFixture();
    change(image);
    return image;
  };
  it.each<[string, () => ImageFixture, string[]]>([
    [
      'a flipped byte in a layer',
      changed((image) => image.damage(image.layers[1]!, flip)),
      ['content-digest'],
    ],
    [
      'a flipped byte in a config',
      changed((image) => image.damage(image.configs[0]!, flip)),
      ['content-digest'],
    ],
    ['a missing blob', changed((image) => image.blobs.delete(image.layers[0]!.digest)), ['content-missing']],
    [
      'a wrong size of a layer',
      built({
        manifest: (m) => ({ ...m, layers: layersOf(m).map((layer) => ({ ...layer, size: layer.size + 1 })) }),
      }),
      ['content-size'],
    ],
    [
      'a wrong size of a manifest',
      built({
        index: (i) => ({
          ...i,
          manifests: (i.manifests as Descriptor[]).map((m) => ({ ...m, size: m.size - 1 })),
        }),
      }),
      ['content-size'],
    ],
    [
      'a wrong diff_id',
      built({
        config: (c) => ({
          ...c,
          rootfs: { type: 'layers', diff_ids: [digestOf('x'), rootfs(c).diff_ids[1]] },
        }),
      }),
      ['layer-diff-id'],
    ],
    [
      'one diff_id too many',
      built({
        config: (c) => ({
          ...c,
          rootfs: { type: 'layers', diff_ids: [...rootfs(c).diff_ids, digestOf('x')] },
        }),
      }),
      ['config-history-count', 'config-layer-count'],
    ],
    [
      'one history entry too many',
      built({ config: (c) => ({ ...c, history: [...history(c), {}] }) }),
      ['config-history-count'],
    ],
    ['no architecture', built({ config: ({ architecture: _, ...c }) => c }), ['document']],
    [
      'the architecture of another platform',
      built({ config: (c) => ({ ...c, architecture: 's390x' }) }),
      ['config-platform'],
    ],
    ['gzip called a tar', built(withLayer(TOP, gzipSync(TOP), MEDIA_TYPES.ociLayer)), ['layer-compression']],
    ['no schemaVersion', built({ manifest: ({ schemaVersion: _, ...m }) => m }), ['document']],
    ['a path twice in a layer', built(withEntries([fileEntry('a'), fileEntry('a')])), ['layer-duplicate']],
    [
      'a whiteout without a name',
      built(withEntries([dirEntry('etc'), fileEntry('etc/.wh.')])),
      ['layer-whiteout'],
    ],
    ['a path that leads out', built(withEntries([fileEntry('../evil')])), ['layer-path']],
    [
      'something after the gzip stream',
      built(withLayer(TOP, Buffer.concat([gzipSync(TOP), Buffer.from('x')]))),
      ['layer-tar'],
    ],
    [
      'a wrong size of a config',
      built({ manifest: (m) => ({ ...m, config: { ...(m.config as Descriptor), size: 9 } }) }),
      ['content-size'],
    ],
  ])('%s', async (_name, make, expected) => {
    expect(await rulesOf(make())).toEqual(expected);
  });

  it('a layout without its oci-layout file', async () => {
    await using scratch = await openScratch('verify');
    new ImageFixture().writeLayout(scratch.directory);
    const layout = await OciLayout.open(scratch.directory);
    const [image] = await layout.images();
    expect(await verifyImage(layout, image!.root)).toEqual([]);
    rmSync(scratch.path('oci-layout'));
    await expect(OciLayout.open(scratch.directory)).rejects.toThrow(
      expect.objectContaining({ code: 'ARCHIVE_INVALID' }) as Error,
    );
  });
});

describe('layers', () => {
  it.each<[string, Parts, string[]]>([
    ['a directory said twice', withEntries([dirEntry('a'), dirEntry('a')]), []],
    ['a tar called gzip', withLayer(TOP, TOP, MEDIA_TYPES.ociLayerGzip), ['layer-compression']],
    ['an uncompressed layer', withLayer(TOP, TOP, MEDIA_TYPES.ociLayer), []],
    ['an empty tar', withEntries([]), []],
    ['one path in two spellings', withEntries([fileEntry('a/b'), fileEntry('./a//b')]), ['layer-duplicate']],
    ['a file and a directory of one name', withEntries([fileEntry('a'), dirEntry('a')]), ['layer-duplicate']],
    ['a whiteout of the parent', withEntries([fileEntry('a/.wh...')]), ['layer-whiteout']],
    ['a root that is a symlink', withEntries([symlinkEntry('.', '/etc')]), ['layer-root']],
    ['a hard link that leads out', withEntries([linkEntry('a', '../../etc/shadow')]), ['layer-hard-link']],
    ['a symlink that leads up', withEntries([symlinkEntry('a', '../../etc/shadow')]), []],
    ['a device that means deletion', withEntries([{ path: 'n', type: 'char' }]), ['layer-device']],
    [
      'something after the end of the tar',
      withLayer(Buffer.concat([TOP, Buffer.alloc(511), Buffer.from('x')])),
      ['layer-tar'],
    ],
    [
      'a damaged header',
      withLayer(Buffer.concat([TOP.subarray(0, -1024), rawHeader('f', '0', { 148: '0000000\0' })])),
      ['layer-tar'],
    ],
    ['text', withLayer(Buffer.from('no tar at all'), undefined), ['layer-tar']],
  ])('with %s', async (_name, parts, expected) => {
    expect(await rulesOf(new ImageFixture(parts))).toEqual(expected);
  });

  it('with endless problems tell the first few', async () => {
    const tar = tarOf(Array.from({ length: 500 }, () => fileEntry('../same')));
    expect(
      (await verifyImage(new ImageFixture(withLayer(tar)), new ImageFixture(withLayer(tar)).root)).length,
    ).toBeLessThan(50);
  });

  it('that both platforms share are read once', async () => {
    const image = new ImageFixture();
    const reads: string[] = [];
    const source = {
      read: (descriptor: Descriptor) => (reads.push(descriptor.digest), image.read(descriptor)),
    };
    expect(await verifyImage(source, image.root)).toEqual([]);
    expect(reads).toHaveLength(new Set(reads).size);
    expect(new Set(reads)).toEqual(new Set(image.blobs.keys()));
  });

  it('that are not distributed may be missing', async () => {
    const foreign = MEDIA_TYPES.ociForeignLayerGzip;
    const image = new ImageFixture(withLayer(TOP, undefined, foreign));
    image.blobs.delete(image.layers[1]!.digest);
    expect(await rulesOf(image)).toEqual([]);
  });

  it('that never end are not read beyond their size', async () => {
    const image = new ImageFixture();
    const source = {
      read: async function* (descriptor: Descriptor): AsyncGenerator<Uint8Array> {
        yield* image.read(descriptor);
        if (descriptor.digest !== image.layers[0]!.digest) return;
        for (;;) yield await Promise.resolve(Buffer.alloc(1000));
      },
    };
    expect((await verifyImage(source, image.root)).map(({ code }) => code)).toEqual(['content-size']);
  });
});

describe('documents', () => {
  const index = (manifests: readonly Descriptor[]): Buffer =>
    json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests });

  it('nested too deep are refused', async () => {
    const image = new ImageFixture();
    let root = image.root;
    const nest = (): Descriptor => (root = image.add(index([root]), MEDIA_TYPES.ociIndex));
    for (let depth = 0; depth < 6; depth++) nest();
    expect(await rulesOf(image, root)).toEqual([]);
    for (let depth = 0; depth < 100; depth++) nest();
    expect(await rulesOf(image, root)).toEqual(['limit-index-depth']);
  });

  it('that seem to contain themselves are refused', async () => {
    const image = new ImageFixture();
    const digest = digestOf('chosen');
    const loop = { mediaType: MEDIA_TYPES.ociIndex, digest, size: 0 };
    const bytes = index([{ ...loop, size: 300 }]);
    // a source that lies about the digest: it is found out before its child is looked at
    image.blobs.set(digest, bytes);
    expect(await rulesOf(image, { ...loop, size: bytes.length })).toEqual(['content-digest']);
  });

  it('of which there are too many are refused', async () => {
    const image = new ImageFixture();
    const many = Array.from({ length: 4000 }, () => image.manifest);
    const roots = Array.from({ length: 14 }, (_, n) =>
      image.add(index([...many, { ...image.manifest, annotations: { n: String(n) } }]), MEDIA_TYPES.ociIndex),
    );
    expect(await rulesOf(image, image.add(index(roots), MEDIA_TYPES.ociIndex))).toContain(
      'limit-descriptors',
    );
  });

  it('larger than any reader takes are not read', async () => {
    const root = { ...new ImageFixture().root, size: 1 << 30 };
    const source = { read: () => expect.unreachable('it was read') };
    expect((await verifyImage(source, root)).map(({ code }) => code)).toEqual(['limit-manifest-bytes']);
  });

  it('of other artifacts are carried, their blobs checked', async () => {
    const image = new ImageFixture();
    const blob = image.add(Buffer.from('chart'), 'application/vnd.cncf.helm.chart.content.v1.tar+gzip');
    const config = image.add(Buffer.from('{}'), 'application/vnd.cncf.helm.config.v1+json');
    const manifest = json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [blob] });
    const root = image.add(manifest, MEDIA_TYPES.ociManifest);
    expect(await rulesOf(image, root)).toEqual([]);
    image.damage(blob, flip);
    expect(await rulesOf(image, root)).toEqual(['content-digest']);
  });

  it('say where a problem is', async () => {
    const image = new ImageFixture();
    image.damage(image.configs[1]!, flip);
    expect(await verifyImage(image, image.root)).toMatchObject([
      { where: `linux/arm64 config ${image.configs[1]!.digest}` },
    ]);
  });
});

it("throws what is not the image's fault", async () => {
  const image = new ImageFixture();
  const source = {
    read: (descriptor: Descriptor) => {
      if (descriptor.digest === image.layers[0]!.digest) throw new ArchBuildError('NETWORK', 'line cut');
      return image.read(descriptor);
    },
  };
  await expect(verifyImage(source, image.root)).rejects.toThrow(
    expect.objectContaining({ code: 'NETWORK' }) as Error,
  );
});

/** A consumer that others wrote, given layers that we wrote. */
describeWith(['root', 'command:umoci'], 'umoci', () => {
  it('unpacks our layers as they are', async () => {
    await using scratch = await openScratch('umoci');
    const base = makeTree(scratch.path('base'), {
      'bin/su': file('setuid', { mode: 0o4755, uid: 1, gid: 2, xattrs: { 'user.a': 'b' } }),
      'bin/sh': hardLink('bin/su'),
      'lib/link': symlink('../bin/su'),
      'gone/a': file(),
      'hidden/a': file(),
      late: file('x', { mtimeNs: 9_000_000_000_000_000_000n }),
      [`${'long-directory-name/'.repeat(9)}n`]: file('deep', { uid: 3_000_000 }),
      tmp: dir({ mode: 0o1777 }),
    });
    const top = makeTree(scratch.path('top'), {
      gone: whiteout,
      hidden: opaque(),
      'hidden/b': file('new'),
      dev: { type: 'char' },
    });
    const tars = [await collect(readLayer(base)), await collect(readLayer(top))];
    new ImageFixture({ layers: tars.map((tar) => ({ tar })) }).writeLayout(scratch.path('layout'));
    mkdirSync(scratch.path('out'));
    execFileSync(
      'umoci',
      ['unpack', '--image', `${scratch.path('layout')}:image`, scratch.path('out/bundle')],
      { stdio: 'pipe' },
    );
    const found = fingerprint(scratch.path('out/bundle/rootfs'));
    const expected = { ...fingerprint(base), ...fingerprint(top), hidden: 'dir 755 0:0 @1000000000' };
    const gone = ['', 'gone', 'gone/a', 'hidden/a'];
    const known = (lines: Record<string, string>): string[][] =>
      Object.entries(lines)
        .filter(([path]) => !gone.includes(path))
        .sort();
    expect(known(found)).toEqual(known(expected));
    expect(Object.keys(found)).not.toContain('gone');
    expect(Object.keys(found)).not.toContain('hidden/a');
    expect(readFileSync(scratch.path('out/bundle/rootfs/hidden/b'), 'utf8')).toBe('new');
  });
});
