/** Some platforms of images: the manifests that serve them, chosen as containerd chooses. */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { describeFallback, type Reach } from '../oci/platform-choice.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { loadGraph } from './content-graph.ts';
import type { NamedImage } from './image-list.ts';
import { selectionOf, type ImageSet } from './image-set.ts';
import { resolveForPlatform } from './resolve-image.ts';

export interface NarrowOptions {
  /** All when there are none. */
  readonly platforms: readonly Platform[];
  /** An index stays what the name means; otherwise a single platform's manifest takes its place. */
  readonly keepsIndex: boolean;
  /** `machine` by default. */
  readonly reach?: Reach;
  /** Is told when another platform serves the wanted one. */
  readonly report?: Reporter;
}

/** Throws PLATFORM_NOT_FOUND, naming what exists, and what the content throws. */
export async function narrow(set: ImageSet, options: NarrowOptions): Promise<ImageSet> {
  const { platforms, keepsIndex } = options;
  if (platforms.length === 0) return set;
  const chosen = new Set<Digest>();
  const images: NamedImage[] = [];
  for (const image of set.images) {
    const manifests = new Map<Digest, Descriptor>();
    for (const platform of platforms) {
      const manifest = await serving(set, { ...options, image, platform });
      manifests.set(manifest.digest, manifest);
      chosen.add(manifest.digest);
    }
    const [only] = manifests.values();
    const isSingle = !keepsIndex && only !== undefined && manifests.size === 1;
    images.push(isSingle ? { ...image, root: only } : image);
  }
  const select = (children: readonly Descriptor[]): readonly Descriptor[] =>
    children.filter(({ digest, mediaType }) => chosen.has(digest) || isIndexType(mediaType));
  return { content: set.content, images, select };
}

/** Every image as one manifest. Throws USAGE, naming the platforms, for one that has several here. */
export async function singlePlatform(set: ImageSet, text: string): Promise<ImageSet> {
  const images: NamedImage[] = [];
  for (const image of set.images) images.push({ ...image, root: await onlyManifest(set, image.root, text) });
  return { ...set, images };
}

async function onlyManifest(
  { content, select }: ImageSet,
  root: Descriptor,
  text: string,
): Promise<Descriptor> {
  const graph = await loadGraph(content, [root], select);
  const manifests = graph.documents.filter(({ descriptor: { mediaType } }) => isManifestType(mediaType));
  const images = manifests
    .map(({ descriptor }) => descriptor)
    .filter(({ platform }) => platform?.os !== 'unknown');
  const [only] = images;
  if (only !== undefined && images.length === 1) return only;
  const there = images.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)]));
  throw new ArchBuildError(
    'USAGE',
    `${text} holds one platform, and there are ${there.join(', ') || 'none'}`,
    {
      hint: 'choose one with --platform, or take a format that holds them all (oci)',
    },
  );
}

async function serving(
  set: ImageSet,
  { image, platform, reach = 'machine', report }: NarrowOptions & { image: NamedImage; platform: Platform },
): Promise<Descriptor> {
  const name = image.references[0] ?? image.root.digest;
  try {
    const wanted = { platform, reach, ...selectionOf(set) };
    const { manifest, platform: found } = await resolveForPlatform(set.content, image.root, wanted);
    const text = describeFallback(name, platform, found);
    if (text !== undefined) report?.({ type: 'warning', text });
    return manifest;
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'PLATFORM_NOT_FOUND') throw error;
    const details = error.hint === undefined ? {} : { hint: error.hint };
    throw new ArchBuildError(error.code, `${name} is not available for ${formatPlatform(platform)}`, details);
  }
}
