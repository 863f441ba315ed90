/** What an image consists of, platform by platform, for listings: one of the store, or of any place whose documents are read. */
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, type Index, type Manifest } from '../oci/manifest.ts';
import { isConfigType } from '../oci/media-types.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import type { Blobs } from './blobs.ts';
import type { StoredImage } from './images.ts';

/** Throws BLOB_MISSING for a document that is not there. */
export type ImageDocuments = Pick<Blobs, 'has' | 'readDocument'>;

export interface PlatformImage {
  readonly platform: Platform;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Of all layers as they are stored, bytes. */
  readonly size: number;
}

export interface ImageDetails {
  readonly image: StoredImage;
  readonly index: Index | undefined;
  /** Those whose manifest is there, in the index's order. */
  readonly platforms: readonly PlatformImage[];
  /** Those the index names and that are not there. */
  readonly missing: readonly Platform[];
}

/** With `wanted` only the platforms that can be it are read. Throws BLOB_MISSING, DOCUMENT_INVALID. */
export function describeImage(
  documents: ImageDocuments,
  image: StoredImage,
  wanted?: Platform,
): ImageDetails {
  const document = parseDocument(documents.readDocument(image.root.digest), image.root.mediaType);
  if (document.kind === 'manifest') {
    return { image, index: undefined, platforms: [platformImage(documents, image.root)], missing: [] };
  }
  const images = imageEntries(document.index.manifests);
  const isHere = ({ digest }: Descriptor): boolean => documents.has(digest);
  const platforms = imageEntries(images.filter(isHere), wanted).map((entry) =>
    platformImage(documents, entry),
  );
  const missing = images.flatMap((entry) =>
    isHere(entry) || entry.platform === undefined ? [] : [entry.platform],
  );
  return { image, index: document.index, platforms, missing };
}

/** Without what is no image; of these the ones said to be for the wanted platform, or all where none is. */
export function imageEntries(entries: readonly Descriptor[], wanted?: Platform): readonly Descriptor[] {
  const images = entries.filter(({ platform }) => platform?.os !== 'unknown');
  if (wanted === undefined) return images;
  const serving = images.filter(
    ({ platform }) => platform !== undefined && matchesPlatform(wanted, platform),
  );
  return serving.length === 0 ? images : serving;
}

/** One platform of an image; without `wanted` the only one. Throws PLATFORM_NOT_FOUND naming what there is. */
export function pickPlatform(
  { image, platforms }: ImageDetails,
  wanted: Platform | undefined,
): PlatformImage {
  const names = platforms.map(({ platform }) => formatPlatform(platform)).join(', ');
  const [only] = platforms;
  if (wanted === undefined && only !== undefined && platforms.length === 1) return only;
  const found =
    wanted === undefined ? undefined : platforms.find(({ platform }) => matchesPlatform(wanted, platform));
  if (found !== undefined) return found;
  const name = image.name ?? image.root.digest;
  if (wanted === undefined) {
    throw new ArchBuildError('PLATFORM_NOT_FOUND', `${name} has several platforms`, {
      hint: `choose one with --platform: ${names}`,
    });
  }
  throw new ArchBuildError('PLATFORM_NOT_FOUND', `${name} is not there for ${formatPlatform(wanted)}`, {
    hint: `it is there for ${names || 'no platform'}`,
  });
}

function platformImage(documents: ImageDocuments, descriptor: Descriptor): PlatformImage {
  const manifest = parseManifest(documents.readDocument(descriptor.digest));
  if (!isConfigType(manifest.config.mediaType)) {
    const message = `${descriptor.digest} is not an image: its config is ${manifest.config.mediaType}`;
    throw new ArchBuildError('DOCUMENT_INVALID', message, { hint: '`inspect --raw` prints its manifest' });
  }
  const config = parseImageConfig(documents.readDocument(manifest.config.digest));
  const size = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return { platform: platformOfConfig(config), descriptor, manifest, config, size };
}
