import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../src/layer/decompress.ts';
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
    let tell = (): void => undefined;
    const ended = new Promise<string>((resolve) => (tell = () => resolve('ended')));
    const source = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* inChunks(gzipSync(randomBytes(1 << 20)), 1000);
      } finally {
        tell();
      }
    };
    for await (const _chunk of (await decompress(source())).data) break;
    expect(await ended).toBe('ended');
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
