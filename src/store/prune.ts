/**
 * Removing what nothing needs: blobs no image reaches, snapshots no image is made of, cache records without their
 * snapshot. Needs the store's exclusive lock.
 */
import { digestOfDiffId, diffIdOfDigest, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { factsOr, type FactsOfDocuments, type IndexFacts, type ManifestFacts } from './document-facts.ts';
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
  const images = store.images.list();
  const unnamed = options.unnamed ? images.filter(({ name }) => name === undefined) : [];
  const roots = images.filter((image) => !(options.unnamed && image.name === undefined));
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
  store.facts.save((digest) => needed.blobs.has(digest));
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
    if (!reachByFacts(store, next, needed)) waiting.push(...childrenIn(store, next));
  }
  store.mounts.sweep();
  for (const { chain } of store.mounts.list()) for (const chainId of chain) needed.chains.add(chainId);
  for (const diffId of store.snapshots.recorded()) {
    if (!needed.blobs.has(digestOfDiffId(diffId))) continue;
    const made = store.snapshots.layerRecord(diffId);
    if (made !== undefined) keepAncestors(store, made.chainId, needed.chains);
  }
  return needed;
}

/** Without reading a document, where its facts say all that is to know; false where they do not. */
function reachByFacts({ facts }: Store, descriptor: Descriptor, needed: Needed): boolean {
  const found = factsOr(() => facts.of(descriptor), undefined);
  if (found === undefined) return false;
  const manifests = found.kind === 'manifest' ? [found] : manifestsOf(facts, found);
  if (manifests === undefined) return false;
  for (const digest of found.children) needed.blobs.add(digest);
  for (const { children, chain } of manifests) {
    for (const digest of children) needed.blobs.add(digest);
    for (const chainId of chain) needed.chains.add(chainId);
  }
  return true;
}

/** Undefined when something else than whole images is in the index. */
function manifestsOf(facts: FactsOfDocuments, index: IndexFacts): readonly ManifestFacts[] | undefined {
  if (index.platforms.includes('')) return undefined;
  const found = index.children.map((digest) => factsOr(() => facts.ofManifest(digest), undefined));
  return found.every((each) => each?.kind === 'manifest') ? (found) : undefined;
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
  return factsOr(() => childrenOf(descriptor, store.blobs.readDocument(descriptor.digest)), []);
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
