/** The two ends of every movement of content: one-method-each interfaces over descriptors. */
import type { Descriptor } from './descriptor.ts';

export interface ContentSource {
  /** The exact bytes of a descriptor, in chunks. Throws BLOB_MISSING when there is nothing under its digest. */
  read(descriptor: Descriptor): AsyncIterable<Uint8Array>;
}

export interface ContentSink {
  has(descriptor: Descriptor): Promise<boolean>;
  /** Stores the bytes and verifies digest and size while doing so; nothing is visible until they match. */
  write(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void>;
}
