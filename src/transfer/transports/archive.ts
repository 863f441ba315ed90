/** `oci-archive:FILE[:TAG]` and `docker-archive:FILE[:REF]`: one tar. Read by what is in it, whatever the word says. */
import { resolve } from 'node:path';
import type { Store } from '../../store/store.ts';
import { chosenImages, renamed, splitPath } from '../image-choice.ts';
import type { ImageSet, ImageSource } from '../image-set.ts';
import { openImageArchive } from '../image-archive.ts';
import { ARCHIVE_FORMATS } from '../archive-formats.ts';
import { writeOutputFile } from '../output-file.ts';
import type { Traits, Transport, TransportContext } from './transport.ts';

interface ArchiveAccess {
  readonly traits: Traits;
  readonly open: (store: Store, path: string) => Promise<ImageSource>;
  readonly write: (set: ImageSet, context: TransportContext) => AsyncIterable<Uint8Array>;
}

export const ociArchiveTransport = archiveTransport('oci-archive:FILE[:TAG]', {
  ...ARCHIVE_FORMATS.oci,
  open: openArchive,
});
export const dockerArchiveTransport = archiveTransport('docker-archive:FILE[:REF]', {
  ...ARCHIVE_FORMATS.docker,
  open: openArchive,
});

export function archiveTransport(syntax: string, { traits, open, write }: ArchiveAccess): Transport {
  return {
    prefix: syntax.slice(0, syntax.indexOf(':') + 1),
    syntax,
    place: (rest, text) => {
      const { path, name } = splitPath(rest, text);
      return {
        text,
        traits,
        open: async ({ store }) => {
          const source = await open(store, resolve(path));
          try {
            return { ...source, images: chosenImages(source.images, { name, text }) };
          } catch (error) {
            await source[Symbol.asyncDispose]();
            throw error;
          }
        },
        write: (set, context) => {
          const named = { ...set, images: renamed(set.images, { name, text }) };
          return writeOutputFile(resolve(path), write(named, context));
        },
      };
    },
  };
}

/** The caller disposes it. `openOther`: archives that are none of blobs. Throws ARCHIVE_INVALID, IO. */
export async function openArchive(
  store: Store,
  path: string,
  openOther?: Parameters<typeof openImageArchive>[2],
): Promise<ImageSource> {
  const archive = await openImageArchive(path, store.makeDirectory('archive'), openOther);
  return {
    content: archive,
    images: archive.images,
    select: archive.selectPresent,
    [Symbol.asyncDispose]: async () => archive[Symbol.asyncDispose](),
  };
}
