/** Chunks read as bytes: so many skipped, so many taken as chunks of their own, the end checked. */
import { ArchBuildError } from '../errors.ts';

export class ByteCursor implements AsyncDisposable {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(data: AsyncIterable<Uint8Array>) {
    this.#chunks = data[Symbol.asyncIterator]();
  }

  async skip(count: number): Promise<void> {
    let left = count;
    for await (const chunk of this.take(count)) left -= chunk.length;
    if (left !== 0) throw new TypeError(`skipped ${left} bytes too few`); // take has thrown before
  }

  /** Throws SIZE_MISMATCH when there are less. To be read to its end before the next call. */
  async *take(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    let left = count;
    while (left > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next();
      if (chunk === undefined)
        throw new ArchBuildError('SIZE_MISMATCH', `the data end ${left} bytes before their promised size`);
      this.#rest = chunk.subarray(left);
      const part = chunk.subarray(0, left);
      left -= part.length;
      yield part;
    }
  }

  /** Reads on to the end, where whoever verifies the data has the last word. Throws SIZE_MISMATCH for more. */
  async expectEnd(): Promise<void> {
    const chunk = this.#rest.length > 0 ? this.#rest : await this.#next();
    if (chunk !== undefined)
      throw new ArchBuildError('SIZE_MISMATCH', 'the data go on after their promised size');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const result = await this.#chunks.next();
      if (result.done === true) return undefined;
      if (result.value.length > 0) return result.value;
    }
  }
}
