/**
 * DEFLATE on all cores. Threads of our own: zlib's asynchronous functions share four threads with every file operation,
 * and their number is fixed before the first line of a program runs.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

export interface DeflateBlock {
  /** Its memory is handed over: the caller does not touch it again. */
  readonly block: Buffer<ArrayBuffer>;
  /** What came before it, at most 32 KiB; empty for the first block. */
  readonly dictionary: Buffer;
  readonly level: number;
}

/** All a thread does; it has no module of its own, so that it needs no file beside the bundled program. */
const PROGRAM = `
const { parentPort } = require('node:worker_threads');
const { constants, deflateRawSync } = require('node:zlib');
parentPort.on('message', ({ block, dictionary, level }) => {
  const options = { level, finishFlush: constants.Z_SYNC_FLUSH, ...(dictionary.length > 0 ? { dictionary } : {}) };
  parentPort.postMessage(deflateRawSync(block, options));
});
`;

/** Answers come in the order of the calls only per block: each call has its own promise. The caller disposes it. */
export class DeflatePool implements AsyncDisposable {
  readonly size: number;
  readonly #idle: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];
  #started = 0;
  readonly #all: Worker[] = [];

  constructor(size = availableParallelism()) {
    this.size = size;
  }

  /** The block deflated up to a byte boundary, not marked as the last. */
  async deflate({ block, dictionary, level }: DeflateBlock): Promise<Buffer> {
    const worker = await this.#take();
    try {
      worker.postMessage({ block, dictionary, level }, [block.buffer]);
      const [deflated] = (await once(worker, 'message')) as [Uint8Array];
      return Buffer.from(deflated.buffer, deflated.byteOffset, deflated.byteLength);
    } finally {
      this.#giveBack(worker);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(async (worker) => worker.terminate()));
  }

  async #take(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#started < this.size) {
      this.#started++;
      const worker = new Worker(PROGRAM, { eval: true, execArgv: [] });
      worker.setMaxListeners(0);
      this.#all.push(worker);
      return worker;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(worker: Worker): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
  }
}
