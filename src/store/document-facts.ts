/**
 * What indexes and manifests of the store say, remembered by digest, so that listing and pruning thousands of images
 * does not read each document again. Facts about a digest never change; whether its content is there is asked anew
 * each time. The file may be lost or stale without harm: what it lacks is read from the documents.
 */
import { existsSync, readFileSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { chainIdsOf, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, type Index, type Manifest } from '../oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import { formatPlatform } from '../oci/platform.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { Blobs } from './blobs.ts';
import type { StoreLayout } from './layout.ts';

export interface IndexFacts {
  readonly kind: 'index';
  readonly children: readonly Digest[];
  /** Of each child, formatted; empty for what is no image, such as an attestation. */
  readonly platforms: readonly string[];
}

export interface ManifestFacts {
  readonly kind: 'manifest';
  /** The config, then the layers. */
  readonly children: readonly Digest[];
  readonly chain: readonly ChainId[];
  /** Of the config, formatted. */
  readonly platform: string;
  readonly created: string | undefined;
  /** Of all layers as they are stored, bytes. */
  readonly size: number;
}

export type DocumentFacts = IndexFacts | ManifestFacts;

interface FactsFile {
  readonly version: 1;
  /** Each digest once: rows name them by their place. */
  readonly digests: readonly string[];
  readonly indexes: readonly (readonly [
    digest: number,
    children: readonly number[],
    platforms: readonly string[],
  ])[];
  readonly manifests: readonly (readonly [
    digest: number,
    children: readonly number[],
    chain: readonly number[],
    platform: string,
    created: string | 0,
    size: number,
  ])[];
}

export class FactsOfDocuments {
  readonly #layout: StoreLayout;
  readonly #blobs: Blobs;
  #known: Map<Digest, DocumentFacts> | undefined;
  #isChanged = false;

  constructor(layout: StoreLayout, blobs: Blobs) {
    this.#layout = layout;
    this.#blobs = blobs;
  }

  /** Undefined for what is neither an index nor a manifest of an image. Throws BLOB_MISSING, DOCUMENT_INVALID. */
  of({ digest, mediaType }: Pick<Descriptor, 'digest' | 'mediaType'>): DocumentFacts | undefined {
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return undefined;
    return this.#remembered(digest, () => {
      const document = parseDocument(this.#blobs.readDocument(digest), mediaType);
      return document.kind === 'index' ? indexFacts(document.index) : this.#manifestFacts(document.manifest);
    });
  }

  /** Of a digest that an index names as a manifest. */
  ofManifest(digest: Digest): DocumentFacts | undefined {
    return this.#remembered(digest, () =>
      this.#manifestFacts(parseManifest(this.#blobs.readDocument(digest))),
    );
  }

  #remembered(digest: Digest, read: () => DocumentFacts | undefined): DocumentFacts | undefined {
    const known = (this.#known ??= readFacts(this.#layout.facts));
    const facts = known.get(digest);
    if (facts !== undefined) return facts;
    const found = read();
    if (found === undefined) return undefined;
    known.set(digest, found);
    this.#isChanged = true;
    return found;
  }

  /** For the next command. A store that cannot be written to is read all the same. */
  save(isWanted: (digest: Digest) => boolean = () => true): void {
    if (!this.#isChanged || this.#known === undefined) return;
    const kept = [...this.#known].filter(([digest]) => isWanted(digest));
    try {
      writeFileAtomic(this.#layout.facts, JSON.stringify(packed(kept)));
      this.#isChanged = false;
    } catch (error) {
      const code = systemErrorCode(error) ?? systemErrorCode((error as { cause?: unknown }).cause);
      if (!['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(code ?? '')) throw error;
    }
  }

  #manifestFacts({ config, layers }: Manifest): ManifestFacts | undefined {
    if (!isConfigType(config.mediaType)) return undefined;
    const image = parseImageConfig(this.#blobs.readDocument(config.digest));
    return {
      kind: 'manifest',
      children: [config.digest, ...layers.map(({ digest }) => digest)],
      chain: chainIdsOf(image.rootfs.diff_ids),
      platform: formatPlatform(image),
      created: image.created,
      size: layers.reduce((sum, layer) => sum + layer.size, 0),
    };
  }
}

function indexFacts({ manifests }: Index): IndexFacts {
  const nameOf = ({ mediaType, platform }: Descriptor): string =>
    !isManifestType(mediaType) || platform === undefined || platform.os === 'unknown'
      ? ''
      : formatPlatform(platform);
  return {
    kind: 'index',
    children: manifests.map(({ digest }) => digest),
    platforms: manifests.map(nameOf),
  };
}

/** What does not look like our file counts as none. */
function readFacts(path: string): Map<Digest, DocumentFacts> {
  if (!existsSync(path)) return new Map();
  try {
    return unpacked(JSON.parse(readFileSync(path, 'utf8')) as FactsFile);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return new Map();
    throw error;
  }
}

function unpacked({ version, digests, indexes, manifests }: FactsFile): Map<Digest, DocumentFacts> {
  const known = new Map<Digest, DocumentFacts>();
  if ((version as number) !== 1) return known;
  const at = (place: number): Digest => digests[place] as Digest;
  for (const [digest, places, platforms] of indexes) {
    known.set(at(digest), { kind: 'index', children: places.map(at), platforms });
  }
  for (const row of manifests) known.set(at(row[0]), new PackedManifest(digests, row));
  return known;
}

/** Lists of digests are made when somebody asks: a listing of thousands of images does not. */
class PackedManifest implements ManifestFacts {
  readonly kind = 'manifest';
  readonly #digests: readonly string[];
  readonly #row: FactsFile['manifests'][number];

  constructor(digests: readonly string[], row: FactsFile['manifests'][number]) {
    this.#digests = digests;
    this.#row = row;
  }

  get children(): readonly Digest[] {
    return this.#row[1].map((place) => this.#digests[place] as Digest);
  }

  get chain(): readonly ChainId[] {
    return this.#row[2].map((place) => this.#digests[place] as unknown as ChainId);
  }

  get platform(): string {
    return this.#row[3];
  }

  get created(): string | undefined {
    return this.#row[4] === 0 ? undefined : this.#row[4];
  }

  get size(): number {
    return this.#row[5];
  }
}

function packed(known: readonly (readonly [Digest, DocumentFacts])[]): FactsFile {
  const places = new Map<string, number>();
  const place = (digest: string): number => {
    const found = places.get(digest);
    if (found !== undefined) return found;
    places.set(digest, places.size);
    return places.size - 1;
  };
  const indexes: FactsFile['indexes'][number][] = [];
  const manifests: FactsFile['manifests'][number][] = [];
  for (const [digest, facts] of known) {
    const children = facts.children.map(place);
    if (facts.kind === 'index') indexes.push([place(digest), children, facts.platforms]);
    else {
      const { chain, platform, created = 0, size } = facts;
      manifests.push([place(digest), children, chain.map(place), platform, created, size]);
    }
  }
  return { version: 1, digests: [...places.keys()], indexes, manifests };
}

/** Damaged or missing documents have no facts: that is no reason to stop listing or pruning the others. */
export function factsOr<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ArchBuildError) return otherwise;
    throw error;
  }
}
