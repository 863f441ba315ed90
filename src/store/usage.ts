/** What the store's space is used for, and how much of it `prune` would give back. */
import type { ChainId } from '../oci/digest.ts';
import { reach } from './reach.ts';
import type { Store } from './store.ts';

export interface Usage {
  readonly count: number;
  readonly bytes: number;
  /** Of `bytes`. */
  readonly reclaimable: number;
}

export interface SnapshotUsage {
  readonly chainId: ChainId;
  /** Of the layer it stands for. */
  readonly bytes: number;
  readonly madeAt: number;
  /** An image is made of it; else it is build cache. */
  readonly isUsed: boolean;
}

export interface StoreUsage {
  /** Blobs, counted by images. */
  readonly images: Usage;
  /** Unpacked layers of images. */
  readonly snapshots: Usage;
  /** Unpacked layers that only steps to come could use. */
  readonly cache: Usage;
  readonly mountCaches: Usage;
  readonly details: {
    readonly snapshots: readonly SnapshotUsage[];
    readonly mountCaches: ReadonlyMap<string, number>;
  };
}

export function usageOf(store: Store): StoreUsage {
  const images = store.images.list();
  const named = images.filter(({ name }) => name !== undefined);
  const rootsOf = (list: typeof images): Parameters<typeof reach>[1] => list.map(({ root }) => root);
  const neededByNames = reach(store, rootsOf(named));
  const sizes = store.blobs.list().map((digest) => ({ digest, size: store.blobs.sizeOf(digest) }));
  const loose = sizes.filter(({ digest }) => !neededByNames.blobs.has(digest));
  const needed = named.length === images.length ? neededByNames : reach(store, rootsOf(images));
  const snapshots = store.snapshots.list().map(({ chainId, size }): SnapshotUsage => ({
    chainId,
    bytes: size,
    madeAt: store.snapshots.madeAt(chainId),
    isUsed: needed.chains.has(chainId),
  }));
  const [used, unused] = [
    snapshots.filter(({ isUsed }) => isUsed),
    snapshots.filter(({ isUsed }) => !isUsed),
  ];
  const freed = used.filter(({ chainId }) => !neededByNames.chains.has(chainId));
  const mountCaches = store.mountCaches.sizes();
  const cacheBytes = [...mountCaches.values()].reduce((total, size) => total + size, 0);
  return {
    images: {
      count: images.length,
      bytes: sum(sizes.map(({ size }) => size)),
      reclaimable: sum(loose.map(({ size }) => size)),
    },
    snapshots: { count: used.length, bytes: sum(bytesOf(used)), reclaimable: sum(bytesOf(freed)) },
    cache: { count: unused.length, bytes: sum(bytesOf(unused)), reclaimable: sum(bytesOf(unused)) },
    mountCaches: { count: mountCaches.size, bytes: cacheBytes, reclaimable: cacheBytes },
    details: { snapshots, mountCaches },
  };
}

const bytesOf = (snapshots: readonly SnapshotUsage[]): number[] => snapshots.map(({ bytes }) => bytes);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
