/** `sealer-v0.8:FILE[:NAME]`: one tar in which layers are directories, as a place of images. */
import { resolve } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { openImageArchive } from '../transfer/image-archive.ts';
import { chosenImages, renamed, splitPath } from '../transfer/image-choice.ts';
import type { ImageSource } from '../transfer/image-set.ts';
import { writeOutputFile } from '../transfer/output-file.ts';
import type { Transport } from '../transfer/transports/transport.ts';
import { SAVE_FORMATS } from './save-formats.ts';

const { traits, write } = SAVE_FORMATS['sealer-v0.8'];

export const sealerTreesTransport: Transport = {
  prefix: 'sealer-v0.8:',
  syntax: 'sealer-v0.8:FILE[:NAME]',
  place: (rest, text) => {
    const { path, name } = splitPath(rest, text);
    return {
      text,
      traits,
      open: async ({ store }) => {
        const source = await openAnyArchive(store, resolve(path));
        try {
          return { ...source, images: chosenImages(source.images, { name, text }) };
        } catch (error) {
          await source[Symbol.asyncDispose]();
          throw error;
        }
      },
      write: (set, context) =>
        writeOutputFile(
          resolve(path),
          write({ ...set, images: renamed(set.images, { name, text }) }, context),
        ),
    };
  },
};

/** What an archive is, its content says. The caller disposes it. Throws ARCHIVE_INVALID, IO. */
export async function openAnyArchive(store: Store, path: string): Promise<ImageSource> {
  const archive = await openImageArchive(path, store.makeDirectory('load'), async (...archive) => {
    const { sealerTreesOpener } = await import('./load-sealer-trees.ts'); // it reads YAML
    return sealerTreesOpener(store)(...archive);
  });
  return {
    content: archive,
    images: archive.images,
    select: archive.selectPresent,
    [Symbol.asyncDispose]: async () => archive[Symbol.asyncDispose](),
  };
}

/** Throws USAGE. */
export const refusePacking = (): never => {
  throw new ArchBuildError(
    'USAGE',
    'layers are directories in an archive of sealer v0.8: nothing packs them',
  );
};
