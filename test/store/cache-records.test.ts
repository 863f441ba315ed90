import { readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { digestOf, type CacheKey } from '../../src/oci/digest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { addSnapshots } from './sample-images.ts';

const key = (name: string): CacheKey => digestOf(name) as unknown as CacheKey;
const created = '2024-01-01T00:00:00.000Z';

async function withStore(use: (store: Store) => void): Promise<void> {
  await using scratch = await openScratch('cache');
  await using store = await openStore(scratch.path('store'));
  use(store);
}

describe('a cache record', () => {
  it('is given back as it was put, with and without a layer', async () => {
    await withStore((store) => {
      const [layer] = addSnapshots(store, ['a']);
      expect(store.cache.get(key('k'))).toBeUndefined();
      store.cache.put(key('k'), { created, layer: layer! });
      store.cache.put(key('none'), { created });
      expect(store.cache.get(key('k'))).toEqual({ created, layer });
      expect(store.cache.get(key('none'))).toEqual({ created });
      store.cache.put(key('k'), { created });
      expect(store.cache.get(key('k'))).toEqual({ created });
    });
  });

  it('of a step that changed nothing goes with the layers it stands on', async () => {
    await withStore((store) => {
      const [unpacked, needed, gone] = addSnapshots(store, ['a', 'b', 'c']);
      for (const parent of [unpacked!, needed!, gone!]) store.cache.put(key(parent), { created, parent });
      for (const chain of [gone!, needed!]) store.snapshots.remove(store.snapshots.get(chain));
      expect(store.cache.get(key(gone!))).toEqual({ created, parent: gone });
      expect(store.cache.sweep((chain) => chain === needed)).toBe(1);
      expect(store.cache.get(key(gone!))).toBeUndefined();
      for (const parent of [unpacked!, needed!])
        expect(store.cache.get(key(parent))).toEqual({ created, parent });
    });
  });

  it('counts as absent without its snapshot, and when it is damaged; sweeping removes both and no other', async () => {
    await withStore((store) => {
      const [layer, other] = addSnapshots(store, ['a', 'b']);
      expect(store.cache.sweep(() => false)).toBe(0);
      store.cache.put(key('gone'), { created, layer: other! });
      store.cache.put(key('kept'), { created, layer: layer! });
      store.cache.put(key('nothing'), { created });
      for (const text of ['', '{', 'null', '[]', '5', '{"layer":7}']) {
        writeFileSync(store.layout.cacheRecord(key(`damaged ${text}`)), text);
        expect(store.cache.get(key(`damaged ${text}`))).toBeUndefined();
      }
      store.snapshots.remove(store.snapshots.get(other!));
      expect(store.cache.get(key('gone'))).toBeUndefined();
      expect(store.cache.sweep(() => false)).toBe(7);
      expect(readdirSync(store.layout.cache)).toHaveLength(2);
      expect(store.cache.get(key('kept'))).toEqual({ created, layer });
    });
  });
});
