/**
 * The images of a classic docker archive as OCI manifests made up here. Config bytes stay as they are, so the image id
 * does too. Layers are plain tars whose digest is the diffID the config promises; only compressed ones are read to
 * learn their digest.
 */
import { createHash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import { describe, type Descriptor } from '../oci/descriptor.ts';
import { digestOf, digestOfDiffId, parseDigest, type DiffId } from '../oci/digest.ts';
import { parseImageConfig } from '../oci/image-config.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { buildManifest } from '../oci/manifest.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import type { ArchiveFile, Extent } from './archive-file.ts';
import { parseDockerManifest, type DockerImage } from './docker-manifest.ts';
import { fullReference, type NamedImage } from './image-list.ts';

export interface DockerImages {
  readonly images: readonly NamedImage[];
  readonly blobs: ReadonlyMap<string, Extent | Uint8Array>;
}

/** Throws ARCHIVE_INVALID for an image whose files are not there or do not belong together, DOCUMENT_INVALID. */
export async function readDockerImages(file: ArchiveFile, manifestText: string): Promise<DockerImages> {
  const blobs = new Map<string, Extent | Uint8Array>();
  const images = new Map<string, { root: Descriptor; references: Set<string> }>();
  for (const entry of parseDockerManifest(manifestText)) {
    const root = await readImage(file, entry, blobs);
    const image = images.get(root.digest) ?? { root, references: new Set() };
    images.set(root.digest, image);
    for (const name of entry.RepoTags) image.references.add(nameOf(name));
  }
  return {
    images: [...images.values()].map(({ root, references }) => ({ root, references: [...references] })),
    blobs,
  };
}

async function readImage(
  file: ArchiveFile,
  entry: DockerImage,
  blobs: Map<string, Extent | Uint8Array>,
): Promise<Descriptor> {
  const config = await readConfig(file, entry.Config);
  const { rootfs } = parseImageConfig(config);
  if (rootfs.diff_ids.length !== entry.Layers.length) {
    throw invalid(
      `${entry.Config} promises ${rootfs.diff_ids.length} layers, manifest.json lists ${entry.Layers.length}`,
    );
  }
  const layers: Descriptor[] = [];
  for (const [index, diffId] of rootfs.diff_ids.entries()) {
    const extent = find(file, entry.Layers[index] ?? '');
    const layer = await describeLayer(file, extent, diffId);
    blobs.set(layer.digest, extent);
    layers.push(layer);
  }
  const configDescriptor = describe(config, MEDIA_TYPES.ociConfig);
  const manifest = buildManifest({ config: configDescriptor, layers });
  blobs.set(configDescriptor.digest, config);
  blobs.set(manifest.descriptor.digest, manifest.bytes);
  return manifest.descriptor;
}

/** A config is named after its digest by every tool that writes such archives; one that lies is refused. */
async function readConfig(file: ArchiveFile, path: string): Promise<Buffer> {
  const extent = find(file, path);
  if (extent.size > limitOf('config-bytes')) {
    const message = `${quote(path)} is too large for an image config`;
    throw beyondLimit('ARCHIVE_INVALID', 'config-bytes', message);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.read(extent)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const promised = /(?:^|[/:])([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (promised !== undefined && digestOf(bytes) !== `sha256:${promised}`)
    throw invalid(`${quote(path)} is not what its name says`);
  return bytes;
}

const COMPRESSED = [
  { magic: Buffer.from([0x1f, 0x8b]), mediaType: MEDIA_TYPES.ociLayerGzip },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), mediaType: MEDIA_TYPES.ociLayerZstd },
] as const;

async function describeLayer(file: ArchiveFile, extent: Extent, diffId: DiffId): Promise<Descriptor> {
  const { size } = extent;
  const start = await firstBytes(file, extent);
  const compressed = COMPRESSED.find(({ magic }) => start.subarray(0, magic.length).equals(magic));
  if (compressed === undefined)
    return { mediaType: MEDIA_TYPES.ociLayer, digest: digestOfDiffId(diffId), size };
  const hash = createHash('sha256');
  for await (const chunk of file.read(extent)) hash.update(chunk);
  return { mediaType: compressed.mediaType, digest: parseDigest(`sha256:${hash.digest('hex')}`), size };
}

async function firstBytes(file: ArchiveFile, { offset, size }: Extent): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.read({ offset, size: Math.min(size, 4) })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function find(file: ArchiveFile, path: string): Extent {
  const extent = file.find(path);
  if (extent === undefined) throw invalid(`manifest.json names ${quote(path)}, which is not in the archive`);
  return extent;
}

function nameOf(text: string): string {
  const reference = fullReference(text);
  if (reference === undefined)
    throw invalid(`manifest.json has a name that is not a reference: ${quote(text)}`);
  return reference;
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 200));
const invalid = (message: string): ArchBuildError => new ArchBuildError('ARCHIVE_INVALID', message);
