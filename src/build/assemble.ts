/** The end of a build: config, manifest and index documents, into the store. */
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOfDiffId } from '../oci/digest.ts';
import { formatImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { buildManifest } from '../oci/manifest.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import { normalizePlatform, type Platform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { writeIndex } from '../store/write-index.ts';
import { formatCache, INLINE_ANNOTATION } from './cache/cache-document.ts';
import { creationTime } from './cached-step.ts';
import {
  EXTENSION_ANNOTATION,
  formatContainerImages,
  formatExtension,
  IMAGES_ANNOTATION,
  isClusterImage,
} from './cluster-image.ts';
import type { BuildOptions } from './options.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';

/** What of a build's options is part of the image. */
export type ImageOptions = Pick<BuildOptions, 'annotations' | 'labels' | 'unset' | 'sourceDateEpoch'> &
  Partial<Pick<BuildOptions, 'cacheTo' | 'omitHistory'>>;

/** Writes one platform's config and manifest; the descriptor names the platform. */
export function writeManifest(
  store: Store,
  state: StageState,
  { platform, options }: { readonly platform: Platform; readonly options: ImageOptions },
): Descriptor {
  const bytes = formatImageConfig(finishedConfig(state, platform, options));
  const config: Descriptor = {
    mediaType: MEDIA_TYPES.ociConfig,
    digest: store.blobs.writeDocument(bytes),
    size: bytes.length,
  };
  const annotations = annotationsOf(state, { platform, options });
  const manifest = buildManifest({ config, layers: state.layers, annotations });
  store.blobs.writeDocument(manifest.bytes);
  return { ...manifest.descriptor, platform };
}

const BASE_NAME = 'org.opencontainers.image.base.name';
const BASE_DIGEST = 'org.opencontainers.image.base.digest';

/** Those of the command line count; an empty one takes a word about the base back. */
function annotationsOf(
  state: StageState,
  { platform, options }: { readonly platform: Platform; readonly options: ImageOptions },
): Record<string, string> {
  const all = {
    ...baseAnnotations(state, options),
    ...clusterAnnotations(state, platform),
    ...cacheAnnotations(state, options),
    ...options.annotations,
  };
  const isTakenBack = (name: string): boolean =>
    options.annotations[name] === '' && [BASE_NAME, BASE_DIGEST].includes(name);
  return Object.fromEntries(Object.entries(all).filter(([name]) => !isTakenBack(name)));
}

/** Which image this one stands on, as buildah says it. One that is its base under another name says nothing. */
function baseAnnotations({ origin, config }: StageState, { labels }: ImageOptions): Record<string, string> {
  if (origin === undefined) return {};
  const { name, digest, historyCount } = origin;
  const isSame = (config.history?.length ?? 0) === historyCount && Object.keys(labels).length === 0;
  if (isSame) return {};
  return { ...(name === undefined ? {} : { [BASE_NAME]: name }), [BASE_DIGEST]: digest };
}

function clusterAnnotations(
  { cluster, containerImages = [] }: StageState,
  platform: Platform,
): Readonly<Record<string, string>> {
  const isTold = cluster !== undefined && isClusterImage(cluster);
  return {
    ...(isTold ? { [EXTENSION_ANNOTATION]: formatExtension(cluster) } : {}),
    ...(containerImages.length === 0
      ? {}
      : { [IMAGES_ANNOTATION]: formatContainerImages(containerImages, platform) }),
  };
}

/** `--cache-to type=inline`: the layers that the cache speaks of are the image's own. */
function cacheAnnotations(
  { layers, made }: StageState,
  { cacheTo = [] }: ImageOptions,
): Readonly<Record<string, string>> {
  if (!cacheTo.some(({ type }) => type === 'inline')) return {};
  const digests = layers.map(({ digest }) => digest);
  const cache = formatCache(made, ({ diffId }) => digests.lastIndexOf(digestOfDiffId(diffId)));
  return { [INLINE_ANNOTATION]: cache };
}

/** A single manifest stands for itself; several get an index. */
export function writeRoot(
  store: Store,
  manifests: readonly Descriptor[],
  annotations: Readonly<Record<string, string>>,
): Descriptor {
  const [only] = manifests;
  if (only !== undefined && manifests.length === 1) return only;
  return writeIndex(store, manifests, annotations);
}

/**
 * The result describes the platform it is for, whatever its base said. Its time is its newest step's, so that a rebuild from the cache gives
 * the same image.
 */
function finishedConfig(state: StageState, platform: Platform, options: ImageOptions): ImageConfig {
  const { OnBuild, Labels, Env, ...container } = containerConfigOf(state);
  const { unset } = options;
  const labels = { ...without(Labels, unset.labels), ...options.labels };
  const variables = Env?.filter((pair) => !unset.environment.includes(pair.split('=', 1)[0] ?? ''));
  const times = (state.config.history ?? [])
    .map(({ created }) => created ?? '')
    .filter((time) => time !== '');
  const { variant: _variant, history, ...config } = state.config;
  return {
    ...config,
    ...(history === undefined || options.omitHistory === true ? {} : { history }),
    created: times.at(-1) ?? creationTime(options),
    ...normalizePlatform(platform),
    config: {
      ...container,
      ...(variables === undefined ? {} : { Env: variables }),
      ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
      ...(OnBuild === undefined || OnBuild.length === 0 ? {} : { OnBuild }),
    },
  };
}

const without = (
  pairs: Readonly<Record<string, string>> = {},
  names: readonly string[],
): Record<string, string> =>
  Object.fromEntries(Object.entries(pairs).filter(([name]) => !names.includes(name)));
