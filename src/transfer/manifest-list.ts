/** Indexes put together by hand: manifests of images from any place, under one name of the store. */
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { parseIndex, parseManifest, type Index } from '../oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../oci/platform.ts';
import { storeSink } from '../store/content-sink.ts';
import type { Store } from '../store/store.ts';
import { writeIndex } from '../store/write-index.ts';
import { loadGraph } from './content-graph.ts';
import { copyGraph } from './copy.ts';
import { selectionOf, type ImageSet } from './image-set.ts';
import { narrow } from './narrow.ts';
import { controlOf, type TransferJob } from './transfer-job.ts';
import { readDocument } from './verified-stream.ts';

/** What an entry says in place of, or besides, what its image says. */
export interface EntryChange {
  readonly platform: Partial<Platform>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface EntryChoice {
  /** Of an index, these; without any and without `all` it must have one. */
  readonly platforms: readonly Platform[];
  readonly all: boolean;
}

/**
 * The manifests that are meant, each with its platform; their content is in the store afterwards.
 * Throws USAGE, naming the platforms, when several could be meant; PLATFORM_NOT_FOUND, and what reading throws.
 */
export async function bringEntries(
  set: ImageSet,
  { platforms, all }: EntryChoice,
  job: TransferJob,
): Promise<Descriptor[]> {
  const some = await narrow(set, { platforms, keepsIndex: true, ...controlOf(job) });
  const entries: Descriptor[] = [];
  for (const { root, references } of some.images) {
    const { documents } = await loadGraph(some.content, [root], some.select);
    const manifests = documents
      .map(({ descriptor }) => descriptor)
      .filter(({ mediaType, platform }) => isManifestType(mediaType) && platform?.os !== 'unknown');
    if (manifests.length > 1 && !all && platforms.length === 0)
      throw several(references[0] ?? root.digest, manifests);
    const options = { ...controlOf(job), ...selectionOf(some) };
    await copyGraph(root, { from: some.content, to: storeSink(job.store) }, options);
    for (const manifest of manifests) entries.push(await withPlatform(some, manifest));
  }
  return entries;
}

const several = (name: string, manifests: readonly Descriptor[]): ArchBuildError =>
  new ArchBuildError('USAGE', `${name} has several platforms`, {
    hint: `take them with --all, or choose with --platform: ${manifests.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)])).join(', ')}`,
  });

async function withPlatform({ content }: ImageSet, manifest: Descriptor): Promise<Descriptor> {
  const { annotations: _annotations, ...entry } = manifest;
  if (entry.platform !== undefined) return entry;
  const { config } = parseManifest(await readDocument(content, manifest));
  if (!isConfigType(config.mediaType)) return entry;
  return { ...entry, platform: platformOfConfig(parseImageConfig(await readDocument(content, config))) };
}

/** The list that a name of the store means. Throws IMAGE_NOT_FOUND, and USAGE for an image that is no list. */
export function readList({ images, blobs }: Store, name: string): Index {
  const { root } = images.get(name);
  if (isIndexType(root.mediaType)) return parseIndex(blobs.readDocument(root.digest));
  throw new ArchBuildError('USAGE', `${name} is an image, not a list of images`, {
    hint: `make a list of it with \`arch-build manifest create NAME ${name}\``,
  });
}

/** Makes the name mean a list of these entries; the list it meant before goes. */
export async function writeList(
  store: Store,
  name: string,
  { manifests, annotations }: Pick<Index, 'manifests' | 'annotations'>,
): Promise<Descriptor> {
  const before = store.images.find(name)?.root;
  const root = writeIndex(store, manifests, annotations);
  await store.images.put(root, [name]);
  await store.images.remove(
    (image) =>
      image.name === undefined && image.root.digest === before?.digest && image.root.digest !== root.digest,
  );
  return root;
}

/** Undefined when the name means nothing. Throws USAGE for an image that is no list. */
export const findList = (store: Store, name: string): Index | undefined =>
  store.images.find(name) === undefined ? undefined : readList(store, name);

/** Entries of the store in a list, which is made when there is none. Throws as `findList` does. */
export async function addToList(store: Store, name: string, entries: readonly Descriptor[]): Promise<void> {
  const existing = findList(store, name);
  await writeList(store, name, { ...existing, manifests: withEntries(existing?.manifests ?? [], entries) });
}

/** A manifest for a platform takes the place of the one before: of two, nobody would ever choose the second. */
export function withEntries(manifests: readonly Descriptor[], added: readonly Descriptor[]): Descriptor[] {
  const list = [...manifests];
  for (const entry of added) {
    const place = list.findIndex((each) => each.digest === entry.digest || isSamePlatform(each, entry));
    if (place < 0) list.push(entry);
    else list[place] = entry;
  }
  return list;
}

function isSamePlatform({ platform: one }: Descriptor, { platform: other }: Descriptor): boolean {
  return (
    one !== undefined && other !== undefined && matchesPlatform(one, other) && matchesPlatform(other, one)
  );
}

export function changedEntry(entry: Descriptor, { platform, annotations }: EntryChange): Descriptor {
  const merged = { os: 'linux', architecture: '', ...entry.platform, ...platform };
  const hasPlatform = entry.platform !== undefined || Object.keys(platform).length > 0;
  if (hasPlatform && merged.architecture === '')
    throw new ArchBuildError('USAGE', `${entry.digest} has no architecture`, { hint: 'name it with --arch' });
  return {
    ...entry,
    ...(hasPlatform ? { platform: merged } : {}),
    ...(Object.keys(annotations).length === 0
      ? {}
      : { annotations: { ...entry.annotations, ...annotations } }),
  };
}

/** By digest, by the first digits of one, or by platform. Throws IMAGE_NOT_FOUND naming what there is. */
export function findEntry(
  manifests: readonly Descriptor[],
  text: string,
  platform: Platform | undefined,
): Descriptor {
  const digits = /^(?:.*@)?(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  const found = manifests.filter(
    (entry) =>
      (digits !== undefined && entry.digest.startsWith(`sha256:${digits}`)) ||
      (platform !== undefined && entry.platform !== undefined && matchesPlatform(platform, entry.platform)),
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw new ArchBuildError('IMAGE_NOT_FOUND', `the list has no one entry ${JSON.stringify(text)}`, {
    hint: `name a digest or a platform: ${manifests.map(describeEntry).join(', ') || 'the list is empty'}`,
  });
}

const describeEntry = ({ digest, platform }: Descriptor): string =>
  platform === undefined ? digest : `${formatPlatform(platform)} (${digest.slice(0, 19)})`;
