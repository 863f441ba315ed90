import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../src/events.ts';
import type { ContentSink, ContentSource } from '../../src/oci/content.ts';
import { describe as describeBytes, type Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { buildIndex, buildManifest, parseIndex, parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { mapConcurrently } from '../../src/transfer/concurrency.ts';
import { loadGraph } from '../../src/transfer/content-graph.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { resolveForPlatform } from '../../src/transfer/resolve-image.ts';
import { verified } from '../../src/transfer/verified-stream.ts';
import { addImage, addIndex, collect, MemoryContent } from './memory-content.ts';

const sorted = (content: MemoryContent): [string, Buffer][] => [...content.blobs].sort();

describe('copyGraph', () => {
  it('writes what a document names before the document', async () => {
    const from = new MemoryContent();
    const root = addIndex(from, ['linux/amd64', 'linux/arm64']);
    const to = new MemoryContent();
    await copyGraph(root, { from, to });
    expect(sorted(to)).toEqual(sorted(from));
    const position = new Map(to.writes.map((digest, index) => [digest, index]));
    const children = parseIndex(from.blobs.get(root.digest)!).manifests;
    for (const child of children) {
      const { config, layers } = parseManifest(from.blobs.get(child.digest)!);
      for (const blob of [config, ...layers])
        expect(position.get(blob.digest)).toBeLessThan(position.get(child.digest)!);
      expect(position.get(child.digest)).toBeLessThan(position.get(root.digest)!);
    }
    expect(new Set(to.writes).size).toBe(to.writes.length);
  });

  it('completes a sink that has documents without their content', async () => {
    const from = new MemoryContent();
    const root = addIndex(from, ['linux/amd64', 'linux/arm64']);
    const to = new MemoryContent();
    to.blobs.set(root.digest, from.blobs.get(root.digest)!);
    await copyGraph(root, { from, to });
    expect(sorted(to)).toEqual(sorted(from));
  });

  it('copies selected platforms only, and the whole index', async () => {
    const from = new MemoryContent();
    const root = addIndex(from, ['linux/amd64', 'linux/arm64', 'linux/arm/v7']);
    const to = new MemoryContent();
    await copyGraph(
      root,
      { from, to },
      { select: (children) => children.filter(({ platform }) => platform?.architecture !== 'amd64') },
    );
    const there = parseIndex(to.blobs.get(root.digest)!).manifests.filter(({ digest }) =>
      to.blobs.has(digest),
    );
    expect(there.map(({ platform }) => platform?.architecture)).toEqual(['arm64', 'arm']);
  });

  it.each([1, 2, 5])('moves at most %i blobs at once', async (concurrency) => {
    const from = new MemoryContent();
    const root = addIndex(from, ['linux/amd64', 'linux/arm64', 'linux/arm/v7', 'linux/s390x']);
    let [now, most] = [0, 0];
    const to: ContentSink = {
      has: () => Promise.resolve(false),
      write: async (_descriptor, data) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        await collect(data);
        now--;
      },
    };
    await copyGraph(root, { from, to }, { concurrency });
    expect(most).toBe(concurrency);
  });

  it('reports progress that ends with all bytes', async () => {
    const from = new MemoryContent();
    const root = addImage(from, 'linux/arm64');
    const events: BuildEvent[] = [];
    await copyGraph(root, { from, to: new MemoryContent() }, { report: (event) => events.push(event) });
    const transfers = events.filter((event) => event.type === 'transfer');
    const last = new Map(transfers.map((event) => [event.digest, event]));
    expect(last.size).toBe(3);
    for (const { bytes, total } of last.values()) expect(bytes).toBe(total);
  });

  it.each([
    [
      'flipped',
      (bytes: Buffer) => Buffer.concat([Buffer.from([bytes[0]! ^ 1]), bytes.subarray(1)]),
      'DIGEST_MISMATCH',
    ],
    ['short', (bytes: Buffer) => bytes.subarray(1), 'SIZE_MISMATCH'],
    ['long', (bytes: Buffer) => Buffer.concat([bytes, bytes]), 'SIZE_MISMATCH'],
  ])('never leaves the document of a %s blob behind, whichever it is', async (_name, damage, code) => {
    const good = new MemoryContent();
    const root = addIndex(good, ['linux/amd64', 'linux/arm64']);
    for (const [digest, bytes] of good.blobs) {
      const from = new MemoryContent();
      for (const [key, value] of good.blobs) from.blobs.set(key, value);
      from.blobs.set(digest, damage(bytes));
      const to = new MemoryContent();
      await expect(copyGraph(root, { from, to })).rejects.toMatchObject({ code });
      expect(to.blobs.has(root.digest)).toBe(false);
    }
  });

  it('ends with INTERRUPTED when the user does', async () => {
    const from = new MemoryContent();
    const root = addImage(from, 'linux/arm64');
    const controller = new AbortController();
    const to = new MemoryContent();
    const report = (): void => controller.abort();
    await expect(copyGraph(root, { from, to }, { signal: controller.signal, report })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(to.blobs.has(root.digest)).toBe(false);
  });

  it('gives up the other blobs when one fails', async () => {
    const from = new MemoryContent();
    const slow = from.add(Buffer.alloc(1 << 20, 1), MEDIA_TYPES.ociLayer);
    const bad: Descriptor = {
      ...describeBytes(Buffer.from('x'), MEDIA_TYPES.ociLayer),
      digest: digestOf('missing'),
    };
    const config = from.add(Buffer.from('{}'), MEDIA_TYPES.ociConfig);
    const { bytes, descriptor } = buildManifest({ config, layers: [bad, slow] });
    from.add(bytes, descriptor.mediaType);
    let given = 0;
    const source: ContentSource = {
      async *read(wanted) {
        for await (const chunk of from.read(wanted)) {
          if (wanted.digest === slow.digest) {
            given += chunk.length;
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
          yield chunk;
        }
      },
    };
    await expect(copyGraph(descriptor, { from: source, to: new MemoryContent() })).rejects.toMatchObject({
      code: 'BLOB_MISSING',
    });
    expect(given).toBeLessThan(slow.size / 2);
  });
});

describe('loadGraph', () => {
  function nested(content: MemoryContent, depth: number): Descriptor {
    let root = addImage(content, 'linux/arm64');
    for (let level = 0; level < depth; level++) {
      const { bytes, descriptor } = buildIndex([root], { level: String(level) });
      root = content.add(bytes, descriptor.mediaType);
    }
    return root;
  }

  it.each([
    [8, true],
    [9, false],
    [100, false],
  ])('follows %i nested indexes: %s', async (depth, good) => {
    const content = new MemoryContent();
    const loading = loadGraph(content, [nested(content, depth)]);
    if (good) expect((await loading).documents).toHaveLength(depth + 1);
    else await expect(loading).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
  });

  it('refuses an index that is too wide', async () => {
    const content = new MemoryContent();
    const child = addImage(content, 'linux/arm64');
    const { bytes, descriptor } = buildIndex(Array.from({ length: 5000 }, () => child));
    await expect(loadGraph(content, [content.add(bytes, descriptor.mediaType)])).rejects.toMatchObject({
      code: 'DOCUMENT_INVALID',
    });
  });

  it('refuses a document that says it is too large, without reading it', async () => {
    const content = new MemoryContent();
    const root = { ...addImage(content, 'linux/arm64'), size: 5 << 20 };
    await expect(loadGraph(content, [root])).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
    expect(content.reads).toEqual([]);
  });

  it('refuses a config that says it is too large', async () => {
    const content = new MemoryContent();
    const config = { ...describeBytes(Buffer.from('{}'), MEDIA_TYPES.ociConfig), size: 9 << 20 };
    const { bytes, descriptor } = buildManifest({ config, layers: [] });
    await expect(loadGraph(content, [content.add(bytes, descriptor.mediaType)])).rejects.toMatchObject({
      code: 'DOCUMENT_INVALID',
    });
  });

  it.each([
    ['size', (child: Descriptor): Descriptor => ({ ...child, size: child.size + 1 }), 'SIZE_MISMATCH'],
    [
      'kind',
      (child: Descriptor): Descriptor => ({ ...child, mediaType: MEDIA_TYPES.ociIndex }),
      'DOCUMENT_INVALID',
    ],
    [
      'kind (a layer)',
      (child: Descriptor): Descriptor => ({ ...child, mediaType: MEDIA_TYPES.ociLayer }),
      'DOCUMENT_INVALID',
    ],
  ])('refuses a digest that is named with another %s', async (_name, other, code) => {
    const content = new MemoryContent();
    const child = addImage(content, 'linux/arm64');
    const { bytes, descriptor } = buildIndex([child, other(child)]);
    await expect(loadGraph(content, [content.add(bytes, descriptor.mediaType)])).rejects.toMatchObject({
      code,
    });
  });

  it('reads what two images share once', async () => {
    const content = new MemoryContent();
    const roots = [addIndex(content, ['linux/amd64', 'linux/arm64']), addImage(content, 'linux/amd64')];
    const graph = await loadGraph(content, [...roots, ...roots]);
    expect(graph.documents.map(({ descriptor }) => descriptor.digest)).toHaveLength(3);
    expect(new Set(content.reads).size).toBe(content.reads.length);
  });

  it('carries children of unknown types', async () => {
    const content = new MemoryContent();
    const unknown = content.add(Buffer.from('what is this'), 'application/vnd.example.unknown');
    const { bytes, descriptor } = buildIndex([unknown]);
    const graph = await loadGraph(content, [content.add(bytes, descriptor.mediaType)]);
    expect(graph.blobs).toEqual([unknown]);
  });
});

describe('verified', () => {
  async function* chunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for (const size of sizes) {
      yield await Promise.resolve(bytes.subarray(offset, offset + size));
      offset += size;
    }
    yield bytes.subarray(offset);
  }

  it('passes the promised bytes in any chunks, and no others', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const example = fc.record({ promised: bytes, other: bytes, sizes: fc.array(fc.nat(50)) });
    await fc.assert(
      fc.asyncProperty(example, async ({ promised, other, sizes }) => {
        const descriptor = describeBytes(promised, 'x/y');
        const passed = await collect(verified(descriptor, chunks(promised, sizes)));
        expect(passed.equals(promised)).toBe(true);
        fc.pre(!passed.equals(other));
        await expect(collect(verified(descriptor, chunks(other, sizes)))).rejects.toMatchObject({
          code: promised.length === other.length ? 'DIGEST_MISMATCH' : 'SIZE_MISMATCH',
        });
      }),
    );
  });

  it('does not take an endless stream', async () => {
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) yield await Promise.resolve(Buffer.alloc(100));
    };
    await expect(collect(verified(describeBytes(Buffer.alloc(250), 'x/y'), endless()))).rejects.toMatchObject(
      {
        code: 'SIZE_MISMATCH',
      },
    );
  });
});

describe('resolveForPlatform', () => {
  const content = new MemoryContent();
  const index = addIndex(content, ['linux/amd64', 'linux/arm64', 'linux/arm/v6']);
  const single = addImage(content, 'linux/arm/v7');

  it.each([
    ['linux/arm64/v8', 'arm64', undefined],
    ['x86_64', 'amd64', undefined],
    ['linux/arm/v6', 'arm', 'v6'],
  ])('takes the manifest of %s from an index', async (text, architecture, variant) => {
    const { manifest, index: from } = await resolveForPlatform(content, index, {
      platform: parsePlatform(text),
    });
    expect([manifest.platform?.architecture, manifest.platform?.variant, from]).toEqual([
      architecture,
      variant,
      index,
    ]);
  });

  it('reads nothing of the other platforms', async () => {
    content.reads.length = 0;
    const { manifest } = await resolveForPlatform(content, index, { platform: parsePlatform('linux/arm64') });
    expect(content.reads).toEqual([
      index.digest,
      manifest.digest,
      parseManifest(content.blobs.get(manifest.digest)!).config.digest,
    ]);
  });

  it('takes a single image of the platform as it is', async () => {
    expect(await resolveForPlatform(content, single, { platform: parsePlatform('armhf') })).toEqual({
      manifest: single,
      platform: parsePlatform('armhf'),
    });
  });

  it.each([
    {
      why: 'an index without it',
      root: index,
      platform: 'linux/riscv64',
      exists: 'linux/amd64, linux/arm64, linux/arm/v6',
    },
    {
      why: 'no older variant',
      root: index,
      platform: 'linux/arm/v7',
      exists: 'linux/amd64, linux/arm64, linux/arm/v6',
    },
    { why: 'a single image of another', root: single, platform: 'linux/arm64', exists: 'linux/arm/v7' },
  ])('is PLATFORM_NOT_FOUND naming what exists: $why', async ({ root, platform, exists }) => {
    await expect(
      resolveForPlatform(content, root, { platform: parsePlatform(platform) }),
    ).rejects.toMatchObject({
      code: 'PLATFORM_NOT_FOUND',
      hint: `it exists for ${exists}`,
    });
  });

  it('does not believe an index whose manifest is for something else', async () => {
    const image = addImage(content, 'linux/s390x');
    const { bytes, descriptor } = buildIndex([{ ...image, platform: parsePlatform('linux/arm64') }]);
    const root = content.add(bytes, descriptor.mediaType);
    await expect(
      resolveForPlatform(content, root, { platform: parsePlatform('linux/arm64') }),
    ).rejects.toMatchObject({
      code: 'PLATFORM_NOT_FOUND',
      hint: 'it exists for linux/s390x',
    });
  });

  it('refuses what is no image', async () => {
    const config = content.add(Buffer.from('{}'), MEDIA_TYPES.ociEmpty);
    const { bytes, descriptor } = buildManifest({ config, layers: [] });
    const root = content.add(bytes, descriptor.mediaType);
    await expect(
      resolveForPlatform(content, root, { platform: parsePlatform('linux/arm64') }),
    ).rejects.toMatchObject({
      code: 'DOCUMENT_INVALID',
    });
  });
});

describe('mapConcurrently', () => {
  it('keeps the order of the items', async () => {
    const slowFirst = async (item: number): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 10 - item));
      return item * 2;
    };
    expect(await mapConcurrently([1, 2, 3, 4, 5], 3, slowFirst)).toEqual([2, 4, 6, 8, 10]);
  });

  it('throws the first error after all that began has ended, and begins nothing more', async () => {
    const ended: number[] = [];
    const work = async (item: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, item));
      ended.push(item);
      if (item === 1) throw new Error('one');
    };
    await expect(mapConcurrently([20, 1, 30, 2], 2, work)).rejects.toThrow('one');
    expect(ended).toEqual([1, 20]);
  });
});
