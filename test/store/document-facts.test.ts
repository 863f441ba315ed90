import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FactsOfDocuments } from '../../src/store/document-facts.ts';
import { summarizeImage } from '../../src/store/image-summary.ts';
import { prune } from '../../src/store/prune.ts';
import { removePlatform } from '../../src/store/remove-platform.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { usageOf } from '../../src/store/usage.ts';
import { openScratch } from '../support/scratch.ts';
import { addImage, addIndex, addSnapshots } from './sample-images.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };

async function withStore(use: (store: Store) => Promise<void>): Promise<void> {
  await using scratch = await openScratch('facts');
  await using store = await openStore(scratch.path('store'), 'exclusive');
  await use(store);
}

async function addTwo(
  store: Store,
  name: string,
  layer: string = name,
): Promise<ReturnType<typeof addIndex>> {
  const root = addIndex(store, [
    addImage(store, { layers: ['base', `${layer} amd64`], platform: AMD64 }),
    addImage(store, { layers: ['base', `${layer} arm64`], platform: ARM64 }),
  ]);
  await store.images.put(root, [`docker.io/library/${name}:latest`]);
  return root;
}

const summaryOf = (store: Store, facts: FactsOfDocuments, at = 0): ReturnType<typeof summarizeImage> =>
  summarizeImage(facts, store.images.list()[at]!, store.blobs.present());

describe('facts', () => {
  it('are the same when they were remembered', async () => {
    await withStore(async (store) => {
      const root = await addTwo(store, 'app');
      const first = summaryOf(store, store.facts);
      store.facts.save();
      const again = new FactsOfDocuments(store.layout, store.blobs);
      store.blobs.remove(root.digest); // nothing is read for them
      const facts = (each: typeof first): unknown =>
        each.platforms.map((platform) => [
          platform.platform,
          platform.digest,
          platform.facts?.children,
          platform.facts?.chain,
          platform.facts?.size,
        ]);
      expect(facts(summaryOf(store, again))).toEqual(facts(first));
    });
  });

  it.each(['', '{', '[]', '{"version":2}', 'null', '{"version":1,"digests":[],"indexes":3,"manifests":[]}'])(
    'are read from the documents when the file is %j',
    async (text) => {
      await withStore(async (store) => {
        await addTwo(store, 'app');
        writeFileSync(store.layout.facts, text);
        expect(summaryOf(store, store.facts).platforms).toHaveLength(2);
      });
    },
  );

  it('of what is gone leave with the next prune', async () => {
    await withStore(async (store) => {
      const gone = await addTwo(store, 'gone');
      await addTwo(store, 'kept');
      for (const at of [0, 1]) summaryOf(store, store.facts, at);
      store.facts.save();
      expect(readFileSync(store.layout.facts, 'utf8')).toContain(gone.digest);
      await store.images.remove(({ root }) => root.digest === gone.digest);
      await addTwo(store, 'new');
      await prune(store, { cache: false, unnamed: false, dryRun: false });
      expect(readFileSync(store.layout.facts, 'utf8')).not.toContain(gone.digest);
    });
  });
});

describe('an image without one of its platforms', () => {
  it('keeps its digest and is marked partial; the content goes with the next prune', async () => {
    await withStore(async (store) => {
      const root = await addTwo(store, 'app');
      await removePlatform(store, store.images.list()[0]!, ARM64);
      expect(store.images.list()[0]!.root.digest).toBe(root.digest);
      const { isPartial, platforms } = summaryOf(store, store.facts);
      expect(isPartial).toBe(true);
      expect(platforms.map(({ platform, facts }) => [platform, facts !== undefined])).toEqual([
        ['linux/amd64', true],
        ['linux/arm64', false],
      ]);
      const { blobs } = await prune(store, { cache: false, unnamed: false, dryRun: false });
      expect(blobs).toBe(1); // the config; the layers are snapshots
      expect(summaryOf(store, store.facts).platforms[0]!.facts).toBeDefined();
    });
  });

  it('goes with its last platform', async () => {
    await withStore(async (store) => {
      await addTwo(store, 'app');
      for (const platform of [AMD64, ARM64]) await removePlatform(store, store.images.list()[0]!, platform);
      expect(store.images.list()).toEqual([]);
    });
  });

  it('is refused while another image has the platform', async () => {
    await withStore(async (store) => {
      await addTwo(store, 'app');
      const shared = addIndex(store, [addImage(store, { layers: ['base', 'app arm64'], platform: ARM64 })]);
      await store.images.put(shared, ['docker.io/library/other:latest']);
      await expect(removePlatform(store, store.images.list()[0]!, ARM64)).rejects.toThrow(/other:latest/);
      expect(summaryOf(store, store.facts).isPartial).toBe(false);
    });
  });
});

describe('pruning a part of the cache', () => {
  it('keeps the newest up to so many bytes, with what they stand on', async () => {
    await withStore(async (store) => {
      addSnapshots(store, ['0123456789', 'abcdefghij']);
      const all = { cache: true, unnamed: true, dryRun: false };
      expect((await prune(store, { ...all, keepBytes: 20 })).snapshots).toBe(0);
      expect((await prune(store, { ...all, keepBytes: 15 })).snapshots).toBeGreaterThan(0);
      for (const { parent } of store.snapshots.list())
        expect(parent === undefined || store.snapshots.has(parent)).toBe(true);
    });
  });

  it('takes only what was made before', async () => {
    await withStore(async (store) => {
      await addTwo(store, 'app');
      addSnapshots(store, ['cache']);
      const all = { cache: true, unnamed: true, named: true, dryRun: false };
      expect(await prune(store, { ...all, madeBefore: Date.now() - 60_000 })).toMatchObject({
        images: 0,
        snapshots: 0,
      });
      const later = await prune(store, { ...all, madeBefore: Date.now() + 60_000 });
      expect(later).toMatchObject({ images: 1 });
      expect(store.snapshots.list()).toEqual([]);
    });
  });
});

it('usage says what prune then removes', async () => {
  await withStore(async (store) => {
    await addTwo(store, 'app');
    await store.images.put(addImage(store, { layers: ['base', 'nameless'] }), []);
    addSnapshots(store, ['cache', 'more']);
    const { images, snapshots, cache } = usageOf(store);
    expect([images.count, snapshots.count, cache.count]).toEqual([2, 4, 2]);
    const { bytes } = await prune(store, { cache: true, unnamed: true, dryRun: false });
    expect(images.reclaimable + snapshots.reclaimable + cache.reclaimable).toBe(bytes);
  });
});
