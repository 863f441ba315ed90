/**
 * The directory map of a store: an OCI image layout (oci-layout, index.json, blobs/) with what a builder needs
 * beside it.
 *
 *   snapshots/<chainID>/fs             a layer as a directory, in overlay form
 *   snapshots/<chainID>/snapshot.json  what it is
 *   layers/<diffID>.json               a layer whose tar is not kept: the snapshot it is made from again
 *   packed/<digest>.json             what a layer became when it was packed for the way
 *   cache/<key>.json                   a step's result
 *   facts.json                         what documents say, remembered: see document-facts.ts
 *   builds/<time>-<id>.json            a record of each build
 *   emulators/<version>/qemu-<arch>
 *   mount-caches/<sha256 of id>/<n>    directories of RUN --mount=type=cache
 *   derived/<key>/                     what is made of other things here: see derived.ts
 *   mounts/<id>/                       an image that is mounted somewhere: see mount-records.ts
 *   partials/<algorithm>-<hex>         blobs that have come in part
 *   tmp/                               sessions
 *   owner                              root, user or single-user: whose ids the snapshots have
 *   lock, index.lock                   flock files
 */
import { join } from 'node:path';
import {
  encodedOf,
  algorithmOf,
  type CacheKey,
  type ChainId,
  type Digest,
  type DiffId,
} from '../oci/digest.ts';

export interface StoreLayout {
  readonly root: string;
  readonly ociLayout: string;
  readonly index: string;
  readonly lock: string;
  readonly indexLock: string;
  /** Whose ids and marks the snapshots have: see store-owner.ts. */
  readonly owner: string;
  readonly blobs: string;
  readonly snapshots: string;
  readonly layers: string;
  readonly packed: string;
  readonly cache: string;
  readonly facts: string;
  readonly builds: string;
  readonly emulators: string;
  readonly mountCaches: string;
  readonly derived: string;
  readonly mounts: string;
  readonly partials: string;
  readonly temporary: string;
  blob(digest: Digest): string;
  snapshot(chainId: ChainId): string;
  /** The directory that is a lowerdir of overlays. */
  snapshotTree(chainId: ChainId): string;
  layer(diffId: DiffId): string;
  packedLayer(digest: Digest): string;
  cacheRecord(key: CacheKey): string;
}

export function storeLayout(root: string): StoreLayout {
  const at = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    ociLayout: at('oci-layout'),
    index: at('index.json'),
    lock: at('lock'),
    indexLock: at('index.lock'),
    owner: at('owner'),
    blobs: at('blobs'),
    snapshots: at('snapshots'),
    layers: at('layers'),
    packed: at('packed'),
    cache: at('cache'),
    facts: at('facts.json'),
    builds: at('builds'),
    emulators: at('emulators'),
    mountCaches: at('mount-caches'),
    derived: at('derived'),
    mounts: at('mounts'),
    partials: at('partials'),
    temporary: at('tmp'),
    blob: (digest) => at('blobs', algorithmOf(digest), encodedOf(digest)),
    snapshot: (chainId) => at('snapshots', encodedOf(chainId)),
    snapshotTree: (chainId) => at('snapshots', encodedOf(chainId), 'fs'),
    layer: (diffId) => at('layers', `${encodedOf(diffId)}.json`),
    packedLayer: (digest) => at('packed', `${encodedOf(digest)}.json`),
    cacheRecord: (key) => at('cache', `${encodedOf(key)}.json`),
  };
}
