import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutputTail } from '../../src/build/output-tail.ts';

const LIMIT = 16_384;

function tailOf(chunks: readonly string[]): string {
  const tail = new OutputTail();
  for (const chunk of chunks) tail.push(Buffer.from(chunk));
  return tail.text();
}

describe('the tail of an output', () => {
  it.each([
    ['nothing', [], ''],
    ['little', ['a', '', 'b'], 'ab'],
    ['exactly the limit', ['x'.repeat(LIMIT)], 'x'.repeat(LIMIT)],
    ['one long chunk', [`a${'x'.repeat(LIMIT)}`], 'x'.repeat(LIMIT)],
    ['a long chunk, then a word', ['x'.repeat(LIMIT), 'end'], `${'x'.repeat(LIMIT - 3)}end`],
  ])('of %s', (_name, chunks, expected) => {
    expect(tailOf(chunks)).toBe(expected);
  });

  it('is the end of what was pushed, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 12 }), (lengths) => {
        const chunks = lengths.map((length, index) => String(index % 10).repeat(length));
        expect(tailOf(chunks)).toBe(chunks.join('').slice(-LIMIT));
      }),
      { numRuns: 50 },
    );
  });

  it('does not grow with the output', () => {
    const tail = new OutputTail();
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 4096; index += 1) tail.push(Buffer.alloc(65_536, 0x61));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 << 20);
    expect(tail.text()).toHaveLength(LIMIT);
  });
});
