/** A registry's storage in a rootfs, read: what a base image has gathered already need not be gathered again. */
import { ArchBuildError } from '../../errors.ts';
import { toBytePath } from '../../layer/byte-path.ts';
import type { MergedTree } from '../../layer/merged-tree.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { algorithmOf, digestOf, parseDigest, type Digest } from '../../oci/digest.ts';
import { parseImageConfig } from '../../oci/image-config.ts';
import { readObject } from '../../oci/json-shape.ts';
import { parseJson } from '../../oci/json.ts';
import { limitOf } from '../../oci/limits.ts';
import { parseDocument, selectPlatform } from '../../oci/manifest.ts';
import { formatPlatform, matchesPlatform, platformOfConfig, type Platform } from '../../oci/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import { parseImageLock, type ImageLock, type LockedImage } from './lock-file.ts';
import { blobPath, repositoryOf, tagPath, type DomainPolicy } from './registry-files.ts';

/** What was gathered for a platform, with the registries that the storage itself does not tell. */
export const recordPath = (platform: Platform): string =>
  `registry/images/${formatPlatform(platform).replaceAll('/', '-')}.json`;

/** Empty without a record. Throws GATHER for one that cannot be read. */
export function readRecord(tree: MergedTree, platform: Platform): ImageLock {
  const path = recordPath(platform);
  if (tree.lookup(toBytePath(path))?.type !== 'file') return new Map();
  return parseImageLock(tree.readFile(toBytePath(path), RECORD_LIMIT).toString('utf8'), path);
}

const RECORD_LIMIT = 64 << 20;
const LINK_LIMIT = 256;

/** The image as the tree has it for the platform; undefined unless tag, documents and layers are all there. */
export function findStored(
  tree: MergedTree,
  { reference, platform, policy }: { reference: Reference; platform: Platform; policy: DomainPolicy },
): LockedImage | undefined {
  try {
    const digest = reference.digest ?? readTag(tree, reference, policy);
    const root = digest === undefined ? undefined : readRoot(tree, digest);
    const manifest = root === undefined ? undefined : manifestFor(tree, root, platform);
    if (root === undefined || manifest === undefined) return undefined;
    return { root, manifests: new Map([[formatPlatform(platform), manifest]]) };
  } catch (error) {
    if (error instanceof ArchBuildError) return undefined; // damaged: gathered again
    throw error;
  }
}

/** Whether a blob is in the storage, by name and size. */
export function hasBlob(tree: MergedTree, { digest, size }: Descriptor): boolean {
  const node = tree.lookup(toBytePath(blobPath(digest)));
  return node?.type === 'file' && Number(node.stat.size) === size;
}

function readTag(tree: MergedTree, reference: Reference, policy: DomainPolicy): Digest | undefined {
  const path = toBytePath(tagPath(repositoryOf(reference, policy), reference.tag ?? ''));
  if (tree.lookup(path)?.type !== 'file') return undefined;
  return parseDigest(tree.readFile(path, LINK_LIMIT).toString('utf8').trim());
}

function readRoot(tree: MergedTree, digest: Digest): Descriptor | undefined {
  const bytes = readBlob(tree, digest);
  if (bytes === undefined) return undefined;
  const what = 'the document of a tag';
  const { mediaType } = readObject(parseJson(bytes, what, limitOf('manifest-bytes')), what);
  return typeof mediaType === 'string' ? { mediaType, digest, size: bytes.length } : undefined;
}

/** With its config and layers, or not at all. */
function manifestFor(tree: MergedTree, root: Descriptor, platform: Platform): Digest | undefined {
  const document = parseDocument(readBlob(tree, root.digest) ?? Buffer.alloc(0), root.mediaType);
  if (document.kind === 'index') {
    const child = selectPlatform(document.index, platform);
    return child === undefined ? undefined : manifestFor(tree, child, platform);
  }
  const { config, layers } = document.manifest;
  const bytes = readBlob(tree, config.digest);
  const isFor = bytes !== undefined && matchesPlatform(platform, platformOfConfig(parseImageConfig(bytes)));
  return isFor && layers.every((blob) => hasBlob(tree, blob)) ? root.digest : undefined;
}

function readBlob(tree: MergedTree, digest: Digest): Buffer | undefined {
  const path = toBytePath(blobPath(digest));
  if (tree.lookup(path)?.type !== 'file') return undefined;
  const bytes = tree.readFile(path, limitOf('manifest-bytes'));
  return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined;
}
