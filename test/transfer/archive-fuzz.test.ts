/** Whatever is done to an archive: it opens and gives the promised bytes, or it is an error of ours. */
import { execFile } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { dockerArchive } from '../../src/transfer/docker-archive.ts';
import { openImageArchive } from '../../src/transfer/image-archive.ts';
import { ociArchive } from '../../src/transfer/oci-archive.ts';
import { addImage, collect, MemoryContent, sha256 } from './memory-content.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fuzz-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const content = new MemoryContent();
const root = addImage(content, 'linux/arm64');
const images = [{ references: ['docker.io/library/app:v1'], root }];
const oci = await collect(ociArchive(content, images, { preferredPlatform: parsePlatform('linux/arm64') }));
const docker = await collect(dockerArchive(content, images));

/** What an archive gives: all bytes verified, or the error. */
async function outcome(bytes: Uint8Array): Promise<'whole' | 'refused'> {
  const path = join(directory, 'archive');
  writeFileSync(path, bytes);
  try {
    await using archive = await openImageArchive(path, directory);
    for (const image of archive.images) {
      const sink = new MemoryContent();
      await copyGraph(image.root, { from: archive, to: sink }, { select: archive.selectPresent });
      for (const [digest, blob] of sink.blobs) expect(sha256(blob)).toBe(digest);
    }
    return 'whole';
  } catch (error) {
    if (error instanceof ArchBuildError && error.code !== 'IO') return 'refused';
    throw error;
  }
}

describe.each([
  ['OCI', oci],
  ['docker', docker],
  ['gzip', gzipSync(oci)],
])('an archive (%s)', (_name, bytes) => {
  it('is whole as it is', async () => {
    expect(await outcome(bytes)).toBe('whole');
  });

  it('with bytes changed is whole or refused', async () => {
    const change = fc.record({ at: fc.nat(bytes.length - 1), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const changed = Buffer.from(bytes);
        for (const { at, byte } of changes) changed[at] = byte;
        await outcome(changed);
      }),
      { numRuns: 300 },
    );
  });

  it('cut anywhere before its last blob is refused', async () => {
    const lengths = fc.nat(Math.floor(bytes.length * 0.5));
    await fc.assert(
      fc.asyncProperty(lengths, async (length) => {
        expect(await outcome(bytes.subarray(0, length))).toBe('refused');
      }),
      { numRuns: 100 },
    );
  });

  it('with 512-byte blocks moved around is whole or refused', async () => {
    const block = fc.nat(Math.floor(bytes.length / 512) - 1);
    await fc.assert(
      fc.asyncProperty(block, block, async (one, other) => {
        const changed = Buffer.from(bytes);
        bytes.copy(changed, one * 512, other * 512, (other + 1) * 512);
        await outcome(changed);
      }),
      { numRuns: 200 },
    );
  });
});

const openFiles = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(join('/proc/self/fd', fd))];
    } catch {
      return []; // that of this listing
    }
  });

describe('a compressed archive', () => {
  it('that is a bomb is given up, and its pieces are gone', { timeout: 60_000 }, async () => {
    const path = join(directory, 'bomb.gz');
    const zeros = Buffer.alloc(8 << 20);
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < 160; i++) yield zeros;
      })(),
    );
    await pipeline(source, createGzip({ level: 1 }), createWriteStream(path));
    const before = readdirSync(directory);
    await expect(openImageArchive(path, directory)).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringContaining('unpacks to more') as string,
      hint: expect.stringContaining('--limit expansion-ratio=N') as string,
    });
    expect(readdirSync(directory)).toEqual(before);
  });

  it('that has something else in it is refused, and nothing stays open', async () => {
    expect(await outcome(gzipSync(Buffer.alloc(1024, 'x')))).toBe('refused');
    expect(openFiles().filter((path) => path.startsWith(directory))).toEqual([]);
  });

  it('is unpacked once, not again and again', async () => {
    expect(await outcome(gzipSync(gzipSync(oci)))).toBe('refused');
  });
});

it.each([
  ['plain', oci],
  ['compressed', gzipSync(oci)],
])('an archive that comes through a pipe (%s) is read', async (name, bytes) => {
  const pipe = join(directory, `pipe-${name}`);
  await new Promise((resolve) => execFile('mkfifo', [pipe], resolve));
  writeFileSync(join(directory, 'archive'), bytes);
  const writing = pipeline(createReadStream(join(directory, 'archive')), createWriteStream(pipe));
  await using archive = await openImageArchive(pipe, directory);
  await writing;
  expect(archive.images).toEqual(images);
});
