/** A layer of a cache into the store, unpacked on the way. */
import { ArchBuildError } from '../../errors.ts';
import { decompress } from '../../layer/decompress.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Store } from '../../store/store.ts';
import { retrying } from '../../transfer/registry-retry.ts';
import { controlOf, type Control } from '../../transfer/transfer-job.ts';
import { verified } from '../../transfer/verified-stream.ts';

interface Packed {
  readonly source: ContentSource;
  /** As the cache stores it. */
  readonly descriptor: Descriptor;
}

/** `tar` is what has to come of it. Throws DIGEST_MISMATCH, SIZE_MISMATCH, LAYER_INVALID, and what the source throws. */
export async function bringLayer(
  { store, ...control }: Control & { readonly store: Store },
  tar: Descriptor,
  packed: Packed,
): Promise<void> {
  await retrying(controlOf(control), () => writeTar(store, tar, packed));
}

async function writeTar(store: Store, tar: Descriptor, { source, descriptor }: Packed): Promise<void> {
  const packed = verified(descriptor, source.read(descriptor));
  const open = { [Symbol.asyncIterator]: () => ({ next: () => packed.next() }) };
  try {
    const { data } = await decompress(open);
    await store.blobs.write(tar, data);
  } catch (error) {
    if (isAboutContent(error)) await drain(packed);
    throw error;
  } finally {
    await packed.return();
  }
}

/** Wrong bytes end a decompressor before their sender is found out, which their end does. */
async function drain(packed: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of packed);
}

const isAboutContent = (error: unknown): boolean =>
  error instanceof ArchBuildError && ['LAYER_INVALID', 'SIZE_MISMATCH'].includes(error.code);
