/** What an image of the store consists of, platform by platform, for listings. */
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, type Index, type Manifest } from '../oci/manifest.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import type { StoredImage } from './images.ts';
import type { Store } from './store.ts';

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
  /** Those whose manifest the store has, in the index's order. */
  readonly platforms: readonly PlatformImage[];
  /** Those the index names and the store does not have. */
  readonly missing: readonly Platform[];
}

export function describeImage(store: Store, image: StoredImage): ImageDetails {
  const document = parseDocument(store.blobs.readDocument(image.root.digest), image.root.mediaType);
  if (document.kind === 'manifest') {
    return { image, index: undefined, platforms: [platformImage(store, image.root)], missing: [] };
  }
  const images = document.index.manifests.filter(({ platform }) => platform?.os !== 'unknown');
  const isHere = ({ digest }: Descriptor): boolean => store.blobs.has(digest);
  const platforms = images.filter(isHere).map((descriptor) => platformImage(store, descriptor));
  const missing = images.flatMap((entry) =>
    isHere(entry) || entry.platform === undefined ? [] : [entry.platform],
  );
  return { image, index: document.index, platforms, missing };
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
  throw new ArchBuildError(
    'PLATFORM_NOT_FOUND',
    `${name} is not in the store for ${formatPlatform(wanted)}`,
    {
      hint: `it is there for ${names || 'no platform'}`,
    },
  );
}

function platformImage(store: Store, descriptor: Descriptor): PlatformImage {
  const manifest = parseManifest(store.blobs.readDocument(descriptor.digest));
  const config = parseImageConfig(store.blobs.readDocument(manifest.config.digest));
  const size = manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return { platform: platformOfConfig(config), descriptor, manifest, config, size };
}
