/** Which repositories of a registry have blobs of an image already, as far as the names in the store tell. */
import type { Digest } from '../oci/digest.ts';
import { isConfigType } from '../oci/media-types.ts';
import { parseReference } from '../oci/reference.ts';
import { reachByDocuments } from '../store/reach.ts';
import type { Store } from '../store/store.ts';
import { loadGraph } from './content-graph.ts';
import type { ImageSet } from './image-set.ts';
import type { MountSources } from './registry-sink.ts';

/** For a push of the image under the name. Repositories with more of its layers come first. */
export async function mountSources(
  store: Store,
  { content, images, select }: ImageSet,
  name: string,
): Promise<MountSources> {
  const { domain, path } = parseReference(name);
  const roots = images.map(({ root }) => root);
  const { blobs } = await loadGraph(content, roots, select);
  const wanted = new Set(
    blobs.filter(({ mediaType }) => !isConfigType(mediaType)).map(({ digest }) => digest),
  );
  const byPath = new Map<string, Set<Digest>>();
  for (const image of store.images.list()) {
    if (image.name === undefined) continue;
    const other = parseReference(image.name);
    if (other.domain !== domain || other.path === path) continue;
    const there = [...reachByDocuments(store, [image.root]).blobs];
    const pushed = there.flatMap((digest) => [digest, ...store.packed.formsOf(digest)]);
    const shared = pushed.filter((digest) => wanted.has(digest));
    if (shared.length > 0) byPath.set(other.path, new Set([...(byPath.get(other.path) ?? []), ...shared]));
  }
  const sources = new Map<Digest, string[]>();
  const best = [...byPath].sort(([, a], [, b]) => b.size - a.size);
  for (const [from, digests] of best)
    for (const digest of digests) sources.set(digest, [...(sources.get(digest) ?? []), from]);
  return sources;
}
