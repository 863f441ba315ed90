/** The trees of an image's platforms, as snapshots of the store. */
import { MergedTree } from '../layer/merged-tree.ts';
import { unpackLayers } from '../layer/unpack.ts';
import { chainIdsOf } from '../oci/digest.ts';
import type { PlatformImage } from '../store/image-details.ts';
import type { Store } from '../store/store.ts';

/** Unpacks the layers that are not unpacked yet. */
export async function unpackPlatforms(
  { store, signal }: { readonly store: Store; readonly signal: AbortSignal },
  platforms: readonly Pick<PlatformImage, 'manifest' | 'config'>[],
): Promise<void> {
  for (const { manifest, config } of platforms)
    await unpackLayers(store, { layers: manifest.layers, diffIds: config.rootfs.diff_ids }, { signal });
}

/** The merged tree of a platform whose snapshots are there. */
export const treeOf = (store: Store, { config }: PlatformImage): MergedTree =>
  new MergedTree(store.snapshots.trees(chainIdsOf(config.rootfs.diff_ids)));
