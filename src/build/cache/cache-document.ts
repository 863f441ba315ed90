/**
 * What a cache says: which step, by its key, made which layer. The document is the config of a manifest whose layers
 * are those layers, or an annotation of an image that has them. It is somebody else's: nothing in it is believed
 * before it has the right form, and no layer before its content has the digest.
 */
import { ArchBuildError } from '../../errors.ts';
import type { CacheKey, DiffId } from '../../oci/digest.ts';
import { listOf, readCount, readMatching, shape, type Reader } from '../../oci/json-shape.ts';
import { parseJson } from '../../oci/json.ts';

export const CACHE_CONFIG_TYPE = 'application/vnd.arch-build.cache.v1+json';
/** Of the manifest of an image that carries its cache. */
export const INLINE_ANNOTATION = 'dev.arch-build.cache';

const VERSION = 1;

export interface CachedLayer {
  readonly diffId: DiffId;
  /** Of the tar, bytes. */
  readonly size: number;
}

/** What one step of a build made. */
export interface StepRecord {
  readonly key: CacheKey;
  /** RFC 3339. */
  readonly created: string;
  /** Absent when the step changed nothing. */
  readonly layer?: CachedLayer;
}

/** A record, with the place of its layer among those of the manifest. */
export interface PlacedRecord extends Omit<StepRecord, 'layer'> {
  readonly layer?: CachedLayer & { readonly index: number };
}

/** Each key once; the layer with a digest has the index that `indexOf` says. The same records give the same text. */
export function formatCache(records: readonly StepRecord[], indexOf: (layer: CachedLayer) => number): string {
  const unique = [...new Map(records.map((record) => [record.key, record])).values()];
  return JSON.stringify({
    version: VERSION,
    records: unique.map(({ key, created, layer }) => ({
      key,
      created,
      ...(layer && { layer: { index: indexOf(layer), diffId: layer.diffId, size: layer.size } }),
    })),
  });
}

/** As large as a registry lets a manifest be. Bytes. */
const LIMIT = 4 << 20;

/** Throws DOCUMENT_INVALID. */
export function parseCache(bytes: Uint8Array, where: string): readonly PlacedRecord[] {
  const { version, records } = readCache(parseJson(bytes, where, LIMIT), where);
  if (version === VERSION) return records;
  throw new ArchBuildError('DOCUMENT_INVALID', `${where} has the version ${version}`, {
    hint: `this arch-build reads version ${VERSION}`,
  });
}

const readTime = readMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/, 'a time');
const readSha256 = readMatching(/^sha256:[0-9a-f]{64}$/, 'a SHA-256');
const readLayer = shape({ index: readCount, size: readCount, diffId: readSha256 as Reader<DiffId> }, {});
const readRecord = shape({ key: readSha256 as Reader<CacheKey>, created: readTime }, { layer: readLayer });
const readCache = shape({ version: readCount, records: listOf(readRecord) }, {});
