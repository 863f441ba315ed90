/** The content of one entry while the archive passes by: read once, or skipped. */
import { invalidLayer, paddingOf } from './tar-format.ts';
import type { ByteQueue } from './byte-queue.ts';
import { expandSparse, type SparseMap } from './sparse.ts';

/** Contents up to this size are taken whole before the entry is handed out. */
const PREFETCH = 128 << 10;
const CHUNK = 1 << 20;

export class EntryBody {
  /** Of the content, holes included. */
  readonly size: number;
  /** The whole content, when `prefetch` took it. */
  content: Buffer | undefined;
  /** Nothing of it is left in the queue. */
  isRead = false;
  readonly #queue: ByteQueue;
  readonly #sparse: SparseMap | undefined;
  readonly #padding: number;
  #left: number;
  #taken = false;

  constructor(queue: ByteQueue, stored: number, sparse: SparseMap | undefined) {
    this.#queue = queue;
    this.#sparse = sparse;
    this.#left = stored;
    this.#padding = paddingOf(stored);
    this.size = sparse?.size ?? stored;
  }

  async prefetch(): Promise<void> {
    if (this.#sparse !== undefined || this.#left > PREFETCH) return;
    const length = this.#left + this.#padding;
    const data = this.#queue.tryTake(length) ?? (await this.#queue.take(length));
    if (data.length < length) throw truncated();
    this.content = data.subarray(0, this.#left);
    this.isRead = true;
  }

  read(): AsyncIterable<Buffer> {
    if (this.#taken) throw new TypeError('the body of a tar entry was read twice');
    this.#taken = true;
    const stored = this.content === undefined ? this.#chunks() : only(this.content);
    return this.#sparse === undefined ? stored : expandSparse(stored, this.#sparse);
  }

  async skip(): Promise<void> {
    this.#taken = true;
    this.isRead = true;
    if (!(await this.#queue.skip(this.#left + this.#padding))) throw truncated();
    this.#left = 0;
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    while (this.#left > 0) {
      if (this.isRead) throw new TypeError('the body of a tar entry was read after the next entry');
      const chunk = await this.#queue.takeSome(Math.min(this.#left, CHUNK));
      if (chunk === undefined) throw truncated();
      this.#left -= chunk.length;
      yield chunk;
    }
  }
}

const truncated = (): Error => invalidLayer('the archive ends in the middle of an entry');

// eslint-disable-next-line @typescript-eslint/require-await -- an async iterable of something at hand
async function* only(content: Buffer): AsyncGenerator<Buffer> {
  if (content.length > 0) yield content;
}
