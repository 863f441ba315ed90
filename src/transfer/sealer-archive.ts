/**
 * What sealer v0.11 saves: one platform as an OCI archive; a list as a tar of such archives, each named by the image's
 * id, and `Metadata`, whose whole text is the list's name. The index itself is not in it: whoever loads it makes a new
 * one, and gets the same one where the index said nothing but platforms.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { encodedOf, type Digest } from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { buildIndex, parseIndex, parseManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { platformOfConfig } from '../oci/platform.ts';
import { familiarReference, parseReference } from '../oci/reference.ts';
import { onlyImage } from './image-choice.ts';
import { fullReference, type NamedImage } from './image-list.ts';
import type { ImageSet } from './image-set.ts';
import { ociArchiveEntries, type ArchiveOptions } from './oci-archive.ts';
import { tarSize, tarText, writeTar, type TarEntry, type TarFile } from './tar-writer.ts';
import { readDocument } from './verified-stream.ts';

/** Throws USAGE for several images: sealer takes one. */
export async function* sealerArchive(
  { content, images }: ImageSet,
  options: Pick<ArchiveOptions, 'preferredPlatform'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { root, references } = onlyImage(images, 'an archive of sealer');
  if (!isIndexType(root.mediaType)) {
    yield* writeTar(await ociArchiveEntries(content, [{ root, references: [], tags: references }], options));
    return;
  }
  const [name] = references;
  if (name === undefined)
    throw new ArchBuildError(
      'USAGE',
      'sealer keeps the name of a list in its archive, and this one has none',
    );
  const files: TarFile[] = [];
  for (const entry of parseIndex(await readDocument(content, root)).manifests) {
    if (!isManifestType(entry.mediaType) || entry.platform?.os === 'unknown') continue;
    const { platform: _platform, ...manifest } = entry;
    const { config } = parseManifest(await readDocument(content, entry));
    const members = await ociArchiveEntries(content, [{ root: manifest, references: [] }], options);
    files.push(memberFile(`${encodedOf(config.digest)}.tar`, members));
  }
  yield* writeTar([...files, tarText('Metadata', nameInSealer(name))]);
}

const memberFile = (path: string, entries: readonly TarEntry[]): TarFile => ({
  path,
  size: tarSize(entries),
  data: () => writeTar(entries),
});

/** As its build printed it: without docker.io in front, `localhost/` kept. */
const nameInSealer = (name: string): string => familiarReference(parseReference(name));

type Member = ContentSource & { readonly images: readonly NamedImage[] };

/** The list that the members of an archive are of: its document, and its name. Throws ARCHIVE_INVALID. */
export async function listOfMembers(
  members: readonly Member[],
  metadata: string,
): Promise<{ readonly image: NamedImage; readonly blobs: ReadonlyMap<Digest, Uint8Array> }> {
  const reference = fullReference(metadata.trim());
  if (reference === undefined)
    throw new ArchBuildError(
      'ARCHIVE_INVALID',
      'Metadata in the archive is neither a name nor a list of images',
    );
  const entries: Descriptor[] = [];
  for (const member of members) {
    for (const { root } of member.images) {
      const { config } = parseManifest(await readDocument(member, root));
      const platform = platformOfConfig(parseImageConfig(await readDocument(member, config)));
      entries.push({ mediaType: root.mediaType, digest: root.digest, size: root.size, platform });
    }
  }
  const index = buildIndex(entries);
  return {
    image: { references: [reference], root: index.descriptor },
    blobs: new Map([[index.descriptor.digest, index.bytes]]),
  };
}
