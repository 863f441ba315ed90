/**
 * Removing what nothing needs: blobs no image reaches, snapshots no image is made of, cache records without their
 * snapshot. Needs the store's exclusive lock.
 */
import { diffIdOfDigest, type ChainId } from '../oci/digest.ts';
import type { StoredImage } from './images.ts';
import { reach } from './reach.ts';
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
  /** Also images that have one. */
  readonly named?: boolean;
  /** Of images and the build cache only what was made before this time, in milliseconds since 1970. */
  readonly madeBefore?: number | undefined;
  /** Of the build cache the newest stays, up to this many bytes of layers. */
  readonly keepBytes?: number | undefined;
  readonly dryRun: boolean;
}

export async function prune(store: Store, options: PruneOptions): Promise<PruneResult> {
  const images = store.images.list();
  const leaving = new Set(images.filter((image) => isLeaving(store, image, options)));
  const roots = images.filter((image) => !leaving.has(image)).map(({ root }) => root);
  const needed = reach(store, roots);
  const blobs = store.blobs.list().filter((digest) => !needed.blobs.has(digest));
  const unused = store.snapshots.list().filter(({ chainId }) => !needed.chains.has(chainId));
  const kept = options.cache ? keptOf(store, unused, options) : undefined;
  const snapshots = unused.filter(({ chainId }) => kept?.has(chainId) === false);
  const partials = store.partials.sweep('all', options.dryRun);
  const bytes =
    partials.bytes +
    blobs.reduce((sum, digest) => sum + store.blobs.sizeOf(digest), 0) +
    snapshots.reduce((sum, { size }) => sum + size, 0);
  const counts = {
    images: leaving.size,
    blobs: blobs.length + partials.count,
    snapshots: snapshots.length,
    bytes,
  };
  if (options.dryRun) return { ...counts, cacheRecords: 0 };
  if (leaving.size > 0) await store.images.remove((image) => isLeaving(store, image, options));
  for (const digest of blobs) store.blobs.remove(digest);
  for (const snapshot of leavesFirst(snapshots)) store.snapshots.remove(snapshot);
  store.snapshots.sweep();
  store.packed.sweep(
    (digest) => store.blobs.has(digest) || store.snapshots.layerRecord(diffIdOfDigest(digest)) !== undefined,
  );
  const isSelective = options.madeBefore !== undefined || options.keepBytes !== undefined;
  const keepsCache = !options.cache || isSelective;
  if (!keepsCache) store.mountCaches.clear();
  store.derived.clear();
  store.facts.save((digest) => needed.blobs.has(digest));
  return { ...counts, cacheRecords: store.cache.sweep((chain) => keepsCache || needed.chains.has(chain)) };
}

function isLeaving({ blobs }: Store, { name, root }: StoredImage, options: PruneOptions): boolean {
  const { unnamed, named = false, madeBefore = Infinity } = options;
  if (name === undefined ? !unnamed : !named) return false;
  return madeBefore === Infinity || !blobs.has(root.digest) || blobs.madeAt(root.digest) < madeBefore;
}

/** The newest snapshots of the build cache that may stay, with what they stand on. */
function keptOf(
  { snapshots }: Store,
  unused: readonly Snapshot[],
  { madeBefore, keepBytes }: PruneOptions,
): ReadonlySet<ChainId> {
  const kept = new Set<ChainId>();
  if (madeBefore === undefined && keepBytes === undefined) return kept;
  const byId = new Map(unused.map((snapshot) => [snapshot.chainId, snapshot]));
  const newestFirst = unused
    .map((snapshot) => ({ snapshot, madeAt: snapshots.madeAt(snapshot.chainId) }))
    .filter(({ madeAt }) => madeBefore === undefined || madeAt >= madeBefore)
    .sort((one, other) => other.madeAt - one.madeAt);
  let bytes = 0;
  for (const { snapshot } of newestFirst) {
    const added = stackOf(snapshot, byId).filter(({ chainId }) => !kept.has(chainId));
    bytes += added.reduce((sum, { size }) => sum + size, 0);
    if (keepBytes !== undefined && bytes > keepBytes) break;
    for (const { chainId } of added) kept.add(chainId);
  }
  return kept;
}

function stackOf(snapshot: Snapshot, byId: ReadonlyMap<ChainId, Snapshot>): Snapshot[] {
  const stack: Snapshot[] = [];
  for (let next: Snapshot | undefined = snapshot; next !== undefined;) {
    stack.push(next);
    next = next.parent === undefined ? undefined : byId.get(next.parent);
  }
  return stack;
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
