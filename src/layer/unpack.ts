/** An image's layers to snapshots: those that are missing, base first. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { chainIdsOf, type ChainId, type DiffId } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hasSingleId, overlayNamespace } from '../sys/identity.ts';
import type { Store } from '../store/store.ts';
import { applyLayer } from './apply-layer.ts';
import { decompress } from './decompress.ts';
import { storeContent } from './image-content.ts';

export interface UnpackOptions {
  readonly signal: AbortSignal;
  /** Runs the work on a chain's last layer, unless somebody else is at it; always, by default. */
  readonly once?: (chainId: ChainId, work: () => Promise<void>) => Promise<void>;
}

/** Throws DIGEST_MISMATCH when a layer's content is not what the config's diff_ids say, LAYER_INVALID, BLOB_MISSING. */
export async function unpackLayers(
  store: Store,
  { layers, diffIds }: { readonly layers: readonly Descriptor[]; readonly diffIds: readonly DiffId[] },
  { signal, once = (_chainId, work) => work() }: UnpackOptions,
): Promise<void> {
  const chain = chainIdsOf(diffIds);
  for (const [index, layer] of layers.entries()) {
    const [chainId, diffId] = [chain[index], diffIds[index]];
    if (chainId === undefined || diffId === undefined || store.snapshots.has(chainId)) continue;
    signal.throwIfAborted();
    await once(chainId, () => unpackLayer(store, layer, { parents: chain.slice(0, index), diffId }));
  }
}

async function unpackLayer(
  store: Store,
  layer: Descriptor,
  { parents, diffId }: { readonly parents: readonly ChainId[]; readonly diffId: DiffId },
): Promise<void> {
  const staged = store.makeDirectory('unpack');
  const target = join(staged, 'fs');
  mkdirSync(target, { mode: 0o755 });
  const { data } = await decompress(storeContent(store).read(layer));
  const lowers = store.snapshots.trees(parents);
  const applied = await applyLayer(data, target, {
    lowers,
    overlay: overlayNamespace(),
    singleOwner: hasSingleId(),
  });
  if (applied.diffId !== diffId) {
    throw new ArchBuildError(
      'DIGEST_MISMATCH',
      `layer ${layer.digest} unpacks to ${applied.diffId}, its image says ${diffId}`,
    );
  }
  const parent = parents.at(-1);
  const record = {
    diffId,
    size: applied.size,
    includeRoot: false,
    ...(parent === undefined ? {} : { parent }),
  };
  store.snapshots.commit(staged, record, { regenerable: false });
}
