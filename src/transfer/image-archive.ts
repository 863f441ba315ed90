/**
 * Reads image archives: OCI (skopeo, podman, buildx), `docker save` in its old form (manifest.json and layer tars)
 * and in its new one, which is both and counts as OCI. Nothing is unpacked, and nothing is believed: all documents are
 * verified while opening, blobs while being read.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, encodedOf } from '../oci/digest.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { parseIndex } from '../oci/manifest.ts';
import { openArchiveFile, type ArchiveFile, type Extent } from './archive-file.ts';
import { loadGraph, type ChildSelection } from './content-graph.ts';
import { readDockerImages } from './docker-images.ts';
import { namedImages, type NamedImage } from './image-list.ts';
import { checkLayoutVersion } from './oci-layout.ts';
import { once } from './once.ts';
import { listOfMembers } from './sealer-archive.ts';

export interface ImageArchive extends ContentSource, AsyncDisposable {
  readonly format: 'oci' | 'docker' | 'sealer';
  readonly images: readonly NamedImage[];
  /** An archive may lack some platforms of an index: with `selectPresent`, copyGraph leaves those out. */
  has(descriptor: Descriptor): boolean;
  readonly selectPresent: ChildSelection;
}

/** Opens the archives whose layers are directories, sealer v0.8's: they have to be taken into a store to be images. */
export type TreeArchiveOpener = (file: ArchiveFile, path: string) => Promise<ImageArchive>;

/**
 * The caller disposes it. A gzip-compressed archive is unpacked into `temporaryDirectory`.
 * Throws ARCHIVE_INVALID for anything that is not a whole archive of images, IO when the file cannot be read.
 */
export async function openImageArchive(
  path: string,
  temporaryDirectory?: string,
  openTrees?: TreeArchiveOpener,
): Promise<ImageArchive> {
  const file = await openArchiveFile(path, temporaryDirectory);
  try {
    const kind = KINDS.find(({ mark }) => file.find(mark) !== undefined);
    if (kind === undefined) {
      throw new ArchBuildError('ARCHIVE_INVALID', `${path} has neither oci-layout nor manifest.json`, {
        hint: 'a root file system becomes an image with `arch-build import`',
      });
    }
    const archive = await kind.open(file, path, openTrees);
    await checkContent(archive);
    return archive;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw asArchiveError(error, path);
  }
}

/** A bad document in an archive is a bad archive. */
function asArchiveError(error: unknown, path: string): unknown {
  const codes = [
    'DOCUMENT_INVALID',
    'DIGEST_INVALID',
    'DIGEST_MISMATCH',
    'SIZE_MISMATCH',
    'BLOB_MISSING',
    'PLATFORM_INVALID',
  ];
  if (!(error instanceof ArchBuildError) || !codes.includes(error.code)) return error;
  const details = error.hint === undefined ? {} : { hint: error.hint };
  return new ArchBuildError('ARCHIVE_INVALID', `${path}: ${error.message}`, { ...details, cause: error });
}

/** What an archive is, by the first of these files it has. */
const KINDS: readonly {
  readonly mark: string;
  readonly open: (
    file: ArchiveFile,
    path: string,
    openTrees: TreeArchiveOpener | undefined,
  ) => Promise<ImageArchive>;
}[] = [
  { mark: 'oci-layout', open: ociImages },
  { mark: 'manifest.json', open: dockerImages },
  { mark: 'Metadata', open: sealerImages },
];

/** sealer v0.11 keeps each platform of an image as an OCI archive in the archive; the list is made again here. */
async function sealerImages(
  file: ArchiveFile,
  path: string,
  openTrees: TreeArchiveOpener | undefined,
): Promise<ImageArchive> {
  const metadata = await readText(file, 'Metadata');
  if (metadata.startsWith('{')) {
    if (openTrees !== undefined) return openTrees(file, path);
    throw new ArchBuildError(
      'ARCHIVE_INVALID',
      `${path} is an archive of sealer v0.8, and is to be loaded first`,
      {
        hint: `arch-build load -i ${path}`,
      },
    );
  }
  file.requireSound();
  const members: ImageArchive[] = [];
  for (const name of file.files().filter((each) => each !== 'Metadata')) {
    const extent = file.find(name);
    if (extent !== undefined) members.push(await ociImages(await file.inside(extent), `${path}: ${name}`));
  }
  const { image, blobs } = await listOfMembers(members, metadata);
  const home = (descriptor: Descriptor): ImageArchive | undefined =>
    members.find((member) => member.has(descriptor));
  const has = (descriptor: Descriptor): boolean =>
    blobs.has(descriptor.digest) || home(descriptor) !== undefined;
  return {
    format: 'sealer',
    images: [image],
    has,
    selectPresent: (children) => children.filter(has),
    read: (descriptor) => {
      const made = blobs.get(descriptor.digest);
      if (made !== undefined) return once(made);
      const member = home(descriptor);
      if (member !== undefined) return member.read(descriptor);
      throw new ArchBuildError('BLOB_MISSING', `the archive does not have ${descriptor.digest}`);
    },
    [Symbol.asyncDispose]: async () => file[Symbol.asyncDispose](),
  };
}

async function ociImages(file: ArchiveFile, path: string): Promise<ImageArchive> {
  file.requireSound();
  checkLayoutVersion(await readText(file, 'oci-layout'), path);
  const { manifests } = parseIndex(Buffer.from(await readText(file, 'index.json')));
  const find = ({ digest }: Descriptor): Extent | undefined =>
    file.find(`blobs/${algorithmOf(digest)}/${encodedOf(digest)}`, { links: 'refuse' });
  return archiveOf(file, { format: 'oci', images: namedImages(manifests), find });
}

async function dockerImages(file: ArchiveFile): Promise<ImageArchive> {
  file.requireSound();
  const { images, blobs } = await readDockerImages(file, await readText(file, 'manifest.json'));
  return archiveOf(file, { format: 'docker', images, find: ({ digest }) => blobs.get(digest) });
}

interface Contents {
  readonly format: ImageArchive['format'];
  readonly images: readonly NamedImage[];
  readonly find: (descriptor: Descriptor) => Extent | Uint8Array | undefined;
}

function archiveOf(file: ArchiveFile, { format, images, find }: Contents): ImageArchive {
  const locate = (descriptor: Descriptor): Extent | Uint8Array | undefined => {
    const found = find(descriptor);
    const size = found instanceof Uint8Array ? found.length : found?.size;
    if (size === undefined || size === descriptor.size) return found;
    throw new ArchBuildError(
      'SIZE_MISMATCH',
      `${descriptor.digest} has ${size} bytes, not ${descriptor.size}`,
    );
  };
  const has = (descriptor: Descriptor): boolean => locate(descriptor) !== undefined;
  return {
    format,
    images,
    has,
    selectPresent: (children) => children.filter(has),
    read: (descriptor) => {
      const found = locate(descriptor);
      if (found === undefined)
        throw new ArchBuildError('BLOB_MISSING', `the archive does not have ${descriptor.digest}`);
      return found instanceof Uint8Array ? once(found) : file.read(found);
    },
    [Symbol.asyncDispose]: async () => file[Symbol.asyncDispose](),
  };
}

/** All documents are good, and every manifest that is there has its config and layers, of the right size. */
async function checkContent(archive: ImageArchive): Promise<void> {
  const roots = archive.images.map(({ root }) => root);
  if (roots.length === 0) throw new ArchBuildError('ARCHIVE_INVALID', 'the archive lists no images');
  const graph = await loadGraph(archive, roots, archive.selectPresent);
  const empty = graph.documents.find(({ children }) => children.length === 0);
  if (empty !== undefined)
    throw new ArchBuildError('ARCHIVE_INVALID', `the archive has nothing of ${empty.descriptor.digest}`);
  const missing = graph.blobs.find((descriptor) => !archive.has(descriptor));
  if (missing !== undefined)
    throw new ArchBuildError('ARCHIVE_INVALID', `the archive does not have ${missing.digest}`);
}

async function readText(file: ArchiveFile, path: string): Promise<string> {
  const extent = file.find(path);
  if (extent === undefined) throw new ArchBuildError('ARCHIVE_INVALID', `the archive has no ${path}`);
  if (extent.size > limitOf('manifest-bytes'))
    throw beyondLimit('ARCHIVE_INVALID', 'manifest-bytes', `${path} in the archive is too large`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.read(extent)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
