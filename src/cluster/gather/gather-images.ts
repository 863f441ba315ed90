/**
 * The container images of a build: what every name means, once for all platforms, and their content in the store.
 * A lock says what a name means without asking anybody; content is only asked for when the store lacks it.
 */
import { ArchBuildError } from '../../errors.ts';
import type { Reporter } from '../../events.ts';
import { storeContent } from '../../layer/image-content.ts';
import type { ContentSink, ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isIndexType, isManifestType } from '../../oci/media-types.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { storeSink } from '../../store/content-sink.ts';
import type { Store } from '../../store/store.ts';
import { mapConcurrently } from '../../transfer/concurrency.ts';
import { loadGraph, type ChildSelection } from '../../transfer/content-graph.ts';
import { copyGraph } from '../../transfer/copy.ts';
import type { Place } from '../find/image-mention.ts';
import { gatherError, type ImageFailure } from './gather-error.ts';
import type { ImageSources } from './image-sources.ts';
import type { ImageLock, LockedImage } from './lock-file.ts';
import { isAboutTheImage, resolveImage, type WantedImage } from './resolve-images.ts';
import { sharedSink } from './shared-sink.ts';

export interface GatherJob {
  readonly store: Store;
  readonly report: Reporter;
  readonly signal: AbortSignal;
}

export interface NamedImage extends WantedImage {
  readonly places: readonly Place[];
}

export interface IdentifiedImage extends NamedImage, LockedImage {
  /** Where its content is, asked for when it is needed. */
  readonly content: () => Promise<ContentSource>;
}

export interface IdentifyOptions {
  readonly sources: ImageSources;
  readonly lock: ImageLock;
  /** What the lock does not have is refused. */
  readonly locked: boolean;
}

const IMAGES_AT_ONCE = 8;
const DOWNLOADS_AT_ONCE = 4;

/** What each name means, and which mean nothing. */
export async function identifyImages(
  { signal }: GatherJob,
  images: readonly NamedImage[],
  options: IdentifyOptions,
): Promise<{ identified: IdentifiedImage[]; failures: ImageFailure[] }> {
  const { results: identified, failures } = await forEachImage(images, IMAGES_AT_ONCE, async (image) => {
    signal.throwIfAborted();
    return identify(image, options);
  });
  return { identified, failures };
}

async function identify(
  image: NamedImage,
  { sources, lock, locked }: IdentifyOptions,
): Promise<IdentifiedImage> {
  const entry = lock.get(image.name);
  const places = sources.list(image.credentials);
  const resolve = async (): ReturnType<typeof resolveImage> =>
    resolveImage(entry === undefined ? image : atDigest(image, entry), places);
  const isKnown = image.platforms.every((platform) => entry?.manifests.has(formatPlatform(platform)));
  if (entry !== undefined && isKnown)
    return { ...image, ...entry, content: async () => (await checked(entry, resolve)).content };
  if (locked) throw notLocked(image, entry);
  const { root, manifests, content } = await checked(entry, resolve);
  const digests = new Map([...manifests].map(([platform, { digest }]) => [platform, digest]));
  return {
    ...image,
    root,
    manifests: new Map([...(entry?.manifests ?? []), ...digests]),
    content: () => Promise.resolve(content),
  };
}

/** A tag beside the digest would be asked for by registries' sources; the digest alone says all. */
function atDigest(image: NamedImage, { root }: LockedImage): NamedImage {
  const { domain, path } = image.reference;
  return { ...image, reference: { domain, path, digest: root.digest } };
}

async function checked<Found extends { readonly root: Descriptor }>(
  entry: LockedImage | undefined,
  resolve: () => Promise<Found>,
): Promise<Found> {
  const found = await resolve();
  if (entry === undefined || entry.root.digest === found.root.digest) return found;
  throw new ArchBuildError(
    'DIGEST_MISMATCH',
    `it is ${found.root.digest} now, the lock says ${entry.root.digest}`,
  );
}

function notLocked({ platforms }: NamedImage, entry: LockedImage | undefined): ArchBuildError {
  const missing = platforms.map(formatPlatform).filter((platform) => entry?.manifests.has(platform) !== true);
  return new ArchBuildError(
    'IMAGE_NOT_FOUND',
    entry === undefined ? 'not in the lock' : `not in the lock for ${missing.join(', ')}`,
    { hint: 'build once without --locked to write the lock anew' },
  );
}

/**
 * Brings the content of all wanted platforms into the store, as far as it is not there and `isNeeded` says that it is
 * not elsewhere. Throws GATHER.
 */
export async function fetchImages(
  job: GatherJob,
  images: readonly IdentifiedImage[],
  isNeeded: (descriptor: Descriptor, image: IdentifiedImage) => boolean,
): Promise<void> {
  const sink = sharedSink(storeSink(job.store));
  const { failures } = await forEachImage(images, DOWNLOADS_AT_ONCE, async (image) => {
    const select = selectManifests(image);
    const isElsewhere = (blob: Descriptor): boolean => !isNeeded(blob, image);
    if (await isComplete(job.store, image, { select, isElsewhere })) return;
    job.report({ type: 'info', text: `gathering ${image.name} (${image.root.digest})` });
    const { report, signal } = job;
    const to: ContentSink = {
      has: async (descriptor) => isLeafElsewhere(descriptor, isElsewhere) || sink.has(descriptor),
      write: async (descriptor, data) => sink.write(descriptor, data),
    };
    await copyGraph(image.root, { from: await image.content(), to }, { report, signal, select });
  });
  if (failures.length > 0) throw gatherError(failures, images.length);
}

/** Documents are small, and whoever stores the image reads them. */
const isLeafElsewhere = (descriptor: Descriptor, isElsewhere: (blob: Descriptor) => boolean): boolean =>
  !isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType) && isElsewhere(descriptor);

/** The manifests of the wanted platforms; the index itself keeps naming the others. */
export function selectManifests({ platforms, manifests }: IdentifiedImage): ChildSelection {
  const wanted = new Set<Digest | undefined>(platforms.map((each) => manifests.get(formatPlatform(each))));
  return (children) =>
    children.filter(({ mediaType, digest }) => isIndexType(mediaType) || wanted.has(digest));
}

async function isComplete(
  store: Store,
  { root }: IdentifiedImage,
  {
    select,
    isElsewhere,
  }: { readonly select: ChildSelection; readonly isElsewhere: (blob: Descriptor) => boolean },
): Promise<boolean> {
  try {
    const graph = await loadGraph(storeContent(store), [root], select);
    const sink = storeSink(store);
    for (const blob of graph.blobs) if (!isElsewhere(blob) && !(await sink.has(blob))) return false;
    return true;
  } catch (error) {
    if (error instanceof ArchBuildError && ['BLOB_MISSING', 'DIGEST_MISMATCH'].includes(error.code))
      return false;
    throw error;
  }
}

/** What is about one image does not keep the others from being tried. */
async function forEachImage<Image extends NamedImage, Result>(
  images: readonly Image[],
  limit: number,
  work: (image: Image) => Promise<Result>,
): Promise<{ results: Result[]; failures: ImageFailure[] }> {
  const failures: ImageFailure[] = [];
  const results = await mapConcurrently(images, limit, async (image) => {
    try {
      return { value: await work(image) };
    } catch (error) {
      if (!isAboutTheImage(error)) throw error;
      failures.push({ name: image.name, places: image.places, error });
      return undefined;
    }
  });
  return {
    results: results.flatMap((result) => (result === undefined ? [] : [result.value])),
    failures: inOrder(images, failures),
  };
}

const inOrder = (images: readonly NamedImage[], failures: readonly ImageFailure[]): ImageFailure[] =>
  images.flatMap(({ name }) => failures.filter((failure) => failure.name === name));
