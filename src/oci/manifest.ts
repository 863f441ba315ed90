/**
 * Manifests and indexes: the inner nodes of the graph of descriptors. Sources: OCI image-spec manifest.md and
 * image-index.md; distribution "Image Manifest V 2, Schema 2", which has the same shape.
 *
 * What a document is depends on its media type and its contents; where the two disagree, or the contents fit both
 * kinds, two programs could see two images behind one digest, so the document is refused.
 */
import { ArchBuildError } from '../errors.ts';
import {
  describe,
  orderedDescriptor,
  readAnnotations,
  readDescriptor,
  readMediaType,
  type Descriptor,
} from './descriptor.ts';
import { formatJson, ordered, parseJson, type JsonObject } from './json.ts';
import { invalidAt, listOf, readObject, shape, type Reader } from './json-shape.ts';
import { isIndexType, isManifestType, isSchema1Type, MEDIA_TYPES } from './media-types.ts';
import { chooseByPlatform, type Reach } from './platform-choice.ts';
import { formatPlatform, type Platform } from './platform.ts';

interface DocumentBase {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest extends DocumentBase {
  readonly config: Descriptor;
  /** Base first. */
  readonly layers: readonly Descriptor[];
}

export interface Index extends DocumentBase {
  readonly manifests: readonly Descriptor[];
}

export type ImageDocument =
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index };

export interface ParseOptions {
  /** What the descriptor says the document is: it must agree. */
  readonly mediaType?: string;
  /** Default: the limit `manifest-bytes`. */
  readonly limitBytes?: number;
}

/** Unknown fields survive. Throws DOCUMENT_INVALID. */
export function parseManifest(bytes: Uint8Array, options: ParseOptions = {}): Manifest {
  return readDocument(bytes, MANIFEST_KIND, options);
}

/** Unknown fields survive, and so do entries of unknown media types. Throws DOCUMENT_INVALID. */
export function parseIndex(bytes: Uint8Array, options: ParseOptions = {}): Index {
  return readDocument(bytes, INDEX_KIND, options);
}

/** Reads what the descriptor's media type says it is. Throws DOCUMENT_INVALID for any other media type. */
export function parseDocument(bytes: Uint8Array, mediaType: string): ImageDocument {
  if (isIndexType(mediaType)) return { kind: 'index', index: parseIndex(bytes, { mediaType }) };
  if (isManifestType(mediaType)) return { kind: 'manifest', manifest: parseManifest(bytes, { mediaType }) };
  if (isSchema1Type(mediaType)) throw schema1();
  throw new ArchBuildError(
    'DOCUMENT_INVALID',
    `neither an image manifest nor an index: ${JSON.stringify(mediaType.slice(0, 160))}`,
  );
}

/** What a document points to, in its order. The graph has no other edges; unknown media types are leaves. */
export function childrenOf(descriptor: Descriptor, bytes: Uint8Array): readonly Descriptor[] {
  const { mediaType } = descriptor;
  if (isSchema1Type(mediaType)) throw schema1();
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) return [];
  const document = parseDocument(bytes, mediaType);
  if (document.kind === 'index') return document.index.manifests;
  return [document.manifest.config, ...document.manifest.layers];
}

/**
 * The first entry that matches, as the spec has it; exactly, unless a further reach is given. Entries without a
 * platform, attestations (`unknown/unknown`) and unknown media types never match. Undefined when there is none.
 */
export function selectPlatform(
  index: Index,
  platform: Platform,
  reach: Reach = 'exact',
): Descriptor | undefined {
  const platformOf = (entry: PlatformEntry): Platform => entry.platform;
  return chooseByPlatform(platform, imagesOf(index), { platformOf, reach });
}

/** The platforms of an index, formatted, each once, in its order: for messages. */
export function platformsOf(index: Index): string[] {
  return [...new Set(imagesOf(index).map(({ platform }) => formatPlatform(platform)))];
}

export interface ManifestParts {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Built {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
}

/** An OCI image manifest; equal parts give equal bytes. Throws DOCUMENT_INVALID for parts no reader would take. */
export function buildManifest({
  config,
  layers,
  annotations,
}: ManifestParts): Built & { readonly manifest: Manifest } {
  const bytes = formatJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: orderedDescriptor(config),
    layers: layers.map(orderedDescriptor),
    ...orderedAnnotations(annotations),
  });
  return { manifest: parseManifest(bytes), bytes, descriptor: describe(bytes, MEDIA_TYPES.ociManifest) };
}

/** An OCI index; equal parts give equal bytes. Throws DOCUMENT_INVALID for parts no reader would take. */
export function buildIndex(
  manifests: readonly Descriptor[],
  annotations?: Readonly<Record<string, string>>,
): Built & { readonly index: Index } {
  const bytes = formatJson({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: manifests.map(orderedDescriptor),
    ...orderedAnnotations(annotations),
  });
  return { index: parseIndex(bytes), bytes, descriptor: describe(bytes, MEDIA_TYPES.ociIndex) };
}

function orderedAnnotations(annotations: Readonly<Record<string, string>> | undefined): JsonObject {
  return annotations === undefined || Object.keys(annotations).length === 0
    ? {}
    : { annotations: ordered(annotations) };
}

type PlatformEntry = Descriptor & { readonly platform: Platform };

function imagesOf(index: Index): PlatformEntry[] {
  return index.manifests.filter(
    (entry): entry is PlatformEntry =>
      (isManifestType(entry.mediaType) || isIndexType(entry.mediaType)) &&
      entry.platform !== undefined &&
      entry.platform.os !== 'unknown' &&
      entry.annotations?.['vnd.docker.reference.type'] === undefined,
  );
}

interface Kind<T> {
  readonly name: string;
  readonly isType: (mediaType: string) => boolean;
  readonly read: Reader<T>;
  /** Fields of the other kind. */
  readonly foreign: readonly string[];
}

const readSchemaVersion: Reader<2> = (value, at) => {
  if (value === 2) return 2;
  if (value === 1) throw schema1();
  throw invalidAt(at, 'is not 2');
};

const COMMON = {
  mediaType: readMediaType,
  artifactType: readMediaType,
  subject: readDescriptor,
  annotations: readAnnotations,
} as const;

const MANIFEST_KIND: Kind<Manifest> = {
  name: 'manifest',
  isType: isManifestType,
  read: shape(
    { schemaVersion: readSchemaVersion, config: readDescriptor, layers: listOf(readDescriptor) },
    COMMON,
  ),
  foreign: ['manifests', 'fsLayers'],
};

const INDEX_KIND: Kind<Index> = {
  name: 'index',
  isType: isIndexType,
  read: shape({ schemaVersion: readSchemaVersion, manifests: listOf(readDescriptor) }, COMMON),
  foreign: ['config', 'layers', 'fsLayers'],
};

function readDocument<T extends DocumentBase>(bytes: Uint8Array, kind: Kind<T>, options: ParseOptions): T {
  const { mediaType: expected, limitBytes = 'manifest-bytes' } = options;
  const { name, isType, foreign, read } = kind;
  const value = readObject(parseJson(bytes, `the ${name}`, limitBytes), `the ${name}`);
  refuseFoldedKeys(value, `the ${name}`);
  const { schemaVersion, mediaType } = value;
  if (schemaVersion === 1 || (typeof mediaType === 'string' && isSchema1Type(mediaType))) throw schema1();
  const both = foreign.find((key) => Object.hasOwn(value, key));
  if (both !== undefined)
    throw invalidAt(`the ${name}`, `has ${both}, so that it could be taken for something else`);
  const document = read(value, name);
  const found = document.mediaType;
  if (found !== undefined && !isType(found))
    throw invalidAt(`${name}.mediaType`, `is not that of one: ${found}`);
  if (expected === undefined || found === undefined || expected === found) return document;
  throw invalidAt(`${name}.mediaType`, `is ${found} but its descriptor says ${expected.slice(0, 160)}`);
}

/** Some readers take `Layers` for `layers`: a document must not depend on it. */
function refuseFoldedKeys(value: JsonObject, at: string): void {
  for (const key of Object.keys(value)) {
    const folded = DOCUMENT_KEYS.get(key.toLowerCase());
    if (folded === undefined || folded === key) continue;
    throw invalidAt(at, `has ${JSON.stringify(key)}, which some programs read as ${folded}`);
  }
}

const DOCUMENT_KEYS: ReadonlyMap<string, string> = new Map(
  [
    'schemaVersion',
    'mediaType',
    'artifactType',
    'config',
    'layers',
    'manifests',
    'fsLayers',
    'subject',
    'annotations',
  ].map((key) => [key.toLowerCase(), key]),
);

function schema1(): ArchBuildError {
  return new ArchBuildError('DOCUMENT_INVALID', 'schema 1 manifests are obsolete and not supported', {
    hint: 'have the image pushed again by a current client, or convert it with another tool',
  });
}
