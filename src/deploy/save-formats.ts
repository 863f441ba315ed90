/** All archives that can be written: those made of blobs, and sealer v0.8's, whose layers are directories. */
import { ARCHIVE_FORMATS, type ArchiveFormat } from '../transfer/archive-formats.ts';
import type { ImageSet } from '../transfer/image-set.ts';
import type { Traits, TransportContext } from '../transfer/transports/transport.ts';

export type SaveFormat = ArchiveFormat | 'sealer-v0.8';

export interface SaveWriter {
  readonly traits: Traits;
  /** The archive as chunks; the same images give the same bytes. */
  readonly write: (set: ImageSet, context: TransportContext) => AsyncIterable<Uint8Array>;
}

/** Read only now: it brings what writes YAML. */
const sealerTrees: SaveWriter['write'] = async function* (set, context) {
  const { sealerTreeArchive } = await import('./sealer-tree-archive.ts');
  yield* sealerTreeArchive(set, context);
};

export const SAVE_FORMATS: Readonly<Record<SaveFormat, SaveWriter>> = {
  ...ARCHIVE_FORMATS,
  'sealer-v0.8': {
    traits: { complete: true, unpacked: 'layers are directories in an archive of sealer v0.8' },
    write: sealerTrees,
  },
};
