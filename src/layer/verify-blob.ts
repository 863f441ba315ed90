/** Size and digest of a stored blob while it is read, for those who want its bytes as well and those who do not. */
import { createHash, type Hash } from 'node:crypto';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf } from '../oci/digest.ts';
import type { Finding, Subject } from '../oci/verify.ts';

/** Of a blob that is only carried. Throws what the source throws. */
export async function verifyBlob(
  source: ContentSource,
  descriptor: Descriptor,
  subject: Subject,
): Promise<readonly Finding[]> {
  const stored = new ObservedBlob(descriptor);
  for await (const _chunk of stored.read(source)) continue;
  return stored.findings(subject);
}

const HEAD = 512;

/** Takes note of what passes by, and takes no more than one chunk beyond the promised size. */
export class ObservedBlob {
  /** The first stored bytes: 512, or all when there are fewer. */
  head: Buffer = Buffer.alloc(0);
  readonly #descriptor: Descriptor;
  readonly #hash: Hash;
  #size = 0;

  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
    this.#hash = createHash(algorithmOf(descriptor.digest));
  }

  async *read(source: ContentSource): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.read(this.#descriptor)) {
      this.#hash.update(chunk);
      this.#size += chunk.length;
      if (this.head.length < HEAD) {
        this.head = Buffer.concat([this.head, chunk.subarray(0, HEAD - this.head.length)]);
      }
      if (this.#size > this.#descriptor.size) return;
      yield chunk;
    }
  }

  /** Once, when the bytes have been read. */
  findings(subject: Subject): Finding[] {
    const { size, digest } = this.#descriptor;
    const error = (code: string, message: string): Finding => ({
      code,
      severity: 'error',
      ...subject,
      message,
    });
    if (this.#size > size) return [error('content-size', `more than the ${size} bytes the descriptor says`)];
    const found = `${algorithmOf(digest)}:${this.#hash.digest('hex')}`;
    return [
      ...(this.#size < size
        ? [error('content-size', `${this.#size} bytes where the descriptor says ${size}`)]
        : []),
      ...(found === digest
        ? []
        : [error('content-digest', `the content's digest is ${found}, not ${digest}`)]),
    ];
  }
}
