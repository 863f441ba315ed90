/** The store as a place content goes to. */
import type { ContentSink } from '../oci/content.ts';
import { diffIdOfDigest } from '../oci/digest.ts';
import type { Store } from './store.ts';

/** A layer that can be made again from its snapshot counts as there. */
export function storeSink({ blobs, snapshots }: Store): ContentSink {
  return {
    has: ({ digest }) =>
      Promise.resolve(blobs.has(digest) || snapshots.layerRecord(diffIdOfDigest(digest)) !== undefined),
    write: (descriptor, data) => blobs.write(descriptor, data),
  };
}
