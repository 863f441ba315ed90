/** An index of manifests the store has, as a document of the store. */
import type { Descriptor } from '../oci/descriptor.ts';
import { buildIndex } from '../oci/manifest.ts';
import type { Store } from './store.ts';

/** Without a name it goes with the next prune: the caller gives it one. */
export function writeIndex(
  { blobs }: Pick<Store, 'blobs'>,
  manifests: readonly Descriptor[],
  annotations: Readonly<Record<string, string>> = {},
): Descriptor {
  const index = buildIndex(manifests, annotations);
  blobs.writeDocument(index.bytes);
  return index.descriptor;
}
