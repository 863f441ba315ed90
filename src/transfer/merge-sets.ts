/** Several sets of images as one, whatever places they come from. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Digest } from '../oci/digest.ts';
import { loadGraph } from './content-graph.ts';
import type { NamedImage } from './image-list.ts';
import type { ImageSet } from './image-set.ts';

/** Reads all their documents. Two names of one image become one image with two names. Throws as `loadGraph` does. */
export async function mergeSets(sets: readonly ImageSet[]): Promise<ImageSet> {
  const homes = new Map<Digest, ContentSource>();
  for (const { content, images, select } of sets) {
    const roots = images.map(({ root }) => root);
    const { documents, blobs } = await loadGraph(content, roots, select);
    for (const { digest } of [...documents.map(({ descriptor }) => descriptor), ...blobs])
      if (!homes.has(digest)) homes.set(digest, content);
  }
  return {
    content: {
      read: (descriptor) => {
        const home = homes.get(descriptor.digest);
        if (home !== undefined) return home.read(descriptor);
        throw new ArchBuildError('BLOB_MISSING', `none of the images has ${descriptor.digest}`);
      },
    },
    images: mergeNames(sets.flatMap(({ images }) => images)),
    select: (children) => children.filter(({ digest }) => homes.has(digest)),
  };
}

function mergeNames(images: readonly NamedImage[]): NamedImage[] {
  const merged = new Map<Digest, NamedImage>();
  for (const { root, references, tags = [] } of images) {
    const before = merged.get(root.digest);
    merged.set(root.digest, {
      root: before?.root ?? root,
      references: [...new Set([...(before?.references ?? []), ...references])],
      tags: [...new Set([...(before?.tags ?? []), ...tags])],
    });
  }
  return [...merged.values()];
}
