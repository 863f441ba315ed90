/** The documents of an image in any place, read ahead: with them it can be described like one of the store. */
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isConfigType, isManifestType } from '../oci/media-types.ts';
import type { Platform } from '../oci/platform.ts';
import { imageEntries, type ImageDocuments } from '../store/image-details.ts';
import { mapConcurrently } from './concurrency.ts';
import { loadGraph, type ChildSelection } from './content-graph.ts';
import type { ImageSet } from './image-set.ts';
import { readDocument } from './verified-stream.ts';

const PARALLEL_READS = 4;

/** What the name stands for alone; or with the manifests and configs of all platforms, or of those that can be one. */
export type DocumentsWanted = 'root' | 'all' | Platform;

/**
 * Nothing but what is wanted is asked for. `has` tells of every child of an index whether the place has it.
 * Throws what reading throws, and DOCUMENT_INVALID for more than an image may ask for.
 */
export async function readDocuments(
  { content, select = (children) => children }: Pick<ImageSet, 'content' | 'select'>,
  root: Descriptor,
  wanted: DocumentsWanted,
): Promise<ImageDocuments> {
  const present = new Set<Digest>([root.digest]);
  const read = new Map<Digest, Buffer>();
  const selectWanted: ChildSelection = async (children) => {
    const here = await select(children);
    for (const { digest } of here) present.add(digest);
    if (wanted === 'root') return [];
    return imageEntries(here, wanted === 'all' ? undefined : wanted);
  };
  const { documents } = await loadGraph(content, [root], selectWanted);
  for (const { descriptor, bytes } of documents) read.set(descriptor.digest, bytes);
  const configs = documents
    .filter(({ descriptor: { mediaType } }) => wanted !== 'root' && isManifestType(mediaType))
    .flatMap(({ children: [config] }) => config ?? [])
    .filter(({ mediaType }) => isConfigType(mediaType));
  await mapConcurrently(configs, PARALLEL_READS, async (config) =>
    read.set(config.digest, await readDocument(content, config, 'config-bytes')),
  );
  return {
    has: (digest) => present.has(digest),
    readDocument: (digest) => read.get(digest) ?? missing(digest),
  };
}

function missing(digest: Digest): never {
  throw new ArchBuildError('BLOB_MISSING', `${digest} is no document of an image`);
}
