/** Layers that are small until somebody unpacks them: each is refused by the limit made for it, while it goes off. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import { applyLayer } from '../../src/layer/apply-layer.ts';
import { decompress } from '../../src/layer/decompress.ts';
import { verifyImage } from '../../src/layer/verify-image.ts';
import type { LimitName } from '../../src/oci/limits.ts';
import { limited } from '../support/limits.ts';
import { openScratch } from '../support/scratch.ts';
import { ImageFixture } from './image-fixtures.ts';
import { extension, fileEntry, inChunks, paxRecords, rawHeader, tarOf } from './tar-fixtures.ts';

const MIB = 1 << 20;
const END = Buffer.alloc(1024);
const zeros = (): Buffer => tarOf([{ path: 'zeros', content: Buffer.alloc(8 * MIB) }]);
const zstd = (input: Buffer): Buffer => execFileSync('zstd', ['-cq'], { input, maxBuffer: 16 * MIB });
const small = { 'expansion-free': MIB };

interface Bomb {
  readonly name: string;
  readonly limit: LimitName;
  readonly limits: Partial<Record<LimitName, number>>;
  readonly bytes: () => Buffer;
}

const BOMBS: readonly Bomb[] = [
  { name: 'gzip', limit: 'expansion-ratio', limits: small, bytes: () => gzipSync(zeros()) },
  { name: 'zstd', limit: 'expansion-ratio', limits: small, bytes: () => zstd(zeros()) },
  {
    name: 'sparse file',
    limit: 'layer-bytes',
    limits: {},
    bytes: () =>
      Buffer.concat([
        extension(
          'x',
          paxRecords([
            ['GNU.sparse.size', String(2 ** 50)],
            ['GNU.sparse.map', ''],
          ]),
        ),
        rawHeader('hole', '0'),
        END,
      ]),
  },
  {
    name: 'many entries',
    limit: 'layer-entries',
    limits: { 'layer-entries': 1000 },
    bytes: () => tarOf(Array.from({ length: 1001 }, (_, n) => fileEntry(String(n)))),
  },
  {
    name: 'deep directories',
    limit: 'path-depth',
    limits: {},
    bytes: () => tarOf([fileEntry(`${'d/'.repeat(512)}f`)]),
  },
  {
    name: 'long path',
    limit: 'path-bytes',
    limits: {},
    bytes: () => tarOf([fileEntry(`${'long-name/'.repeat(410)}f`)]),
  },
  {
    name: 'long PAX record',
    limit: 'header-bytes',
    limits: {},
    bytes: () =>
      Buffer.concat([extension('x', `${MIB + 9} a=${'x'.repeat(MIB)}\n`), rawHeader('f', '0'), END]),
  },
  {
    name: 'flood of attributes',
    limit: 'xattr-bytes',
    limits: { 'xattr-bytes': 1000 },
    bytes: () =>
      tarOf([
        fileEntry('f', '', {
          xattrs: new Map(Array.from({ length: 20 }, (_, n) => [`user.${String(n)}`, Buffer.alloc(60)])),
        }),
      ]),
  },
];

async function unpack(bytes: Buffer): Promise<readonly string[]> {
  await using scratch = await openScratch('bomb');
  mkdirSync(scratch.path('fs'));
  const { data } = await decompress(inChunks(bytes, 4096));
  const overlay = process.getuid?.() === 0 ? 'trusted' : 'user';
  await applyLayer(data, scratch.path('fs'), { lowers: [], overlay });
  return readdirSync(scratch.path('fs'));
}

const refusal = async (work: Promise<unknown>): Promise<ArchBuildError> =>
  work.then(
    () => expect.unreachable('it was taken'),
    (error: unknown) => {
      if (error instanceof ArchBuildError) return error;
      throw error;
    },
  );

describe.each(BOMBS)('$name', ({ limit, limits, bytes }) => {
  it('is refused when it is unpacked, and the error says how to allow it', async () => {
    using _limits = limited(limits);
    const { code, hint } = await refusal(unpack(bytes()));
    expect([code, hint]).toEqual(['LAYER_INVALID', expect.stringContaining(`--limit ${limit}=N`)]);
  });

  it('is found by verify', async () => {
    using _limits = limited(limits);
    const stored = bytes();
    const image = new ImageFixture({ layers: [{ tar: stored, stored }] });
    const findings = await verifyImage(image, image.root);
    expect(findings.find(({ code }) => code === 'layer-tar')?.message).toContain(`--limit ${limit}=N`);
  });
});

it('the limits are those of bombs: the same below them is taken', async () => {
  using _limits = limited({ 'expansion-free': 16 * MIB, 'layer-entries': 1000 });
  expect(await unpack(gzipSync(zeros()))).toEqual(['zeros']);
  expect(await unpack(tarOf([fileEntry(`${'d/'.repeat(511)}f`)]))).toEqual(['d']);
  expect(await unpack(tarOf(Array.from({ length: 1000 }, (_, n) => fileEntry(String(n)))))).toHaveLength(
    1000,
  );
});
