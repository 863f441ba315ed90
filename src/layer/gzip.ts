/**
 * gzip on all cores, as pigz does it: blocks of 1 MiB compressed apart, each with the 32 KiB before it as dictionary,
 * joined into one member. The same input, level and zlib give the same bytes, however many cores there are.
 */
import { crc32 } from 'node:zlib';
import { DeflatePool } from '../sys/deflate-pool.ts';
import { BlockBuffer } from './block-buffer.ts';

export interface GzipOptions {
  /** 1 (fast) to 9 (small). */
  readonly level: number;
  /** Blocks at once; the cores there are by default. */
  readonly threads?: number;
}

const BLOCK = 1 << 20;
const WINDOW = 32 << 10;
/** No name, no time, operating system "unknown": nothing of this host. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block: the blocks before it end on a byte and do not know that they are the last. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

/** A single gzip member. */
export async function* compressGzip(
  input: AsyncIterable<Uint8Array>,
  { level, threads }: GzipOptions,
): AsyncGenerator<Buffer> {
  await using pool = new DeflatePool(threads);
  yield HEADER;
  const pending: Promise<Buffer>[] = [];
  let [checksum, size] = [0, 0];
  let dictionary: Buffer = Buffer.alloc(0);
  for await (const block of inBlocks(input)) {
    checksum = crc32(block, checksum);
    size += block.length;
    const before = dictionary;
    dictionary = Buffer.from(block.subarray(-WINDOW)); // a copy: the block goes to another thread
    const compressed = pool.deflate({ block, dictionary: before, level });
    compressed.catch(() => undefined); // reported when its turn comes, and not at all when the consumer stopped
    pending.push(compressed);
    for (const first of pending.splice(0, pending.length - pool.size)) yield await first;
  }
  for (const compressed of pending) yield await compressed;
  yield LAST_BLOCK;
  yield trailer(checksum, size);
}

async function* inBlocks(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer<ArrayBuffer>> {
  const blocks = new BlockBuffer(BLOCK);
  for await (const chunk of input) {
    blocks.append(chunk);
    yield* blocks.full();
  }
  yield* blocks.drain();
}

function trailer(checksum: number, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(checksum, 0);
  bytes.writeUInt32LE(size % 2 ** 32, 4);
  return bytes;
}
