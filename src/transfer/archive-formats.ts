/** The archives we write, one row each. Which of them a file is, its content says (image-archive.ts). */
import type { Platform } from '../oci/platform.ts';
import { dockerArchive } from './docker-archive.ts';
import { selectionOf, type ImageSet } from './image-set.ts';
import { ociArchive } from './oci-archive.ts';
import { sealerArchive } from './sealer-archive.ts';
import type { Traits } from './transports/transport.ts';

export type ArchiveFormat = 'oci' | 'docker' | 'sealer-v0.11';

export interface ArchiveOptions {
  /** What a docker that knows one platform gets of an image that has several. */
  readonly preferredPlatform: Platform;
}

export interface ArchiveWriter {
  readonly traits: Traits;
  /** The archive as chunks; the same images give the same bytes. */
  readonly write: (set: ImageSet, options: ArchiveOptions) => AsyncIterable<Uint8Array>;
}

export const ARCHIVE_FORMATS: Readonly<Record<ArchiveFormat, ArchiveWriter>> = {
  oci: {
    traits: {},
    write: (set, { preferredPlatform }) =>
      ociArchive(set.content, set.images, { preferredPlatform, ...selectionOf(set) }),
  },
  'sealer-v0.11': {
    traits: { complete: true },
    write: (set, options) => sealerArchive(set, options),
  },
  docker: { traits: { single: true }, write: ({ content, images }) => dockerArchive(content, images) },
};
