/** Nothing of an image can be changed without being found: every blob in every way, and any one byte. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyImage } from '../../src/layer/verify-image.ts';
import { hasErrors } from '../../src/oci/verify.ts';
import { ImageFixture } from './image-fixtures.ts';

const digests = [...new ImageFixture().blobs.keys()];

const DAMAGE: readonly (readonly [name: string, change: (bytes: Buffer, others: Buffer) => Buffer])[] = [
  [
    'with a flipped bit',
    (bytes) => Buffer.from(bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte))),
  ],
  ['one byte shorter', (bytes) => bytes.subarray(0, -1)],
  ['emptied', () => Buffer.alloc(0)],
  ['one byte longer', (bytes) => Buffer.concat([bytes, Buffer.from([0])])],
  ['twice as long', (bytes) => Buffer.concat([bytes, bytes])],
  ['replaced by another blob', (_bytes, other) => other],
];

describe.each(DAMAGE)('each blob %s', (_name, change) => {
  it.each(digests)('%s', async (digest) => {
    const image = new ImageFixture();
    const other = image.blobs.get(digests[(digests.indexOf(digest) + 1) % digests.length]!)!;
    image.blobs.set(digest, change(image.blobs.get(digest)!, other));
    expect(hasErrors(await verifyImage(image, image.root))).toBe(true);
  });
});

it.each(digests)('each blob removed: %s', async (digest) => {
  const image = new ImageFixture();
  image.blobs.delete(digest);
  expect(hasErrors(await verifyImage(image, image.root))).toBe(true);
});

it('any one byte of any blob', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...digests),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 255 }),
      async (digest, where, bits) => {
        const image = new ImageFixture();
        const bytes = Buffer.from(image.blobs.get(digest)!);
        const at = Math.floor(where * bytes.length);
        bytes[at]! ^= bits;
        image.blobs.set(digest, bytes);
        const findings = await verifyImage(image, image.root);
        // and in the right place: nothing else is blamed
        expect(findings.length).toBeGreaterThan(0);
        expect(new Set(findings.map((finding) => finding.digest))).toEqual(new Set([digest]));
      },
    ),
    { numRuns: 400 },
  );
});
