/** What an encoding changes of an image, and what it leaves. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/events.ts';
import { verifyImage } from '../../src/layer/verify-image.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { buildIndex, buildManifest, parseIndex, parseManifest } from '../../src/oci/manifest.ts';
import { familyOf, MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { encodeImages, type Encoding } from '../../src/transfer/encode.ts';
import type { ImageSet } from '../../src/transfer/image-set.ts';
import { addImage, addIndex, MemoryContent } from './memory-content.ts';

let directory: string;
let store: Store;
let events: BuildEvent[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'encode-test-'));
  store = await openStore(join(directory, 'store'));
  events = [];
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const setOf = (content: MemoryContent, root: Descriptor): ImageSet => ({
  content,
  images: [{ references: [], root }],
});

const encode = (set: ImageSet, encoding: Encoding): Promise<ImageSet> =>
  encodeImages(set, encoding, {
    known: store.packed,
    scratch: () => store.makeDirectory('packed'),
    report: (event) => events.push(event),
  });

/** All of it, read once: digests and sizes are checked on the way. */
async function written({
  content,
  images,
  select,
}: ImageSet): Promise<{ sink: MemoryContent; root: Descriptor }> {
  const sink = new MemoryContent();
  const { root } = images[0]!;
  await copyGraph(root, { from: content, to: sink }, select === undefined ? {} : { select });
  return { sink, root };
}

const manifestsIn = (sink: MemoryContent, root: Descriptor): ReturnType<typeof parseManifest>[] =>
  parseIndex(sink.blobs.get(root.digest)!).manifests.map(({ digest }) =>
    parseManifest(sink.blobs.get(digest)!),
  );
const layersIn = (sink: MemoryContent, root: Descriptor): string[] =>
  manifestsIn(sink, root).flatMap(({ layers }) => layers.map(({ mediaType }) => mediaType));

const GZIP: Encoding = { packing: { kind: 'gzip', level: 6 } };

describe('encodeImages', () => {
  it('packs every layer once, keeps configs, and gives an image without fault', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
    const encoded = await encode(setOf(content, root), GZIP);
    const { sink, root: made } = await written(encoded);
    expect(made.digest).not.toBe(root.digest);
    expect(new Set(layersIn(sink, made))).toEqual(new Set([MEDIA_TYPES.ociLayerGzip]));
    expect(manifestsIn(sink, made).map(({ config }) => config.digest)).toEqual(
      manifestsIn(content, root).map(({ config }) => config.digest),
    );
    expect(await verifyImage(sink, made)).toEqual([]);
    expect(events.filter(({ type }) => type === 'info')).toHaveLength(3); // one is shared
  });

  it('packs nothing that was packed before, and still gives the same bytes to who wants them', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64']);
    const first = await written(await encode(setOf(content, root), GZIP));
    events = [];
    content.reads.length = 0;
    const again = await encode(setOf(content, root), GZIP);
    expect(again.images[0]!.root.digest).toBe(first.root.digest);
    expect(content.reads).toHaveLength(2); // index and manifest
    const second = await written(again);
    expect([...second.sink.blobs].sort()).toEqual([...first.sink.blobs].sort());
    expect(events).toEqual([]);
  });

  it('leaves packed layers alone when only plain ones are meant', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64'], { compression: 'gzip' });
    const zstd = { kind: 'zstd', level: 3 } as const;
    const same = await encode(setOf(content, root), { packing: zstd, plainOnly: true });
    expect(same.images[0]!.root).toEqual(root);
    const { sink, root: made } = await written(await encode(setOf(content, root), { packing: zstd }));
    expect(new Set(layersIn(sink, made))).toEqual(new Set([MEDIA_TYPES.ociLayerZstd]));
    expect(await verifyImage(sink, made)).toEqual([]);
  });

  it('speaks the other family all through, and back again', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/s390x'], { compression: 'gzip' });
    const docker = await written(await encode(setOf(content, root), { family: 'docker' }));
    const types = [
      docker.root,
      ...manifestsIn(docker.sink, docker.root).flatMap(({ config, layers }) => [config, ...layers]),
    ];
    expect(new Set(types.map(({ mediaType }) => familyOf(mediaType)))).toEqual(new Set(['docker']));
    expect(await verifyImage(docker.sink, docker.root)).toEqual([]);
    const back = await written(await encode(setOf(docker.sink, docker.root), { family: 'oci' }));
    expect(back.root.digest).toBe(root.digest);
  });

  it('makes OCI of a docker image that gets zstd layers, index included', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64'], { compression: 'gzip' });
    const docker = await written(await encode(setOf(content, root), { family: 'docker' }));
    const packing = { kind: 'zstd', level: 1 } as const;
    const { sink, root: made } = await written(
      await encode(setOf(docker.sink, docker.root), { packing, family: 'docker' }),
    );
    expect(made.mediaType).toBe(MEDIA_TYPES.ociIndex);
    expect(await verifyImage(sink, made)).toEqual([]);
  });

  it('says which annotations a docker manifest loses', async () => {
    const content = new MemoryContent();
    const plain = parseManifest(content.blobs.get(addImage(content, 'linux/arm64').digest)!);
    const { bytes, descriptor } = buildManifest({ ...plain, annotations: { 'org.example.note': 'x' } });
    content.add(bytes, descriptor.mediaType);
    await encode(setOf(content, descriptor), { family: 'docker' });
    expect(events).toContainEqual({
      type: 'warning',
      text: expect.stringContaining('org.example.note') as string,
    });
  });

  it('makes a smaller index of one that is there in part, and refuses one that is not there', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64', 'linux/s390x']);
    const [, arm] = parseIndex(content.blobs.get(root.digest)!).manifests;
    const select = (children: readonly Descriptor[]): Descriptor[] =>
      children.filter(({ digest }) => digest === arm!.digest);
    const { sink, root: made } = await written(
      await encode({ ...setOf(content, root), select }, { complete: true }),
    );
    expect(parseIndex(sink.blobs.get(made.digest)!).manifests).toEqual([arm]);
    await expect(
      encode({ ...setOf(content, root), select: () => [] }, { complete: true }),
    ).rejects.toMatchObject({
      code: 'BLOB_MISSING',
    });
  });

  it('lets attestations point to the manifest that they are about', async () => {
    const content = new MemoryContent();
    const image = { ...addImage(content, 'linux/arm64'), platform: { os: 'linux', architecture: 'arm64' } };
    const statement = content.add(Buffer.from('{"_type":"statement"}'), 'application/vnd.in-toto+json');
    const config = content.add(Buffer.from('{}'), MEDIA_TYPES.ociEmpty);
    const proof = buildManifest({ config, layers: [statement] });
    content.add(proof.bytes, proof.descriptor.mediaType);
    const about = {
      ...proof.descriptor,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': image.digest,
      },
    };
    const index = buildIndex([image, about]);
    content.add(index.bytes, index.descriptor.mediaType);
    const { sink, root } = await written(await encode(setOf(content, index.descriptor), GZIP));
    const [made, attestation] = parseIndex(sink.blobs.get(root.digest)!).manifests;
    expect(made!.digest).not.toBe(image.digest);
    expect(attestation!.annotations?.['vnd.docker.reference.digest']).toBe(made!.digest);
    expect(attestation!.digest).toBe(proof.descriptor.digest);
  });

  it('adds to an index every image in another compression, once', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
    const ADDED: Encoding = { ...GZIP, also: [{ kind: 'zstd', level: 3 }] };
    const { sink, root: made } = await written(await encode(setOf(content, root), ADDED));
    const { manifests } = parseIndex(sink.blobs.get(made.digest)!);
    expect(manifests.map(({ platform, annotations }) => [platform?.architecture, annotations])).toEqual([
      ['amd64', undefined],
      ['arm64', undefined],
      ['amd64', { 'io.github.containers.compression.zstd': 'true' }],
      ['arm64', { 'io.github.containers.compression.zstd': 'true' }],
    ]);
    const kinds = manifestsIn(sink, made).map(
      ({ layers }) => new Set(layers.map(({ mediaType }) => mediaType)),
    );
    const [gzip, zstd] = [new Set([MEDIA_TYPES.ociLayerGzip]), new Set([MEDIA_TYPES.ociLayerZstd])];
    expect(kinds).toEqual([gzip, gzip, zstd, zstd]);
    expect(await verifyImage(sink, made)).toEqual([]);
    const again = await encode(setOf(sink, made), { also: ADDED.also! });
    expect(again.images[0]!.root.digest).toBe(made.digest);
    const both = await written(await encode(setOf(sink, made), { also: [{ kind: 'gzip', level: 6 }] }));
    expect(both.root.digest).toBe(made.digest);
  });

  it('adds no compression to what is no index', async () => {
    const content = new MemoryContent();
    const image = addImage(content, 'linux/arm64');
    await expect(encode(setOf(content, image), { also: [{ kind: 'zstd', level: 3 }] })).rejects.toMatchObject(
      { code: 'USAGE' },
    );
  });

  describe('of what the destination has', () => {
    const ZSTD: Encoding = { packing: { kind: 'zstd', level: 3 }, plainOnly: true };

    it('takes layers as they are there, without packing or reading one', async () => {
      const content = new MemoryContent();
      const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
      const first = await written(await encode(setOf(content, root), GZIP));
      events = [];
      content.reads.length = 0;
      const again = await encode(setOf(content, root), { ...ZSTD, there: first.sink });
      expect(again.images[0]!.root.digest).toBe(first.root.digest);
      expect(content.reads).toHaveLength(3);
      await copyGraph(first.root, { from: again.content, to: first.sink });
      expect(events).toEqual([]);
    });

    it('packs what is known and not there, and prefers what was asked for', async () => {
      const content = new MemoryContent();
      const root = addIndex(content, ['linux/amd64']);
      const gzip = await written(await encode(setOf(content, root), GZIP));
      const elsewhere = await written(
        await encode(setOf(content, root), { ...ZSTD, there: new MemoryContent() }),
      );
      expect(new Set(layersIn(elsewhere.sink, elsewhere.root))).toEqual(new Set([MEDIA_TYPES.ociLayerZstd]));
      for (const [digest, bytes] of gzip.sink.blobs) elsewhere.sink.blobs.set(digest, bytes);
      const both = await encode(setOf(content, root), { ...ZSTD, there: elsewhere.sink });
      expect(both.images[0]!.root.digest).toBe(elsewhere.root.digest);
      const forced = await encode(setOf(gzip.sink, gzip.root), { ...ZSTD, there: elsewhere.sink });
      expect(forced.images[0]!.root.digest).toBe(gzip.root.digest); // packed in the source already
      const docker = await encode(setOf(content, root), { ...ZSTD, there: elsewhere.sink, family: 'docker' });
      await copyGraph(docker.images[0]!.root, { from: docker.content, to: elsewhere.sink });
      expect(layersIn(elsewhere.sink, docker.images[0]!.root)).not.toContain(MEDIA_TYPES.ociLayerZstd);
    });
  });

  it('throws what is wrong with a layer, and remembers nothing of it', async () => {
    const content = new MemoryContent();
    const root = addImage(content, 'linux/arm64');
    const [layer] = parseManifest(content.blobs.get(root.digest)!).layers;
    content.blobs.set(layer!.digest, Buffer.alloc(layer!.size));
    await expect(encode(setOf(content, root), GZIP)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(store.packed.formsOf(layer!.digest)).toEqual([]);
    await expect(encode(setOf(content, root), GZIP)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});
