/**
 * Writes the classic docker archive: manifest.json, configs and layers at the top, no OCI parts. It holds one platform
 * of each image, and gives the config (the image id) back unchanged, but not the manifest.
 * Layers are written as they are stored; all loaders take compressed ones.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { encodedOf } from '../oci/digest.ts';
import { parseManifest, type Manifest } from '../oci/manifest.ts';
import { layerCompression } from '../oci/media-types.ts';
import { repositories, repoTags, type DockerImage } from './docker-manifest.ts';
import type { NamedImage } from './image-list.ts';
import { tarText, writeTar, type TarFile } from './tar-writer.ts';
import { readDocument, verified } from './verified-stream.ts';

/**
 * The archive as chunks; every root must be a manifest: which one of an index, the caller chooses.
 * Throws ARCHIVE_INVALID when there is no image, and what the source throws.
 */
export async function* dockerArchive(
  source: ContentSource,
  images: readonly NamedImage[],
): AsyncGenerator<Uint8Array, void, undefined> {
  if (images.length === 0) throw new ArchBuildError('ARCHIVE_INVALID', 'an archive without images');
  const loaded: { manifest: Manifest; tags: string[] }[] = [];
  for (const { root, references } of images) {
    loaded.push({ manifest: parseManifest(await readDocument(source, root)), tags: repoTags(references) });
  }
  const files = new Map<string, TarFile>();
  for (const { manifest } of loaded) {
    for (const descriptor of [manifest.config, ...manifest.layers]) {
      const path = descriptor === manifest.config ? configPath(descriptor) : layerPath(descriptor);
      files.set(path, {
        path,
        size: descriptor.size,
        data: () => verified(descriptor, source.read(descriptor)),
      });
    }
  }
  const list = loaded.map(({ manifest, tags }): DockerImage => ({
    Config: configPath(manifest.config),
    RepoTags: tags,
    Layers: manifest.layers.map(layerPath),
  }));
  const content = [...files.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
  yield* writeTar([
    ...content,
    tarText('manifest.json', JSON.stringify(list)),
    tarText('repositories', JSON.stringify(repositories(loaded))),
  ]);
}

const configPath = ({ digest }: Descriptor): string => `${encodedOf(digest)}.json`;

const EXTENSIONS: Readonly<Record<string, string>> = { none: 'tar', gzip: 'tar.gz', zstd: 'tar.zst' };

const layerPath = ({ digest, mediaType }: Descriptor): string =>
  `${encodedOf(digest)}.${EXTENSIONS[layerCompression(mediaType) ?? 'none'] ?? 'tar'}`;
