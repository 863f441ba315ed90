/** Which repositories of a registry have blobs of an image already, as far as the names in the store tell. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isConfigType } from '../oci/media-types.ts';
import { parseReference } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { loadGraph, type ChildSelection } from './content-graph.ts';
import type { MountSources } from './registry-sink.ts';

interface PushedImage {
  readonly content: ContentSource;
  readonly root: Descriptor;
  /** All children by default. */
  readonly select?: ChildSelection;
}

/** For a push of the image under the name. Repositories with more of its layers come first. */
export async function mountSources(store: Store, image: PushedImage, name: string): Promise<MountSources> {
  const { domain, path } = parseReference(name);
  const wanted = new Set(await layersBelow(image));
  const byPath = new Map<string, Set<Digest>>();
  for (const other of store.images.list()) {
    if (other.name === undefined) continue;
    const { domain: itsDomain, path: from } = parseReference(other.name);
    if (itsDomain !== domain || from === path) continue;
    const shared = (await layersBelow({ ...inStore(store), root: other.root })).filter((digest) =>
      wanted.has(digest),
    );
    if (shared.length > 0) byPath.set(from, new Set([...(byPath.get(from) ?? []), ...shared]));
  }
  const sources = new Map<Digest, string[]>();
  const best = [...byPath].sort(([, a], [, b]) => b.size - a.size);
  for (const [from, digests] of best)
    for (const digest of digests) sources.set(digest, [...(sources.get(digest) ?? []), from]);
  return sources;
}

const inStore = ({ blobs }: Store): Omit<PushedImage, 'root'> => ({
  content: { read: ({ digest }) => blobs.read(digest) },
  select: (children) => children.filter(({ digest }) => blobs.has(digest)),
});

/** Nothing for an image with damage. */
async function layersBelow({ content, root, select }: PushedImage): Promise<Digest[]> {
  try {
    const graph = await loadGraph(content, [root], select);
    return graph.blobs.filter(({ mediaType }) => !isConfigType(mediaType)).map(({ digest }) => digest);
  } catch (error) {
    if (error instanceof ArchBuildError) return [];
    throw error;
  }
}
