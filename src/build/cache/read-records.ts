/** The records of a cache as it is stored, each with the descriptor of its layer there. */
import { ArchBuildError } from '../../errors.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { parseDocument, parseManifest } from '../../oci/manifest.ts';
import { isManifestType } from '../../oci/media-types.ts';
import { readDocument } from '../../transfer/verified-stream.ts';
import { CACHE_CONFIG_TYPE, INLINE_ANNOTATION, parseCache, type PlacedRecord } from './cache-document.ts';

export interface FoundRecord extends PlacedRecord {
  /** Of the layer as the cache stores it, maybe compressed. */
  readonly descriptor: Descriptor | undefined;
}

/** Of a cache of its own, or of all platforms of an image that carries one. Throws DOCUMENT_INVALID. */
export async function readRecords(source: ContentSource, root: Descriptor): Promise<FoundRecord[]> {
  const document = parseDocument(await readDocument(source, root), root.mediaType);
  const manifests =
    document.kind === 'manifest'
      ? [root]
      : document.index.manifests.filter(({ mediaType }) => isManifestType(mediaType));
  const records: FoundRecord[] = [];
  for (const descriptor of manifests) {
    const { config, layers, annotations = {} } = parseManifest(await readDocument(source, descriptor));
    const inline = annotations[INLINE_ANNOTATION];
    const isCache = config.mediaType === CACHE_CONFIG_TYPE;
    if (!isCache && inline === undefined) continue;
    const bytes = isCache ? await readDocument(source, config) : Buffer.from(inline ?? '');
    for (const record of parseCache(bytes, 'cache'))
      records.push({ ...record, descriptor: layers[record.layer?.index ?? -1] });
  }
  if (records.length > 0) return records;
  throw new ArchBuildError('DOCUMENT_INVALID', 'it says nothing of any step');
}

/** A manifest with a cache of its own, not an image that carries one. */
export async function isCache(source: ContentSource, root: Descriptor): Promise<boolean> {
  return (
    isManifestType(root.mediaType) &&
    parseManifest(await readDocument(source, root)).config.mediaType === CACHE_CONFIG_TYPE
  );
}
