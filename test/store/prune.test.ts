/** Pruning keeps all that is reachable and removes the rest, for any graph of images. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { chainIdsOf, digestOf, digestOfDiffId, type CacheKey } from '../../src/oci/digest.ts';
import { childrenOf } from '../../src/oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../../src/oci/media-types.ts';
import { parseImageConfig } from '../../src/oci/image-config.ts';
import { prune, type PruneOptions } from '../../src/store/prune.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { addImage, addIndex, addSnapshots, diffIdOf } from './sample-images.ts';

const ALL: PruneOptions = { cache: true, unnamed: true, dryRun: false };

async function withStore(use: (store: Store) => Promise<void>): Promise<void> {
  await using scratch = await openScratch('prune');
  await using store = await openStore(scratch.path('store'), 'exclusive');
  await use(store);
}

/** Throws when anything an image consists of is missing: documents, and each layer as a blob or as its snapshot. */
function expectWhole(store: Store, descriptor: Descriptor): void {
  const { mediaType, digest } = descriptor;
  if (isIndexType(mediaType) || isManifestType(mediaType)) {
    for (const child of childrenOf(descriptor, store.blobs.readDocument(digest))) expectWhole(store, child);
  } else if (isConfigType(mediaType)) {
    const { diff_ids: diffIds } = parseImageConfig(store.blobs.readDocument(digest)).rootfs;
    for (const diffId of diffIds) {
      const record = store.snapshots.layerRecord(diffId);
      expect(store.blobs.has(digestOfDiffId(diffId)) || record !== undefined).toBe(true);
      let next = record?.chainId; // its tar is made over its own ancestors
      while (next !== undefined) next = store.snapshots.get(next).parent;
    }
  }
}

const key = (name: string): CacheKey => digestOf(name) as unknown as CacheKey;

describe('prune', () => {
  it('does nothing in an empty store', async () => {
    await withStore(async (store) => {
      expect(await prune(store, ALL)).toEqual({
        images: 0,
        blobs: 0,
        snapshots: 0,
        cacheRecords: 0,
        bytes: 0,
      });
    });
  });

  it('removes nameless images, loose blobs, snapshots of no image and their cache records, and counts them', async () => {
    await withStore(async (store) => {
      const named = addImage(store, { layers: ['base', 'top'] });
      await store.images.put(named, ['docker.io/library/x:1']);
      await store.images.put(addImage(store, { layers: ['base', 'nameless!'] }), []);
      const [, loose] = addSnapshots(store, ['base', 'intermediate']);
      store.cache.put(key('loose'), { created: '', layer: loose! });
      store.cache.put(key('kept'), { created: '', layer: chainIdsOf([diffIdOf('base')])[0]! });
      store.blobs.writeDocument(Buffer.from('loose blob'));
      const dry = await prune(store, { ...ALL, dryRun: true });
      const before = store.blobs.list().length;
      expect(before).toBe(5);
      const done = await prune(store, ALL);
      expect(done).toMatchObject({ images: 1, blobs: 3, snapshots: 2, cacheRecords: 1 });
      expect({ ...dry, cacheRecords: 1 }).toEqual(done);
      expect(done.bytes).toBeGreaterThan('nameless!intermediate loose blob'.length);
      expect(store.images.list().map(({ name }) => name)).toEqual(['docker.io/library/x:1']);
      expectWhole(store, named);
      expect(
        store.snapshots
          .list()
          .map(({ chainId }) => chainId)
          .sort(),
      ).toEqual(chainIdsOf(['base', 'top'].map(diffIdOf)).sort());
      expect(store.cache.get(key('kept'))).toBeDefined();
      expect(await prune(store, ALL)).toEqual({
        images: 0,
        blobs: 0,
        snapshots: 0,
        cacheRecords: 0,
        bytes: 0,
      });
    });
  });

  it('keeps the cache and nameless images when it is told to', async () => {
    await withStore(async (store) => {
      const nameless = addImage(store, { layers: ['a'] });
      await store.images.put(nameless, []);
      addSnapshots(store, ['a', 'cached']);
      expect(await prune(store, { cache: false, unnamed: false, dryRun: false })).toMatchObject({
        images: 0,
        blobs: 0,
        snapshots: 0,
      });
      expectWhole(store, nameless);
      expect(store.snapshots.list()).toHaveLength(2);
    });
  });

  it('keeps the snapshot a layer is made from, although it stands on another image’s layers', async () => {
    await withStore(async (store) => {
      const first = addImage(store, { layers: ['a', 'shared'] });
      await store.images.put(first, ['docker.io/library/x:1']);
      addImage(store, { layers: ['b', 'shared'] }); // never tagged; `shared` is now made from its chain
      await prune(store, ALL);
      expectWhole(store, first);
    });
  });

  it('goes on over an image that is damaged, and keeps the others', async () => {
    await withStore(async (store) => {
      const whole = addImage(store, { layers: ['a', 'b'] });
      const [missing, damaged] = [addImage(store, { layers: ['c'] }), addImage(store, { layers: ['d'] })];
      await store.images.put(whole, ['docker.io/library/whole:1']);
      await store.images.put(missing, ['docker.io/library/missing:1']);
      await store.images.put(damaged, ['docker.io/library/damaged:1']);
      store.blobs.remove(missing.digest);
      writeFileSync(store.layout.blob(damaged.digest), '{}');
      await prune(store, ALL);
      expectWhole(store, whole);
      expect(store.images.list()).toHaveLength(3);
    });
  });

  it('repairs what a killed run left half removed', async () => {
    await withStore(async (store) => {
      const image = addImage(store, { layers: ['a', 'b'] });
      await store.images.put(image, ['docker.io/library/x:1']);
      const [, top] = chainIdsOf(['a', 'b'].map(diffIdOf));
      rmSync(join(store.layout.snapshot(top!), 'snapshot.json'));
      await prune(store, ALL);
      expect(existsSync(store.layout.snapshot(top!))).toBe(false);
      addSnapshots(store, ['a', 'b']);
      expectWhole(store, image);
    });
  });

  it('keeps everything reachable and removes the rest, for any images', async () => {
    const layer = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const image = fc.record({
      layers: fc.uniqueArray(layer, { maxLength: 4 }),
      kept: fc.constantFrom('blobs' as const, 'snapshots' as const),
      name: fc.constantFrom(undefined, 'x:1', 'x:2', 'y:1'),
      tagged: fc.boolean(),
      index: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(image, { maxLength: 6 }), async (images) => {
        await withStore(async (store) => {
          for (const { name, tagged, index, ...parts } of images) {
            const manifest = addImage(store, { ...parts, platform: { os: 'linux', architecture: 'amd64' } });
            const { platform: _platform, ...plain } = manifest;
            const root = index ? addIndex(store, [manifest]) : plain;
            if (tagged) await store.images.put(root, name === undefined ? [] : [`docker.io/library/${name}`]);
          }
          const named = store.images.list().filter((each) => each.name !== undefined);
          await prune(store, ALL);
          expect(store.images.list()).toEqual(named);
          for (const { root } of named) expectWhole(store, root);
          const needed = new Set(named.flatMap(({ root }) => [...reachable(store, root)]));
          expect(store.blobs.list().filter((digest) => !needed.has(digest))).toEqual([]);
          for (const { parent } of store.snapshots.list())
            expect(parent === undefined || store.snapshots.has(parent)).toBe(true);
        });
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

function* reachable(store: Store, descriptor: Descriptor): Iterable<string> {
  yield descriptor.digest;
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return;
  for (const child of childrenOf(descriptor, store.blobs.readDocument(descriptor.digest)))
    yield* reachable(store, child);
}
