/** FROM: an image of the store, of a kit, a registry's, or nothing, as the beginning of a stage on one platform. */
import { ArchBuildError } from '../errors.ts';
import { unpackLayers } from '../layer/unpack.ts';
import { chainIdsOf, type ChainId, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { emptyImageConfig, parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { parseDocument, parseManifest, platformsOf, selectPlatform } from '../oci/manifest.ts';
import { layerCompression, MEDIA_TYPES } from '../oci/media-types.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { KitImages } from '../transfer/kit-images.ts';
import { EXTENSION_ANNOTATION, parseExtension, type ClusterImage } from './cluster-image.ts';
import { bringFromLayout, contextKey } from './named-contexts.ts';
import { offlineError } from './offline-error.ts';
import type { Job, NamedContexts, PullPolicy } from './options.ts';
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
  /** None by default. */
  readonly buildContexts?: NamedContexts;
}

/** An image that will be asked for. */
export interface ExpectedImage {
  /** Full name. */
  readonly name: string;
  readonly platform: Platform;
}

interface Surroundings {
  /** A name is looked up for all the platforms it is expected for at once. */
  readonly expected?: readonly ExpectedImage[];
  readonly kit?: KitImages | undefined;
}

/**
 * What a name means is found out once, for all platforms and stages of a build: a tag that moves meanwhile cannot make
 * an image of two.
 */
export class BaseImages {
  readonly #job: Job;
  readonly #options: PullOptions;
  readonly #expected: readonly ExpectedImage[];
  readonly #kit: KitImages | undefined;
  /** By full name. */
  readonly #roots = new SharedWork<string, Descriptor>();
  /** By full name and platform: what was fetched later than the rest. */
  readonly #late = new SharedWork<string, Descriptor>();

  constructor(job: Job, options: PullOptions, { expected = [], kit = KitImages.open() }: Surroundings = {}) {
    this.#job = job;
    this.#options = options;
    this.#expected = expected;
    this.#kit = kit;
  }

  /** True when the image, by its full name, can be had without a network. */
  has(name: string, platform: Platform): boolean {
    const { store } = this.#job;
    const local = store.images.find(name)?.root;
    if (local !== undefined && hasPlatform(store, local, platform)) return true;
    return this.#kit?.find(name, platform) !== undefined;
  }

  /** What FROM means: a name, a named context, or the digest of an image of the store. Throws IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND (naming what exists), REFERENCE_INVALID, NETWORK… */
  async get(text: string, platform: Platform): Promise<BaseImage> {
    const full = this.#isStoredDigest(text) ? text : contextKey(text);
    const context = this.#options.buildContexts?.get(full);
    const layout = context?.kind === 'layout' ? context : undefined;
    const name = context?.kind === 'image' ? context.reference : full;
    const root = await (layout === undefined
      ? this.resolve(name, platform)
      : bringFromLayout(this.#job, layout, platform));
    const { manifest, ...image } = readImage(this.#job.store, { name: text, root, platform });
    const historyCount = image.config.history?.length ?? 0;
    const origin = { name: layout === undefined ? name : undefined, digest: manifest.digest, historyCount };
    return { ...image, origin };
  }

  /** `sha256:…` could be a repository too: it is an image when the store has one. */
  #isStoredDigest(text: string): boolean {
    return /^sha256:[0-9a-f]{64}$/.test(text) && this.#job.store.images.find(text) !== undefined;
  }

  /** What a full name means, with the platform's content in the store. Throws as `get` does. */
  async resolve(name: string, platform: Platform): Promise<Descriptor> {
    const root = await this.#roots.make(name, () => this.#find(name, platform));
    if (hasPlatform(this.#job.store, root, platform)) return root;
    return this.#late.make(`${name} ${formatPlatform(platform)}`, () =>
      this.#complete({ name, root, platform }),
    );
  }

  /** With the content of all the platforms that are expected of it. */
  async #find(name: string, platform: Platform): Promise<Descriptor> {
    const { store } = this.#job;
    const { pull, offline } = this.#options;
    const expected = this.#expected.filter((image) => image.name === name).map((image) => image.platform);
    const platforms = uniquePlatforms([platform, ...expected]);
    const local = store.images.find(name)?.root;
    const lacking = platforms.find((each) => local === undefined || !hasPlatform(store, local, each));
    if (pull !== 'always' && local !== undefined && lacking === undefined) return local;
    const packed = pull === 'always' ? undefined : await this.#unpackKit(name, platforms);
    if (packed !== undefined) return packed;
    if (pull === 'never') {
      if (local !== undefined) return local; // whoever reads it says what it is for
      throw new ArchBuildError('IMAGE_NOT_FOUND', `no image ${JSON.stringify(name)} in the store`, {
        hint: 'get it with `arch-build pull`, `load` or `import`, or build without --pull never',
      });
    }
    const wanted = { name, platform: lacking ?? platform };
    if (offline) throw this.#unreachable({ ...wanted, root: local });
    return this.#pull(name, platforms, local && { ...wanted, root: local });
  }

  async #unpackKit(name: string, platforms: readonly Platform[]): Promise<Descriptor | undefined> {
    const kit = this.#kit;
    if (kit === undefined || platforms.some((platform) => kit.find(name, platform) === undefined))
      return undefined;
    const roots: (Descriptor | undefined)[] = [];
    for (const platform of platforms) roots.push(await kit.bring(this.#job, name, platform));
    return roots[0];
  }

  /** One more platform of what the name means already. */
  async #complete(wanted: Wanted): Promise<Descriptor> {
    const { name, root, platform } = wanted;
    const packed = await this.#kit?.bring(this.#job, name, platform);
    if (packed !== undefined) return packed;
    if (this.#options.pull === 'never') return root; // whoever reads it says what it is for
    if (this.#options.offline) throw this.#unreachable(wanted);
    const { domain, path } = parseReference(name);
    return this.#pull(formatReference({ domain, path, digest: root.digest }), [platform], wanted);
  }

  #unreachable({
    name,
    root,
    platform,
  }: Omit<Wanted, 'root'> & { root: Descriptor | undefined }): ArchBuildError {
    if (root !== undefined) return wrongPlatform(this.#job.store, { name, root, platform });
    return offlineError(
      `${name} for ${formatPlatform(platform)}`,
      'bring it along: `arch-build kit` where there is a network, or `pull` and `save` there and `load` here',
    );
  }

  /** `instead`: what the store has under the name, and the platform that it lacks. */
  async #pull(
    name: string,
    platforms: readonly Platform[],
    instead: Wanted | undefined,
  ): Promise<Descriptor> {
    try {
      const { pullImage } = await import('../transfer/pull.ts'); // an HTTP client that most builds never need
      return await pullImage(this.#job, name, { platforms, insecure: this.#options.insecure });
    } catch (error) {
      if (instead === undefined || !(error instanceof ArchBuildError)) throw error;
      throw wrongPlatform(this.#job.store, { ...instead, cause: error });
    }
  }
}

const uniquePlatforms = (platforms: readonly Platform[]): Platform[] => [
  ...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values(),
];

interface Wanted {
  readonly name: string;
  readonly root: Descriptor;
  readonly platform: Platform;
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
  if (!matchesPlatform(wanted.platform, platformOfConfig(config))) throw wrongPlatform(store, wanted);
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

function manifestFor(store: Store, { root, platform }: Wanted): Descriptor | undefined {
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  return document.kind === 'manifest' ? root : selectPlatform(document.index, platform);
}

function hasPlatform(store: Store, root: Descriptor, platform: Platform): boolean {
  return platformsInStore(store, root).some((have) => matchesPlatform(platform, have));
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
