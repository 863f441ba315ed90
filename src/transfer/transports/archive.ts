/** `oci-archive:FILE[:TAG]` and `docker-archive:FILE[:REF]`: one tar. Read by what is in it, whatever the word says. */
import { resolve } from 'node:path';
import { chosenImages, renamed, splitPath } from '../image-choice.ts';
import type { ImageSet } from '../image-set.ts';
import { openImageArchive } from '../image-archive.ts';
import { ARCHIVE_FORMATS, type ArchiveFormat } from '../archive-formats.ts';
import { writeOutputFile } from '../output-file.ts';
import type { Transport, TransportContext } from './transport.ts';

export const ociArchiveTransport = archiveTransport('oci-archive:FILE[:TAG]', 'oci');
export const dockerArchiveTransport = archiveTransport('docker-archive:FILE[:REF]', 'docker');

function archiveTransport(syntax: string, format: ArchiveFormat): Transport {
  return {
    prefix: syntax.slice(0, syntax.indexOf(':') + 1),
    syntax,
    place: (rest, text) => {
      const { path, name } = splitPath(rest, text);
      return {
        text,
        traits: ARCHIVE_FORMATS[format].traits,
        open: async ({ store }: TransportContext) => {
          const archive = await openImageArchive(resolve(path), store.makeDirectory('archive'));
          try {
            return {
              content: archive,
              images: chosenImages(archive.images, { name, text }),
              select: archive.selectPresent,
              [Symbol.asyncDispose]: async () => archive[Symbol.asyncDispose](),
            };
          } catch (error) {
            await archive[Symbol.asyncDispose]();
            throw error;
          }
        },
        write: (set: ImageSet, context: TransportContext) => {
          const named = { ...set, images: renamed(set.images, { name, text }) };
          return writeOutputFile(resolve(path), ARCHIVE_FORMATS[format].write(named, context));
        },
      };
    },
  };
}
