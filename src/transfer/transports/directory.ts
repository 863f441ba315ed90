/**
 * `dir:DIR`: the flat directory that skopeo writes: `manifest.json`, `version`, each blob under its digits, and the
 * manifests of an index as `DIGITS.manifest.json`. It holds one image and no names.
 */
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import type { ContentSink, ContentSource } from '../../oci/content.ts';
import { describe, type Descriptor } from '../../oci/descriptor.ts';
import { encodedOf, parseDigest } from '../../oci/digest.ts';
import { limitOf } from '../../oci/limits.ts';
import { parseDocument } from '../../oci/manifest.ts';
import { isIndexType, isManifestType, MEDIA_TYPES } from '../../oci/media-types.ts';
import { writeFileAtomic } from '../../sys/atomic-file.ts';
import { absentIn, withAbsent } from '../absent-platforms.ts';
import { copyGraph } from '../copy.ts';
import { onlyImage } from '../image-choice.ts';
import { presentIn, selectionOf, type ImageSet, type ImageSource } from '../image-set.ts';
import { once } from '../once.ts';
import { writeOutputFile } from '../output-file.ts';
import { controlOf } from '../transfer-job.ts';
import { readDocument, verified } from '../verified-stream.ts';
import type { Transport, TransportContext } from './transport.ts';

const VERSION = 'Directory Transport Version: 1.1\n';
/** Ours: the digest of the index, and the platforms it names that are not there. Other tools read what the index names. */
export const ABSENT_FILE = 'arch-build-absent';

export const directoryTransport: Transport = {
  prefix: 'dir:',
  syntax: 'dir:DIR',
  place: (rest, text) => {
    if (rest === '') throw new ArchBuildError('USAGE', `${text} names no directory`);
    return {
      text,
      traits: {},
      open: () => openDirectory(resolve(rest)),
      write: (set, context) => writeDirectory(resolve(rest), set, { context, text }),
    };
  },
};

function contentOf(directory: string): ContentSource & ContentSink {
  const pathOf = ({ digest, mediaType }: Descriptor): string => {
    const isDocument = isIndexType(mediaType) || isManifestType(mediaType);
    return join(directory, `${encodedOf(parseDigest(digest))}${isDocument ? '.manifest.json' : ''}`);
  };
  return {
    has: async (descriptor) => {
      const found = await stat(pathOf(descriptor)).catch(() => undefined);
      return found?.isFile() === true && found.size === descriptor.size;
    },
    async *read(descriptor) {
      try {
        yield* createReadStream(pathOf(descriptor), { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT') throw error;
        throw new ArchBuildError('BLOB_MISSING', `${directory} does not have ${descriptor.digest}`);
      }
    },
    write: (descriptor, data) => writeOutputFile(pathOf(descriptor), verified(descriptor, data)),
  };
}

/** Throws ARCHIVE_INVALID, DOCUMENT_INVALID. */
export async function openDirectory(directory: string): Promise<ImageSource> {
  const bytes = await readFile(join(directory, 'manifest.json')).catch((cause: unknown) => {
    throw new ArchBuildError('ARCHIVE_INVALID', `${directory} has no manifest.json`, { cause });
  });
  const root = describe(bytes, mediaTypeOf(bytes));
  parseDocument(bytes, root.mediaType);
  const content = contentOf(directory);
  return {
    images: [withAbsent({ references: [], root }, await absentSaid(directory, root))],
    content: {
      read: (descriptor) => (descriptor.digest === root.digest ? once(bytes) : content.read(descriptor)),
    },
    select: presentIn(content),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** What the mark says, if it is about this index. */
async function absentSaid(directory: string, root: Descriptor): Promise<string | undefined> {
  const path = join(directory, ABSENT_FILE);
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true || found.size > limitOf('manifest-bytes')) return undefined;
  const [digest, absent] = (await readFile(path, 'utf8')).trim().split(' ');
  return digest === root.digest ? absent : undefined;
}

/** Removed where nothing is absent. */
async function markAbsent(
  directory: string,
  root: Descriptor,
  content: ReturnType<typeof contentOf>,
): Promise<void> {
  const path = join(directory, ABSENT_FILE);
  const absent = await absentIn(content, root);
  if (absent === undefined) await rm(path, { force: true });
  else writeFileAtomic(path, `${root.digest} ${absent}\n`);
}

/** OCI documents may leave out what they are. */
function mediaTypeOf(bytes: Buffer): string {
  try {
    const { mediaType, manifests } = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    if (typeof mediaType === 'string') return mediaType;
    return Array.isArray(manifests) ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest;
  } catch (cause) {
    throw new ArchBuildError('DOCUMENT_INVALID', 'manifest.json is not JSON', { cause });
  }
}

async function writeDirectory(
  directory: string,
  set: ImageSet,
  { context, text }: { readonly context: TransportContext; readonly text: string },
): Promise<void> {
  const { root } = onlyImage(set.images, text);
  await mkdir(directory, { recursive: true });
  const options = { ...controlOf(context), ...selectionOf(set) };
  const content = contentOf(directory);
  await copyGraph(root, { from: set.content, to: content }, options);
  await markAbsent(directory, root, content);
  writeFileAtomic(join(directory, 'version'), VERSION);
  writeFileAtomic(join(directory, 'manifest.json'), await readDocument(set.content, root));
}
