/**
 * Writes one tar that is an OCI layout and a `docker save` archive at once: skopeo and podman read the index with all
 * platforms, a classic docker reads manifest.json with one platform of each image. Both name the same blobs.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, encodedOf } from '../oci/digest.ts';
import { buildIndex, parseIndex, parseManifest, selectPlatform, type Manifest } from '../oci/manifest.ts';
import { isConfigType, isIndexType, isManifestType } from '../oci/media-types.ts';
import type { Platform } from '../oci/platform.ts';
import { loadGraph, type ChildSelection, type ContentGraph, type GraphDocument } from './content-graph.ts';
import { repositories, repoTags, type DockerImage } from './docker-manifest.ts';
import { absentNames, withAbsent } from './absent-platforms.ts';
import { indexEntries, type NamedImage } from './image-list.ts';
import { LAYOUT_FILE } from './oci-layout.ts';
import { once } from './once.ts';
import { tarText, writeTar, type TarEntry, type TarFile } from './tar-writer.ts';
import { verified } from './verified-stream.ts';

export interface ArchiveOptions {
  /** What a classic docker gets of an image for several platforms; the first one when it has no such. */
  readonly preferredPlatform: Platform;
  /** Which children of each index go in; all by default. */
  readonly select?: ChildSelection;
}

/**
 * The archive as chunks. The same images give the same bytes; every blob is read once, in order of its digest.
 * Throws ARCHIVE_INVALID when there is no image, and what the source throws.
 */
export async function* ociArchive(
  source: ContentSource,
  images: readonly NamedImage[],
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* writeTar(await ociArchiveEntries(source, images, options));
}

/** What the archive is made of, in its order. */
export async function ociArchiveEntries(
  source: ContentSource,
  images: readonly NamedImage[],
  options: ArchiveOptions,
): Promise<TarEntry[]> {
  if (images.length === 0) throw new ArchBuildError('ARCHIVE_INVALID', 'an archive without images');
  const roots = images.map(({ root }) => root);
  const graph = await loadGraph(source, roots, options.select);
  const blobs = [
    ...graph.documents.map(({ descriptor, bytes }) => ({ descriptor, data: () => once(bytes) })),
    ...graph.blobs.map((descriptor) => ({
      descriptor,
      data: () => verified(descriptor, source.read(descriptor)),
    })),
  ];
  const files = blobs.map(({ descriptor, data }): TarFile => ({
    path: blobPath(descriptor),
    size: descriptor.size,
    data,
  }));
  const directories = new Set(
    blobs.map(({ descriptor }) => `blobs/${algorithmOf(descriptor.digest)}/` as const),
  );
  const entries: TarEntry[] = [
    { path: 'blobs/' },
    ...[...directories].map((path) => ({ path })),
    ...files,
    ...metadata(graph, images, options.preferredPlatform),
  ];
  return entries.sort((one, other) => (one.path < other.path ? -1 : 1));
}

const blobPath = ({ digest }: Descriptor): string => `blobs/${algorithmOf(digest)}/${encodedOf(digest)}`;

function metadata(graph: ContentGraph, images: readonly NamedImage[], preferred: Platform): TarFile[] {
  const index = buildIndex(indexEntries(images.map((image) => withAbsent(image, absentOf(image, graph)))));
  const classic = images.flatMap((image) => {
    const manifest = classicManifest(graph, image.root, preferred);
    return manifest === undefined ? [] : [{ manifest, tags: repoTags(image.references) }];
  });
  const files = [tarText('index.json', index.bytes.toString()), tarText('oci-layout', LAYOUT_FILE)];
  if (classic.length === 0) return files; // artifacts that are no images
  const list = classic.map(({ manifest, tags }): DockerImage => ({
    Config: blobPath(manifest.config),
    RepoTags: tags,
    Layers: manifest.layers.map(blobPath),
  }));
  return [
    ...files,
    tarText('manifest.json', JSON.stringify(list)),
    tarText('repositories', JSON.stringify(repositories(classic))),
  ];
}

function absentOf({ root }: NamedImage, { documents }: ContentGraph): string | undefined {
  const document = documents.find(({ descriptor }) => descriptor.digest === root.digest);
  if (document === undefined || !isIndexType(root.mediaType)) return undefined;
  return absentNames(document.bytes, document.children);
}

/** The one platform's manifest that stands for the image; undefined when there is nothing docker could run. */
function classicManifest(graph: ContentGraph, root: Descriptor, preferred: Platform): Manifest | undefined {
  const documents = new Map(graph.documents.map((document) => [document.descriptor.digest, document]));
  const visit = (descriptor: Descriptor): Manifest | undefined => {
    const document = documents.get(descriptor.digest);
    if (document === undefined) return undefined;
    if (isManifestType(descriptor.mediaType)) return imageManifest(document);
    return byPreference(document, preferred)
      .map(visit)
      .find((manifest) => manifest !== undefined);
  };
  return visit(root);
}

function imageManifest({ bytes }: GraphDocument): Manifest | undefined {
  const manifest = parseManifest(bytes);
  return isConfigType(manifest.config.mediaType) ? manifest : undefined;
}

function byPreference(
  { descriptor, bytes, children }: GraphDocument,
  preferred: Platform,
): readonly Descriptor[] {
  if (!isIndexType(descriptor.mediaType)) return [];
  const best = selectPlatform({ ...parseIndex(bytes), manifests: children }, preferred);
  const real = children.filter(({ platform }) => platform?.os !== 'unknown'); // attestations
  return best === undefined ? real : [best, ...real];
}
