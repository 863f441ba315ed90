/**
 * A store as a source of content: blobs as they are, and the layers that builds made as tars written anew from
 * their snapshots. Their bytes are a pure function of the snapshot, so nobody can tell the difference.
 */
import type { ContentSource } from '../oci/content.ts';
import { diffIdOfDigest } from '../oci/digest.ts';
import type { Store } from '../store/store.ts';
import { readLayer } from './write-layer.ts';

/** Reading throws BLOB_MISSING for what is neither kept nor can be made. */
export function storeContent({ blobs, layout, snapshots }: Store): ContentSource {
  return {
    read: (descriptor) => {
      const record = blobs.has(descriptor.digest)
        ? undefined
        : snapshots.layerRecord(diffIdOfDigest(descriptor.digest));
      if (record === undefined) return blobs.read(descriptor.digest);
      const { includeRoot } = snapshots.get(record.chainId);
      return readLayer(layout.snapshotTree(record.chainId), { includeRoot });
    },
  };
}
