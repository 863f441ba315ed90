/**
 * Removing what nothing needs: blobs no image reaches, snapshots no image is made of, cache records without their
 * snapshot. Needs the store's exclusive lock.
 */
import { ArchBuildError } from '../errors.ts';
import { chainIdsOf, diffIdOfDigest, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import type { Snapshot } from './snapshots.ts';
import type { Store } from './store.ts';

export interface PruneResult {
  readonly images: number;
  /** Those that have come in part only, too. */
  readonly blobs: number;
  readonly snapshots: number;
  readonly cacheRecords: number;
  /** Of blobs and of the layers the snapshots stood for. */
  readonly bytes: number;
}

export interface PruneOptions {
  /** Also what only the build cache needs. */
  readonly cache: boolean;
  /** Also images without a name. */
  readonly unnamed: boolean;
  readonly dryRun: boolean;
}

export async function prune(store: Store, options: PruneOptions): Promise<PruneResult> {
  const unnamed = options.unnamed ? store.images.list().filter(({ name }) => name === undefined) : [];
  const roots = store.images.list().filter((image) => !(options.unnamed && image.name === undefined));
  const needed = reach(
    store,
    roots.map(({ root }) => root),
  );
  const blobs = store.blobs.list().filter((digest) => !needed.blobs.has(digest));
  const snapshots = options.cache
    ? store.snapshots.list().filter(({ chainId }) => !needed.chains.has(chainId))
    : [];
  const partials = store.partials.sweep('all', options.dryRun);
  const bytes =
    partials.bytes +
    blobs.reduce((sum, digest) => sum + store.blobs.sizeOf(digest), 0) +
    snapshots.reduce((sum, { size }) => sum + size, 0);
  const counts = {
    images: unnamed.length,
    blobs: blobs.length + partials.count,
    snapshots: snapshots.length,
    bytes,
  };
  if (options.dryRun) return { ...counts, cacheRecords: 0 };
  if (unnamed.length > 0) await store.images.remove(({ name }) => name === undefined);
  for (const digest of blobs) store.blobs.remove(digest);
  for (const snapshot of leavesFirst(snapshots)) store.snapshots.remove(snapshot);
  store.snapshots.sweep();
  store.packed.sweep(
    (digest) => store.blobs.has(digest) || store.snapshots.layerRecord(diffIdOfDigest(digest)) !== undefined,
  );
  if (options.cache) store.mountCaches.clear();
  return { ...counts, cacheRecords: store.cache.sweep() };
}

interface Needed {
  readonly blobs: Set<Digest>;
  readonly chains: Set<ChainId>;
}

/** Everything the roots lead to. A document that is missing or damaged leads nowhere: it is not a reason to stop. */
function reach(store: Store, roots: readonly Descriptor[]): Needed {
  const needed: Needed = { blobs: new Set(), chains: new Set() };
  const waiting = [...roots];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (needed.blobs.has(next.digest)) continue;
    needed.blobs.add(next.digest);
    waiting.push(...childrenIn(store, next));
    for (const chainId of chainsOf(store, next)) needed.chains.add(chainId);
  }
  store.mounts.sweep();
  for (const { chain } of store.mounts.list()) for (const chainId of chain) needed.chains.add(chainId);
  for (const digest of [...needed.blobs]) {
    const made = store.snapshots.layerRecord(diffIdOfDigest(digest));
    if (made !== undefined) keepAncestors(store, made.chainId, needed.chains);
  }
  return needed;
}

/** A layer's tar is made from one snapshot, which may stand on others than the image at hand. */
function keepAncestors(store: Store, chainId: ChainId, chains: Set<ChainId>): void {
  for (let next: ChainId | undefined = chainId; next !== undefined && !chains.has(next);) {
    chains.add(next);
    next = store.snapshots.has(next) ? store.snapshots.get(next).parent : undefined;
  }
}

function childrenIn(store: Store, descriptor: Descriptor): readonly Descriptor[] {
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return [];
  return readOr(() => childrenOf(descriptor, store.blobs.readDocument(descriptor.digest)), []);
}

function chainsOf(store: Store, descriptor: Descriptor): readonly ChainId[] {
  if (!isConfigType(descriptor.mediaType)) return [];
  return readOr(
    () => chainIdsOf(parseImageConfig(store.blobs.readDocument(descriptor.digest)).rootfs.diff_ids),
    [],
  );
}

function readOr<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ArchBuildError) return otherwise;
    throw error;
  }
}

/** Children before parents, so that a removal cut short leaves no snapshot on a missing one. */
function leavesFirst(snapshots: readonly Snapshot[]): Snapshot[] {
  const depth = new Map<ChainId, number>();
  const byId = new Map(snapshots.map((snapshot) => [snapshot.chainId, snapshot]));
  const depthOf = (snapshot: Snapshot): number => {
    const known = depth.get(snapshot.chainId);
    if (known !== undefined) return known;
    const parent = snapshot.parent === undefined ? undefined : byId.get(snapshot.parent);
    const found = parent === undefined ? 0 : depthOf(parent) + 1;
    depth.set(snapshot.chainId, found);
    return found;
  };
  return [...snapshots].sort((a, b) => depthOf(b) - depthOf(a));
}
