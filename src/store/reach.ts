/** What images, and mounts of them, lead to: blobs, and the snapshots they are made of. */
import { digestOfDiffId, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { factsOr, type FactsOfDocuments, type IndexFacts, type ManifestFacts } from './document-facts.ts';
import type { Store } from './store.ts';

export interface Needed {
  readonly blobs: Set<Digest>;
  readonly chains: Set<ChainId>;
}

/** Everything that must stay for the roots, and for what is mounted. */
export function reach(store: Store, roots: readonly Descriptor[]): Needed {
  const needed = reachByDocuments(store, roots);
  for (const diffId of store.snapshots.recorded()) {
    if (!needed.blobs.has(digestOfDiffId(diffId))) continue;
    const made = store.snapshots.layerRecord(diffId);
    if (made !== undefined) keepAncestors(store, made.chainId, needed.chains);
  }
  store.mounts.sweep();
  for (const { chain } of store.mounts.list()) for (const chainId of chain) needed.chains.add(chainId);
  return needed;
}

/** What the documents say. One that is missing or damaged leads nowhere: it is not a reason to stop. */
export function reachByDocuments(
  store: Pick<Store, 'blobs' | 'facts'>,
  roots: readonly Descriptor[],
): Needed {
  const needed: Needed = { blobs: new Set(), chains: new Set() };
  const waiting = [...roots];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (needed.blobs.has(next.digest)) continue;
    needed.blobs.add(next.digest);
    if (!reachByFacts(store, next, needed)) waiting.push(...childrenIn(store, next));
  }
  return needed;
}

/** Without reading a document, where its facts say all that is to know; false where they do not. */
function reachByFacts({ facts }: Pick<Store, 'facts'>, descriptor: Descriptor, needed: Needed): boolean {
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
  return found.every((each) => each?.kind === 'manifest') ? found : undefined;
}

/** A layer's tar is made from one snapshot, which may stand on others than the image at hand. */
function keepAncestors(store: Store, chainId: ChainId, chains: Set<ChainId>): void {
  for (let next: ChainId | undefined = chainId; next !== undefined && !chains.has(next);) {
    chains.add(next);
    next = store.snapshots.has(next) ? store.snapshots.get(next).parent : undefined;
  }
}

function childrenIn({ blobs }: Pick<Store, 'blobs'>, descriptor: Descriptor): readonly Descriptor[] {
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return [];
  return factsOr(() => childrenOf(descriptor, blobs.readDocument(descriptor.digest)), []);
}
