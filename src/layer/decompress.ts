/** Compressed streams, known by their content: names and media types lie. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { systemErrorCode } from '../errors.ts';
import { filterThrough, type FilterProgram } from '../sys/filter.ts';
import { limitOf } from '../oci/limits.ts';
import { ByteQueue } from './byte-queue.ts';
import { beyondLayerLimit, invalidLayer } from './tar-format.ts';

export type CompressionKind = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

export interface Decompressed {
  readonly kind: CompressionKind;
  /** To be consumed or returned from: then the input is told, too. Throws LAYER_INVALID, TOOL_MISSING. */
  readonly data: AsyncIterable<Buffer>;
}

const MAGIC: readonly { readonly kind: CompressionKind; readonly bytes: readonly number[] }[] = [
  { kind: 'gzip', bytes: [0x1f, 0x8b, 0x08] },
  { kind: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { kind: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'bzip2', bytes: [0x42, 0x5a, 0x68] },
];

/** Memory is bounded: a stream that wants a window beyond these limits is refused. */
const PROGRAMS: Readonly<Record<'zstd' | 'xz' | 'bzip2', FilterProgram>> = {
  zstd: { program: 'zstd', args: ['-dcq', '--memory=256MB'], debianPackage: 'zstd' },
  xz: { program: 'xz', args: ['-dcq', '--memlimit-decompress=512MiB'], debianPackage: 'xz-utils' },
  bzip2: { program: 'bzip2', args: ['-dc'], debianPackage: 'bzip2' },
};

/** As many first bytes tell. */
export const LONGEST_MAGIC = 6;

/** Looks at the first bytes only. */
export async function decompress(input: AsyncIterable<Uint8Array>): Promise<Decompressed> {
  const queue = new ByteQueue(input);
  const head = await queue.take(LONGEST_MAGIC);
  const kind = compressionOf(head);
  const passed = { bytes: 0 };
  const whole = replay(head, queue, passed);
  if (kind === 'none') return { kind, data: whole };
  if (kind === 'gzip') return { kind, data: bounded(gunzip(whole), passed) };
  const complain = (reason: string): Error => invalidLayer(`not a whole ${kind} stream: ${reason}`);
  return { kind, data: bounded(filterThrough(PROGRAMS[kind], whole, complain), passed) };
}

export function compressionOf(head: Uint8Array): CompressionKind {
  return MAGIC.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte))?.kind ?? 'none';
}

/** How much of the packed stream has been handed to the decompressor. */
interface Passed {
  bytes: number;
}

/** A bomb is known while it goes off, not when it has. */
async function* bounded(unpacked: AsyncIterable<Buffer>, passed: Passed): AsyncGenerator<Buffer> {
  const [free, ratio] = [limitOf('expansion-free'), limitOf('expansion-ratio')];
  let size = 0;
  for await (const chunk of unpacked) {
    size += chunk.length;
    if (size > free && size > passed.bytes * ratio) {
      const message = `it unpacks to more than ${ratio} times its size, and to more than ${free} bytes`;
      throw beyondLayerLimit('expansion-ratio', message);
    }
    yield chunk;
  }
}

async function* replay(head: Buffer, queue: ByteQueue, passed: Passed): AsyncGenerator<Buffer> {
  try {
    passed.bytes += head.length;
    if (head.length > 0) yield head;
    for (;;) {
      const chunk = await queue.takeSome(1 << 20);
      if (chunk === undefined) return;
      passed.bytes += chunk.length;
      yield chunk;
    }
  } finally {
    await queue.close();
  }
}

/** Members one after the other are one stream; anything else after them is an error. */
async function* gunzip(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const engine = createGunzip({ chunkSize: 256 << 10 });
  let fed = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of input) {
      fed += chunk.length;
      yield chunk;
    }
  };
  const source = Readable.from(counted(), { highWaterMark: 2 });
  // An error of either side destroys the other and reaches the consumer through `engine`.
  pipeline(source, engine, () => undefined);
  try {
    yield* engine as AsyncIterable<Buffer>;
  } catch (error) {
    throw systemErrorCode(error)?.startsWith('Z_') === true ? broken(error) : error;
  }
  if (engine.bytesWritten !== fed) throw invalidLayer('there is something after the end of the gzip stream');
}

const broken = (cause: unknown): Error =>
  invalidLayer(`not a whole gzip stream: ${cause instanceof Error ? cause.message : ''}`, cause);
