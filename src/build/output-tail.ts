/** The last bytes a command printed, for recognising why it failed. */
const LIMIT = 16_384;

export class OutputTail {
  #chunks: Buffer[] = [];
  #size = 0;

  push(data: Buffer): void {
    this.#chunks.push(data);
    this.#size += data.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) >= LIMIT)
      this.#size -= this.#chunks.shift()?.length ?? 0;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8').slice(-LIMIT);
  }
}
