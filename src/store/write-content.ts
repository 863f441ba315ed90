/**
 * The one place where content is hashed on its way into the store. Chunks of a network are small: they are written
 * together, and while that goes on the next ones come and are hashed.
 */
import type { FileHandle } from 'node:fs/promises';
import { ContentCheck } from '../oci/content-check.ts';
import type { Descriptor } from '../oci/descriptor.ts';

/** Bytes. */
const WRITE_AT_LEAST = 1 << 20;

/**
 * Appends the whole blob to the file, but for its first `have` bytes, which are there and are only hashed. What has
 * come is in the file even when this throws: SIZE_MISMATCH, DIGEST_MISMATCH, and what the data throw.
 */
export async function writeContent(
  file: FileHandle,
  promised: Pick<Descriptor, 'digest' | 'size'>,
  { data, have = 0 }: { readonly data: AsyncIterable<Uint8Array>; readonly have?: number },
): Promise<void> {
  const check = new ContentCheck(promised);
  const writer = new GatheredWriter(file);
  try {
    for await (const chunk of data) {
      const known = Math.min(Math.max(have - check.received, 0), chunk.length);
      check.update(chunk);
      if (known < chunk.length) await writer.push(chunk.subarray(known));
    }
  } finally {
    await writer.finish();
  }
  check.finish();
}

class GatheredWriter {
  readonly #file: FileHandle;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  /** The one write under way. */
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async push(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= WRITE_AT_LEAST) await this.#next();
  }

  async finish(): Promise<void> {
    if (this.#bytes > 0) await this.#next();
    await this.#writing;
  }

  /** Throws for the write before. */
  async #next(): Promise<void> {
    await this.#writing;
    this.#writing = append(this.#file, this.#waiting);
    this.#writing.catch(() => undefined); // whoever waits for it next hears of it
    [this.#waiting, this.#bytes] = [[], 0];
  }
}

async function append(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  const { bytesWritten } = await file.writev(chunks);
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten)); // appends
}
