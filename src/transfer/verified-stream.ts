/** Content for those who read it at once, without a sink that looks whether it is what was promised. */
import type { ContentSource } from '../oci/content.ts';
import { ContentCheck } from '../oci/content-check.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { beyondLimit, limitOf, type LimitName } from '../oci/limits.ts';

/**
 * Passes the data through and throws SIZE_MISMATCH or DIGEST_MISMATCH at the latest after the last chunk:
 * what was read counts only once the iteration has ended without an error.
 */
export async function* verified(
  promised: Descriptor,
  data: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const check = new ContentCheck(promised);
  for await (const chunk of data) {
    check.update(chunk);
    yield chunk;
  }
  check.finish();
}

/** A whole small blob, verified. Throws DOCUMENT_INVALID, before reading, when it is larger than the limit. */
export async function readDocument(
  source: ContentSource,
  descriptor: Descriptor,
  limit: LimitName = 'manifest-bytes',
): Promise<Buffer> {
  if (descriptor.size > limitOf(limit)) {
    const message = `${descriptor.digest} (${descriptor.mediaType}) has ${descriptor.size} bytes, more than the ${limitOf(limit)} allowed`;
    throw beyondLimit('DOCUMENT_INVALID', limit, message);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of verified(descriptor, source.read(descriptor))) chunks.push(chunk);
  return Buffer.concat(chunks);
}
