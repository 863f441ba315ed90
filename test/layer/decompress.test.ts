import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../src/layer/decompress.ts';
import { compressGzip } from '../../src/layer/gzip.ts';
import { describeWith } from '../support/requires.ts';
import { collect, inChunks } from './tar-fixtures.ts';

const DATA = Buffer.concat([randomBytes(300_000), Buffer.alloc(3_000_000, 'arch-build'), randomBytes(11)]);
const GARBAGE = Buffer.from('garbage');
const invalid = expect.objectContaining({ code: 'LAYER_INVALID' }) as Error;

const PACKERS: Readonly<Record<string, (data: Buffer) => Buffer>> = {
  none: (data) => data,
  gzip: (data) => gzipSync(data),
  zstd: (input) => execFileSync('zstd', ['-cq'], { input, maxBuffer: 1 << 26 }),
  xz: (input) => execFileSync('xz', ['-c1'], { input, maxBuffer: 1 << 26 }),
  bzip2: (input) => execFileSync('bzip2', ['-c1'], { input, maxBuffer: 1 << 26 }),
};

async function unpack(bytes: Buffer, chunk?: number): Promise<{ kind: string; data: Buffer }> {
  const { kind, data } = await decompress(inChunks(bytes, chunk));
  return { kind, data: await collect(data) };
}

describeWith(['command:zstd', 'command:xz', 'command:bzip2'], 'decompressing', () => {
  it.each(Object.keys(PACKERS))('knows %s by its bytes', async (kind) => {
    const packed = PACKERS[kind]!(DATA);
    for (const chunk of [undefined, 100_000]) {
      const found = await unpack(packed, chunk);
      expect(found.kind).toBe(kind);
      expect(found.data.equals(DATA)).toBe(true);
    }
  });

  it.each(['gzip', 'zstd', 'xz', 'bzip2'])('takes %s in single bytes', async (kind) => {
    const data = Buffer.from('hello');
    expect(await unpack(PACKERS[kind]!(data), 1)).toEqual({ kind, data });
  });

  it.each(['gzip', 'zstd', 'xz', 'bzip2'])('takes two streams of %s one after the other', async (kind) => {
    const [a, b] = [Buffer.from('one '), DATA];
    const packed = Buffer.concat([PACKERS[kind]!(a), PACKERS[kind]!(b)]);
    for (const chunk of [undefined, 31])
      expect((await unpack(packed, chunk)).data.equals(Buffer.concat([a, b]))).toBe(true);
  });

  it.each(['gzip', 'zstd', 'xz', 'bzip2'])(
    'refuses %s that is cut, damaged or followed by something',
    async (kind) => {
      const packed = PACKERS[kind]!(DATA);
      const damaged = Buffer.from(packed);
      damaged[packed.length >> 1]! ^= 0xff;
      const hostile = [
        packed.subarray(0, -3),
        packed.subarray(0, 9),
        damaged,
        Buffer.concat([packed, GARBAGE]),
      ];
      for (const bytes of hostile) {
        for (const chunk of [undefined, 4096]) await expect(unpack(bytes, chunk)).rejects.toThrow(invalid);
      }
    },
  );

  it('refuses zstd that wants a window of 2 GiB', async () => {
    const packed = execFileSync('zstd', ['-cq', '--ultra', '--long=31', '-1', '--no-check'], {
      input: DATA,
      maxBuffer: 1 << 26,
    });
    await expect(unpack(packed)).rejects.toThrow(invalid);
  });
});

describe('gzip', () => {
  it('is refused with zeros and more behind it', async () => {
    const packed = gzipSync(DATA);
    for (const tail of [Buffer.alloc(4), Buffer.concat([Buffer.alloc(4), GARBAGE])]) {
      for (const chunk of [undefined, packed.length, 1000]) {
        await expect(unpack(Buffer.concat([packed, tail]), chunk)).rejects.toThrow(invalid);
      }
    }
  });

  it('takes no more memory for a bomb than for anything', async () => {
    const bomb = gzipSync(Buffer.alloc(256 << 20));
    const before = process.memoryUsage().rss;
    let size = 0;
    let most = 0;
    for await (const chunk of (await decompress(inChunks(bomb))).data) {
      size += chunk.length;
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(size).toBe(256 << 20);
    expect(most).toBeLessThan(128 << 20);
  });

  it('tells the source when the consumer stops', async () => {
    let ended = false;
    const source = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* inChunks(gzipSync(randomBytes(1 << 20)), 1000);
      } finally {
        ended = true;
      }
    };
    for await (const _chunk of (await decompress(source())).data) break;
    for (let turn = 0; !ended && turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(true);
  });

  it('throws what the source throws', async () => {
    const source = async function* (): AsyncGenerator<Buffer> {
      yield* inChunks(gzipSync(DATA).subarray(0, 200_000), 1000);
      throw new RangeError('line cut');
    };
    const { data } = await decompress(source());
    await expect(collect(data)).rejects.toThrow('line cut');
  });
});

describe('what is too short for any magic', () => {
  it.each([0, 1, 2, 5])('%i bytes are passed on', async (length) => {
    const data = Buffer.from([0x1f, 0x8b, 0x07, 0, 0].slice(0, length));
    expect(await unpack(data)).toEqual({ kind: 'none', data });
  });
});

describe('compressing', () => {
  const MIB = 1 << 20;
  it.each([0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB, 7 * MIB + 77])(
    'gives gzip back what it was: %i bytes',
    async (size) => {
      const data = Buffer.alloc(size, randomBytes(50_000));
      const packed = await collect(compressGzip(inChunks(data, 70_000)));
      expect(gunzipSync(packed).equals(data)).toBe(true);
      expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1 << 26 }).equals(data)).toBe(true);
      expect((await unpack(packed)).data.equals(data)).toBe(true);
    },
  );

  it('depends on content and level only', async () => {
    const data = Buffer.concat([DATA, DATA, DATA]);
    const one = await collect(compressGzip(inChunks(data, 1 << 20)));
    expect(await collect(compressGzip(inChunks(data, 999)))).toEqual(one);
    const fast = await collect(compressGzip(inChunks(data), { level: 1 }));
    expect(fast).not.toEqual(one);
    expect(gunzipSync(fast).equals(data)).toBe(true);
  });

  it('finds what a block has in common with the block before', async () => {
    const noise = randomBytes(30_000);
    const data = Buffer.concat([Buffer.alloc(MIB - 30_000), noise, noise]);
    const packed = await collect(compressGzip(inChunks(data)));
    expect(packed.length).toBeLessThan(45_000);
  });

  it('is one member and says nothing of this host', async () => {
    const packed = await collect(compressGzip(inChunks(DATA)));
    expect(packed.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff');
    expect(packed.readUInt32LE(packed.length - 4)).toBe(DATA.length);
  });

  it('throws what the input throws, and stops when the consumer does', async () => {
    let produced = 0;
    const source = async function* (): AsyncGenerator<Buffer> {
      for (; produced < 100; produced++) yield await Promise.resolve(randomBytes(MIB));
      throw new RangeError('broke');
    };
    for await (const chunk of compressGzip(source())) if (chunk.length > 100) break;
    expect(produced).toBeLessThan(20);
    await expect(collect(compressGzip(source()))).rejects.toThrow('broke');
  });

  it('gives back any bytes in any chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 500 })),
        fc.integer({ min: 1, max: 9 }),
        async (parts, level) => {
          const input = async function* (): AsyncGenerator<Uint8Array> {
            for (const part of parts) yield await Promise.resolve(part);
          };
          expect(gunzipSync(await collect(compressGzip(input(), { level })))).toEqual(Buffer.concat(parts));
        },
      ),
      { numRuns: 50 },
    );
  });
});
