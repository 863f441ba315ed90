/** Content is trusted when size and digest are right, and not a byte more than promised is taken. */
import { createHash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf } from '../oci/digest.ts';
import { beyondLimit, limitOf, type LimitName } from '../oci/limits.ts';

/**
 * Passes the data through and throws SIZE_MISMATCH or DIGEST_MISMATCH at the latest after the last chunk:
 * what was read counts only once the iteration has ended without an error.
 */
export async function* verified(
  { digest, size }: Descriptor,
  data: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  let received = 0;
  for await (const chunk of data) {
    received += chunk.length;
    if (received > size)
      throw new ArchBuildError('SIZE_MISMATCH', `${digest} is larger than the promised ${size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (received !== size) {
    throw new ArchBuildError(
      'SIZE_MISMATCH',
      `${digest} has ${received} bytes instead of the promised ${size}`,
    );
  }
  const actual = `${algorithm}:${hash.digest('hex')}`;
  if (actual !== digest) throw new ArchBuildError('DIGEST_MISMATCH', `${digest} arrived as ${actual}`);
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
