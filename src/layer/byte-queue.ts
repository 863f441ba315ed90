/**
 * Reading exact amounts from a stream of chunks. The `try` methods answer without a promise when the bytes are
 * already here: an archive of small files must not pay several awaits for each.
 */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(input: AsyncIterable<Uint8Array>) {
    this.#source = input[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes out of the current chunk (a view), or undefined. */
  tryTake(length: number): Buffer | undefined {
    if (this.#chunk.length < length) return undefined;
    const taken = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    return taken;
  }

  /** `length` bytes; fewer only at the end of the stream. The caller bounds `length`: it is allocated. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = await this.takeSome(missing);
      if (part === undefined) break;
      parts.push(part);
      missing -= part.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** Between 1 and `limit` bytes as they come, or undefined at the end of the stream. */
  async takeSome(limit: number): Promise<Buffer | undefined> {
    if (this.#chunk.length === 0 && !(await this.#advance())) return undefined;
    return this.tryTake(Math.min(limit, this.#chunk.length));
  }

  /** False when the stream ended before. */
  async skip(length: number): Promise<boolean> {
    let missing = length;
    while (missing > 0) {
      const part = await this.takeSome(missing);
      if (part === undefined) return false;
      missing -= part.length;
    }
    return true;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#source.return?.();
  }

  async #advance(): Promise<boolean> {
    while (!this.#ended) {
      const next = await this.#next();
      if (next === undefined) break;
      if (next.length === 0) continue;
      this.#chunk = Buffer.from(next.buffer, next.byteOffset, next.length);
      return true;
    }
    return false;
  }

  /** A source that threw has ended: it must not be told to return. */
  async #next(): Promise<Uint8Array | undefined> {
    let next: IteratorResult<Uint8Array, unknown>;
    try {
      next = await this.#source.next();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
    if (next.done !== true) return next.value;
    this.#ended = true;
    return undefined;
  }
}
