/** FROM: an image of the store, of a kit, a registry's, or nothing, as the beginning of a stage on one platform. */
import { ArchBuildError } from '../errors.ts';
import { unpackLayers } from '../layer/unpack.ts';
import { chainIdsOf, type ChainId } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { emptyImageConfig, parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, platformsOf, selectPlatform } from '../oci/manifest.ts';
import { layerCompression, MEDIA_TYPES } from '../oci/media-types.ts';
import { describeFallback, servingPlatforms, type Reach } from '../oci/platform-choice.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { KitImages } from '../transfer/kit-images.ts';
import { EXTENSION_ANNOTATION, parseExtension, type ClusterImage } from './cluster-image.ts';
import { bringFromLayout, contextKey } from './named-contexts.ts';
import { offlineError } from './offline-error.ts';
import type { Job, NamedContexts, PullPolicy } from './options.ts';

export interface BaseImage {
  readonly config: ImageConfig;
  readonly layers: readonly Descriptor[];
  readonly chain: readonly ChainId[];
  /** Of an image that sealer or we made for clusters. */
  readonly cluster?: ClusterImage | undefined;
}

const SCRATCH_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function scratchImage(platform: Platform): BaseImage {
  const config = emptyImageConfig(platform);
  return { config: { ...config, config: { Env: [SCRATCH_PATH] } }, layers: [], chain: [] };
}

export interface PullOptions {
  readonly pull: PullPolicy;
  /** Registries that are spoken to without TLS. */
  readonly insecure: readonly string[];
  /** Registries are never asked. */
  readonly offline: boolean;
  /** What may serve a platform an image is not there for: by default older variants of its architecture. */
  readonly reach?: Reach;
  /** None by default. */
  readonly buildContexts?: NamedContexts;
}

/** Remembers which image a reference meant, so that all platforms and stages of a build see the same one. */
export class BaseImages {
  readonly #job: Job;
  readonly #options: PullOptions;
  readonly #roots = new Map<string, Promise<Descriptor>>();
  readonly #kit: KitImages | undefined;
  readonly #reach: Reach;
  /** Each once, however many stages begin with the image. */
  readonly #warnings = new Set<string>();

  constructor(job: Job, options: PullOptions, kit = KitImages.open()) {
    this.#job = job;
    this.#options = options;
    this.#kit = kit;
    this.#reach = options.reach ?? 'architecture';
  }

  /** True when the image, by its full name, can be had without a network. */
  has(name: string, platform: Platform): boolean {
    const { store } = this.#job;
    const local = store.images.find(name)?.root;
    if (local !== undefined && hasPlatform(store, local, { platform, reach: this.#reach })) return true;
    return this.#kit?.find(name, platform) !== undefined;
  }

  /** What FROM means, named contexts included. Throws IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND (naming what exists), REFERENCE_INVALID, NETWORK… */
  async get(text: string, platform: Platform): Promise<BaseImage> {
    const full = contextKey(text);
    const context = this.#options.buildContexts?.get(full);
    const root =
      context?.kind === 'layout'
        ? await bringFromLayout(this.#job, context, platform)
        : await this.resolve(context?.kind === 'image' ? context.reference : full, platform);
    const image = readImage(this.#job.store, { name: text, root, platform, reach: this.#reach });
    const fallback = describeFallback(full, platform, platformOfConfig(image.config));
    if (fallback !== undefined) this.#warn(fallback);
    return image;
  }

  /** What a full name means, with the platform's content in the store. Throws as `get` does. */
  async resolve(name: string, platform: Platform): Promise<Descriptor> {
    const { store } = this.#job;
    const { pull } = this.#options;
    const local = pull === 'always' ? undefined : store.images.find(name)?.root;
    const wanted = { platform, reach: this.#reach };
    if (local !== undefined && hasPlatform(store, local, wanted)) return local;
    const packed = pull === 'always' ? undefined : await this.#kit?.bring(this.#job, name, platform);
    if (packed !== undefined) return packed;
    if (pull === 'never') {
      if (local !== undefined) return local; // whoever reads it says what it is for
      throw new ArchBuildError('IMAGE_NOT_FOUND', `no image ${JSON.stringify(name)} in the store`, {
        hint: 'get it with `arch-build pull`, `load` or `import`, or build without --pull never',
      });
    }
    if (this.#options.offline) throw this.#unreachable({ name, root: local, platform });
    const key = `${name} ${formatPlatform(platform)}`;
    const pending = this.#roots.get(key) ?? this.#pull(name, platform, local);
    this.#roots.set(key, pending);
    return pending;
  }

  #warn(text: string): void {
    if (this.#warnings.has(text)) return;
    this.#warnings.add(text);
    this.#job.report({ type: 'warning', text });
  }

  #unreachable({
    name,
    root,
    platform,
  }: Omit<Wanted, 'root' | 'reach'> & { root: Descriptor | undefined }): ArchBuildError {
    if (root !== undefined) return wrongPlatform(this.#job.store, { name, root, platform });
    return offlineError(
      `${name} for ${formatPlatform(platform)}`,
      'bring it along: `arch-build kit` where there is a network, or `pull` and `save` there and `load` here',
    );
  }

  async #pull(name: string, platform: Platform, local: Descriptor | undefined): Promise<Descriptor> {
    try {
      const { pullImage } = await import('../transfer/pull.ts'); // an HTTP client that most builds never need
      const { report } = this.#job;
      const job: Job = {
        ...this.#job,
        report: (event) => (event.type === 'warning' ? this.#warn(event.text) : report(event)),
      };
      const { insecure } = this.#options;
      return await pullImage(job, name, { platforms: [platform], reach: this.#reach, insecure });
    } catch (error) {
      if (local === undefined || !(error instanceof ArchBuildError)) throw error;
      throw wrongPlatform(this.#job.store, { name, root: local, platform, cause: error });
    }
  }
}

interface Wanted {
  readonly name: string;
  readonly root: Descriptor;
  readonly platform: Platform;
  readonly reach: Reach;
}

/** Manifest and config of the wanted platform. Throws PLATFORM_NOT_FOUND, DOCUMENT_INVALID, BLOB_MISSING. */
function readImage(store: Store, wanted: Wanted): BaseImage & { readonly manifest: Descriptor } {
  const manifest = manifestFor(store, wanted);
  if (manifest === undefined) throw wrongPlatform(store, wanted);
  const {
    config: configDescriptor,
    layers,
    annotations = {},
  } = parseManifest(store.blobs.readDocument(manifest.digest));
  const extension = annotations[EXTENSION_ANNOTATION];
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
  const cluster = extension === undefined ? undefined : parseExtension(extension);
  return { config, layers: layers.map(asOciLayer), chain, cluster, manifest };
}

function manifestFor(store: Store, { root, platform, reach }: Omit<Wanted, 'name'>): Descriptor | undefined {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  return document.kind === 'manifest' ? root : selectPlatform(document.index, platform, reach);
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

function wrongPlatform(
  store: Store,
  { name, root, platform, cause }: Omit<Wanted, 'reach'> & { cause?: unknown },
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

/** Makes the snapshots of a chain that are not there yet, base first. */
export async function ensureRootfs(job: Job, image: Pick<BaseImage, 'config' | 'layers'>): Promise<void> {
  const { layers, config } = image;
  await unpackLayers(job.store, { layers, diffIds: config.rootfs.diff_ids }, job.signal);
}
