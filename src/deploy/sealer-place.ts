/** `sealer-v0.8:FILE[:NAME]`: one tar in which layers are directories, as a place of images. */
import type { Store } from '../store/store.ts';
import type { ImageSource } from '../transfer/image-set.ts';
import { archiveTransport, openArchive } from '../transfer/transports/archive.ts';
import { SAVE_FORMATS } from './save-formats.ts';

export const sealerTreesTransport = archiveTransport('sealer-v0.8:FILE[:NAME]', {
  ...SAVE_FORMATS['sealer-v0.8'],
  open: openAnyArchive,
});

/** What an archive is, its content says. The caller disposes it. Throws ARCHIVE_INVALID, IO. */
export function openAnyArchive(store: Store, path: string): Promise<ImageSource> {
  return openArchive(store, path, async (...archive) => {
    const { sealerTreesOpener } = await import('./load-sealer-trees.ts'); // it reads YAML
    return sealerTreesOpener(store)(...archive);
  });
}
