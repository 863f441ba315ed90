/** Collects bytes into blocks of one size, so that hashing and writing happen by the megabyte. */
export class BlockBuffer {
  readonly #size: number;
  #block: Buffer<ArrayBuffer>;
  #used = 0;
  #full: Buffer<ArrayBuffer>[] = [];

  /** A block handed out is not touched again. */
  constructor(size: number) {
    this.#size = size;
    this.#block = Buffer.allocUnsafeSlow(size);
  }

  append(bytes: Uint8Array): void {
    this.fill(bytes.length, (piece, done) => piece.set(bytes.subarray(done, done + piece.length)));
  }

  appendZeros(count: number): void {
    this.fill(count, (piece) => void piece.fill(0));
  }

  /** Lets `write` put `length` bytes where they belong: one piece for each block they touch. */
  fill(length: number, write: (piece: Buffer, done: number) => void): void {
    let done = 0;
    while (done < length) {
      const piece = this.#block.subarray(this.#used, this.#used + length - done);
      write(piece, done);
      this.#used += piece.length;
      done += piece.length;
      if (this.#used === this.#block.length) this.#next();
    }
  }

  /** Lets `write` put as much as it wants into what is left of the block; it returns how much that was. */
  offer(write: (room: Buffer) => number): void {
    this.#used += write(this.#block.subarray(this.#used));
    if (this.#used === this.#block.length) this.#next();
  }

  /** What comes begins in a block of its own. */
  cut(): void {
    if (this.#used > 0) this.#next();
  }

  /** The blocks that are complete. */
  full(): Buffer<ArrayBuffer>[] {
    if (this.#full.length === 0) return NONE;
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** All there is, the last block as far as it is filled. */
  drain(): Buffer<ArrayBuffer>[] {
    this.cut();
    return this.full();
  }

  #next(): void {
    this.#full.push(this.#block.subarray(0, this.#used));
    this.#block = Buffer.allocUnsafeSlow(this.#size);
    this.#used = 0;
  }
}

const NONE: Buffer<ArrayBuffer>[] = [];
