/**
 * gzip on all cores, as pigz does it: blocks of 1 MiB compressed apart, each with the 32 KiB before it as dictionary,
 * joined into one member. The same input, level and zlib give the same bytes, however many cores there are.
 */
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';
import { BlockBuffer } from './block-buffer.ts';

export interface GzipOptions {
  /** 1 (fast) to 9 (small); 6 unless said. */
  readonly level?: number;
}

const BLOCK = 1 << 20;
const WINDOW = 32 << 10;
/** No name, no time, operating system "unknown": nothing of this host. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
/** An empty last block: the blocks before it end on a byte and do not know that they are the last. */
const LAST_BLOCK = Buffer.from([0x03, 0x00]);

const deflate = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw);

/** A single gzip member. */
export async function* compressGzip(
  input: AsyncIterable<Uint8Array>,
  { level = 6 }: GzipOptions = {},
): AsyncGenerator<Buffer> {
  yield HEADER;
  const pending: Promise<Buffer>[] = [];
  let [checksum, size] = [0, 0];
  let dictionary: Buffer = Buffer.alloc(0);
  for await (const block of inBlocks(input)) {
    checksum = crc32(block, checksum);
    size += block.length;
    const options = {
      level,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 ? { dictionary } : {}),
    };
    const compressed = deflate(block, options);
    compressed.catch(() => undefined); // reported when its turn comes, and not at all when the consumer stopped
    pending.push(compressed);
    dictionary = block.subarray(-WINDOW);
    if (pending.length > availableParallelism()) yield (await pending.shift()) ?? HEADER;
  }
  for (const compressed of pending) yield await compressed;
  yield LAST_BLOCK;
  yield trailer(checksum, size);
}

async function* inBlocks(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
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
