/** An image of the store, or nothing, as the beginning of a stage on one platform. */
import { ArchBuildError } from '../errors.ts';
import { unpackLayers } from '../layer/unpack.ts';
import { chainIdsOf, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { emptyImageConfig, parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, platformsOf, selectPlatform } from '../oci/manifest.ts';
import { layerCompression, MEDIA_TYPES } from '../oci/media-types.ts';
import { servingPlatforms, type Reach } from '../oci/platform-choice.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { clusterOf, type ClusterImage } from './cluster-image.ts';
import type { Job } from './options.ts';
import { SharedWork } from './shared-work.ts';

/** Which image a stage has begun with. */
export interface BaseOrigin {
  /** Full name; undefined for one that no registry knows by its name. */
  readonly name: string | undefined;
  /** Of the platform's manifest. */
  readonly digest: Digest;
  /** How many entries its history has: an image with no more is the same one. */
  readonly historyCount: number;
}

export interface BaseImage {
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  readonly chain: readonly ChainId[];
  readonly origin?: BaseOrigin | undefined;
  /** Of an image that sealer or we made for clusters. */
  readonly cluster?: ClusterImage | undefined;
  /** Of its manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Of an image that says nothing of it. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function scratchImage(platform: Platform): BaseImage {
  const config = emptyImageConfig(platform);
  return { config: { ...config, config: { Env: [`PATH=${DEFAULT_PATH}`] } }, layers: [], chain: [] };
}

/** A platform of an image, for messages as well. */
export interface Wanted {
  readonly name: string;
  readonly root: Descriptor;
  readonly platform: Platform;
}

/** Manifest and config of the wanted platform. Throws PLATFORM_NOT_FOUND, DOCUMENT_INVALID, BLOB_MISSING. */
export function readImage(
  store: Store,
  wanted: Wanted & { readonly reach: Reach },
): BaseImage & { readonly manifest: Descriptor } {
  const manifest = manifestFor(store, wanted);
  if (manifest === undefined) throw wrongPlatform(store, wanted);
  const {
    config: configDescriptor,
    layers,
    annotations = {},
  } = parseManifest(store.blobs.readDocument(manifest.digest));
  const config = parseImageConfig(store.blobs.readDocument(configDescriptor.digest));
  const serving = servingPlatforms(wanted.platform, wanted.reach);
  if (!serving.some((platform) => matchesPlatform(platform, platformOfConfig(config))))
    throw wrongPlatform(store, wanted);
  const chain = chainIdsOf(config.rootfs.diff_ids);
  if (chain.length !== layers.length) {
    throw new ArchBuildError(
      'DOCUMENT_INVALID',
      `${wanted.name} has ${layers.length} layers and ${chain.length} diff_ids`,
    );
  }
  const cluster = clusterOf(annotations);
  return { config, layers: layers.map(asOciLayer), chain, cluster, annotations, manifest };
}

function manifestFor(
  store: Store,
  { root, platform, reach }: Omit<Wanted, 'name'> & { readonly reach: Reach },
): Descriptor | undefined {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  return document.kind === 'manifest' ? root : selectPlatform(document.index, platform, reach);
}

/** Whether an image of the store has something for the platform, even where only its index is here. */
export function isMadeFor(
  store: Store,
  root: Descriptor,
  { platform, reach }: { readonly platform: Platform; readonly reach: Reach },
): boolean {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  if (document.kind === 'index') return selectPlatform(document.index, platform, reach) !== undefined;
  return hasPlatform(store, root, { platform, reach });
}

/** Whether the manifest that serves the platform best, of all the image has, is in the store. */
export function hasPlatform(
  store: Store,
  root: Descriptor,
  { platform, reach = 'architecture' }: { readonly platform: Platform; readonly reach?: Reach },
): boolean {
  const manifest = manifestFor(store, { root, platform, reach });
  if (manifest === undefined || !store.blobs.has(manifest.digest)) return false;
  const have = manifest.platform ?? platformsInStore(store, manifest)[0];
  return have !== undefined && servingPlatforms(platform, reach).some((each) => matchesPlatform(each, have));
}

/** The platforms whose manifest the store really has. */
export function platformsInStore(store: Store, root: Descriptor): Platform[] {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  if (document.kind === 'index') {
    return document.index.manifests.flatMap(({ digest, platform }) =>
      platform !== undefined && store.blobs.has(digest) ? [platform] : [],
    );
  }
  return [platformOfConfig(parseImageConfig(store.blobs.readDocument(document.manifest.config.digest)))];
}

/** Says what there is instead. */
export function wrongPlatform(
  store: Store,
  { name, root, platform, cause }: Wanted & { cause?: unknown },
): ArchBuildError {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  const exists =
    document.kind === 'index'
      ? platformsOf(document.index)
      : platformsInStore(store, root).map(formatPlatform);
  return new ArchBuildError(
    'PLATFORM_NOT_FOUND',
    `${name} is not available for ${formatPlatform(platform)}`,
    {
      hint: `it exists for ${exists.join(', ') || 'no platform'}; build for one of these, or name one with FROM --platform`,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** Our images are OCI images all through: a Docker layer is the same bytes under an OCI media type. */
function asOciLayer(layer: Descriptor): Descriptor {
  const types = {
    none: MEDIA_TYPES.ociLayer,
    gzip: MEDIA_TYPES.ociLayerGzip,
    zstd: MEDIA_TYPES.ociLayerZstd,
  } as const;
  const compression = layerCompression(layer.mediaType);
  return compression === undefined ? layer : { ...layer, mediaType: types[compression] };
}

/** Makes the snapshots of a chain that are not there yet, base first; those that `unpacked` knows are waited for. */
export async function ensureRootfs(
  { store, signal }: Job,
  { layers, config }: Pick<BaseImage, 'config' | 'layers'>,
  unpacked = new SharedWork<ChainId, void>(),
): Promise<void> {
  const options = {
    signal,
    once: (chainId: ChainId, work: () => Promise<void>) => unpacked.make(chainId, work),
  };
  await unpackLayers(store, { layers, diffIds: config.rootfs.diff_ids }, options);
}
