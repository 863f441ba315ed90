import { describe, expect, it } from 'vitest';
import {
  algorithmOf,
  chainIdOf,
  chainIdsOf,
  diffIdOfDigest,
  digestOf,
  digestOfDiffId,
  encodedOf,
  parseDigest,
} from '../../src/oci/digest.ts';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('parseDigest', () => {
  it.each([`sha256:${EMPTY}`, `sha512:${'0'.repeat(128)}`])('takes %s', (text) => {
    const digest = parseDigest(text);
    expect(`${algorithmOf(digest)}:${encodedOf(digest)}`).toBe(text);
  });

  it.each([
    '',
    ':',
    EMPTY,
    `sha256:${EMPTY.slice(1)}`,
    `sha256:${EMPTY}0`,
    `sha256:${EMPTY.toUpperCase()}`,
    `SHA256:${EMPTY}`,
    `sha256:${EMPTY}:`,
    `sha512:${EMPTY}`,
    `md5:${'0'.repeat(32)}`,
    `constructor:${'0'.repeat(1)}`,
    `__proto__:${EMPTY}`,
    `sha256:${EMPTY}\n`,
    `sha256:${'/..'.repeat(21)}a`,
    'sha256:'.repeat(1 << 18),
  ])('refuses %j', (text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }));
  });
});

describe('digests and chainIDs', () => {
  it('hashes bytes and text alike, with sha256 unless told otherwise', () => {
    expect(digestOf('')).toBe(`sha256:${EMPTY}`);
    expect(digestOf(Buffer.from('ü'))).toBe(digestOf('ü'));
    expect(digestOf('', 'sha512')).toMatch(/^sha512:cf83e1357eefb8bd/);
  });

  it('chains diffIDs as the spec says', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => diffIdOfDigest(digestOf(text)));
    const ab = digestOf(`${a!} ${b!}`);
    expect(chainIdsOf([a!, b!, c!])).toEqual([a, ab, digestOf(`${ab} ${c!}`)]);
    expect(chainIdsOf([])).toEqual([]);
    expect(chainIdOf(undefined, a!)).toBe(digestOfDiffId(a!));
  });
});
