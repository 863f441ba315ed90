/** What is packed is unpacked by the programs of others, and is the same whatever number of threads made it. */
import { execFileSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compress, packingOf } from '../../src/layer/compress.ts';
import { compressGzip } from '../../src/layer/gzip.ts';

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  await Promise.resolve();
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

async function collect(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Text-like, with repetitions that reach over the ends of blocks. */
function sample(size: number): Buffer {
  const words = Array.from({ length: 997 }, (_, index) => `word ${(index * 7919) % 1009}\n`).join('');
  return Buffer.from(words.repeat(Math.ceil(size / words.length))).subarray(0, size);
}

describe('gzip', () => {
  it.each([0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_001])(
    'of %i bytes is one member',
    async (size) => {
      const packed = await collect(compressGzip(inChunks(sample(size), 70_000), { level: 6 }));
      expect(gunzipSync(packed).equals(sample(size))).toBe(true);
      expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 26 }).equals(sample(size))).toBe(
        true,
      );
    },
  );

  it('gives the same bytes with one thread and with many, in whatever chunks the input comes', async () => {
    const bytes = sample(6_500_000);
    const [one, three, other] = await Promise.all([
      collect(compressGzip(inChunks(bytes, 1 << 20), { level: 6, threads: 1 })),
      collect(compressGzip(inChunks(bytes, 1 << 20), { level: 6, threads: 3 })),
      collect(compressGzip(inChunks(bytes, 999), { level: 6, threads: 5 })),
    ]);
    expect(three.equals(one)).toBe(true);
    expect(other.equals(one)).toBe(true);
    expect(one.length).toBeLessThan(bytes.length / 4);
  });

  it('gives back any input', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1, max: 9 }),
        async (bytes, level) => {
          const packed = await collect(
            compressGzip(inChunks(Buffer.from(bytes), 100), { level, threads: 1 }),
          );
          expect(gunzipSync(packed).equals(Buffer.from(bytes))).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('throws what its input throws, and leaves no thread behind', async () => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield* inChunks(sample(3_000_000), 1 << 20);
      throw new Error('the disk is gone');
    };
    await expect(collect(compressGzip(broken(), { level: 1 }))).rejects.toThrow('the disk is gone');
  });
});

describe('zstd', () => {
  it('is unpacked by zstd, and is the same with one thread', async () => {
    const bytes = sample(9_000_001);
    const packed = await collect(compress(inChunks(bytes, 1 << 20), packingOf('zstd')));
    expect(execFileSync('zstd', ['-dc'], { input: packed, maxBuffer: 1 << 26 }).equals(bytes)).toBe(true);
    const one = execFileSync('zstd', ['-cq', '-3', '-T1'], { input: bytes, maxBuffer: 1 << 26 });
    expect(packed.equals(one)).toBe(true);
  });
});

describe('packingOf', () => {
  it('has a usual level, and refuses one that is none', () => {
    expect(packingOf('gzip')).toEqual({ kind: 'gzip', level: 6 });
    expect(() => packingOf('gzip', 12)).toThrow('levels 1 to 9');
    expect(() => packingOf('zstd', 0)).toThrow('levels 1 to 19');
  });
});
