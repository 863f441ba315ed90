/**
 * What hangs below some roots, as a value: the documents (manifests, indexes) in memory, the blobs as descriptors.
 * Everything that copies or archives first makes this, so that a bad graph is refused before the first large read.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { beyondLimit, limitOf, type LimitName } from '../oci/limits.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { mapConcurrently } from './concurrency.ts';
import { readDocument } from './verified-stream.ts';

const PARALLEL_READS = 4;

export interface GraphDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  /** Only those that were selected. */
  readonly children: readonly Descriptor[];
}

export interface ContentGraph {
  readonly roots: readonly Descriptor[];
  /** Children before parents. */
  readonly documents: readonly GraphDocument[];
  /** Configs and layers, each digest once, in the order in which the documents name them. */
  readonly blobs: readonly Descriptor[];
}

/** Which children of an index to follow. The index itself keeps naming all of them. */
export type ChildSelection = (
  children: readonly Descriptor[],
) => readonly Descriptor[] | Promise<readonly Descriptor[]>;

/**
 * Reads all documents below the roots, verified. Throws DOCUMENT_INVALID for a graph that is too deep, too wide, or
 * that names one digest as two kinds of thing; SIZE_MISMATCH, DIGEST_MISMATCH, and what the source throws.
 */
export async function loadGraph(
  source: ContentSource,
  roots: readonly Descriptor[],
  select: ChildSelection = (children) => children,
): Promise<ContentGraph> {
  const documents = new Map<string, GraphDocument>();
  const known = new Map<string, Descriptor>();
  let total = 0;
  let level = distinct(roots, known);
  for (let depth = 0; level.length > 0; depth++) {
    const unread = level.filter(isDocument);
    if (unread.length > 0) check('index-depth', depth, 'indexes within indexes');
    const loaded = await mapConcurrently(unread, PARALLEL_READS, async (descriptor) => {
      total += descriptor.size;
      check('documents-bytes', total, 'bytes of manifests and indexes');
      return loadDocument(source, descriptor, select);
    });
    for (const document of loaded) documents.set(document.descriptor.digest, document);
    level = distinct(
      loaded.flatMap(({ children }) => children),
      known,
    );
  }
  return inOrder(roots, documents);
}

const isDocument = ({ mediaType }: Descriptor): boolean =>
  isIndexType(mediaType) || isManifestType(mediaType);

async function loadDocument(
  source: ContentSource,
  descriptor: Descriptor,
  select: ChildSelection,
): Promise<GraphDocument> {
  const bytes = await readDocument(source, descriptor);
  const children = childrenOf(descriptor, bytes);
  check('index-children', children.length, `children of ${descriptor.digest}`);
  if (isIndexType(descriptor.mediaType)) return { descriptor, bytes, children: await select(children) };
  const config = children[0];
  if (config !== undefined) check('config-bytes', config.size, `bytes of the config ${config.digest}`);
  return { descriptor, bytes, children };
}

/** Those that were not seen before; a digest that comes back must mean the same thing. */
function distinct(descriptors: readonly Descriptor[], known: Map<string, Descriptor>): Descriptor[] {
  return descriptors.filter((descriptor) => {
    const first = known.get(descriptor.digest);
    if (first === undefined) {
      known.set(descriptor.digest, descriptor);
      check('descriptors', known.size, 'blobs in one image');
      return true;
    }
    if (first.size !== descriptor.size) {
      throw new ArchBuildError(
        'SIZE_MISMATCH',
        `${descriptor.digest} is named with ${first.size} and with ${descriptor.size} bytes`,
      );
    }
    const confused =
      (isDocument(first) || isDocument(descriptor)) && first.mediaType !== descriptor.mediaType;
    if (confused)
      throw invalid(`${descriptor.digest} is named as ${first.mediaType} and as ${descriptor.mediaType}`);
    return false;
  });
}

/** Depth-first, children first. A loop would need two documents with each other's digest; it is refused all the same. */
function inOrder(roots: readonly Descriptor[], loaded: ReadonlyMap<string, GraphDocument>): ContentGraph {
  const documents = new Set<GraphDocument>();
  const blobs = new Map<string, Descriptor>();
  const above = new Set<string>();
  const visit = (descriptor: Descriptor): void => {
    const document = loaded.get(descriptor.digest);
    if (document === undefined) {
      if (!blobs.has(descriptor.digest)) blobs.set(descriptor.digest, descriptor);
      return;
    }
    if (above.has(descriptor.digest)) throw invalid(`${descriptor.digest} contains itself`);
    if (documents.has(document)) return;
    above.add(descriptor.digest);
    document.children.forEach(visit);
    above.delete(descriptor.digest);
    documents.add(document);
  };
  roots.forEach(visit);
  return { roots, documents: [...documents], blobs: [...blobs.values()] };
}

function check(name: LimitName, found: number, what: string): void {
  const limit = limitOf(name);
  if (found > limit)
    throw beyondLimit('DOCUMENT_INVALID', name, `${found} ${what}, more than the ${limit} allowed`);
}

const invalid = (message: string): ArchBuildError => new ArchBuildError('DOCUMENT_INVALID', message);
