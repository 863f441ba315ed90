import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAge, formatTable, shortDigest } from '../../src/cli/table.ts';

describe('a table', () => {
  it('aligns its columns and leaves no blanks at the end of a line', () => {
    expect(
      formatTable(
        ['A', 'NAME', 'Z'],
        [
          ['long cell', 'x', ''],
          ['', 'yy', 'end'],
        ],
      ),
    ).toBe('A          NAME  Z\nlong cell  x\n           yy    end\n');
  });

  it('has its header alone without rows', () => {
    expect(formatTable(['A', 'B'], [])).toBe('A  B\n');
  });

  it('has one line for each row, and every cell where its column begins', () => {
    const cell = fc.stringMatching(/^[a-z]{0,9}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 }), (rows) => {
        const lines = formatTable(['ONE', 'TWO', 'THREE'], rows).split('\n');
        expect(lines).toHaveLength(rows.length + 2);
        const second = lines[0]!.indexOf('TWO');
        for (const [index, [, two]] of rows.entries())
          expect(lines[index + 1]!.slice(second).startsWith(two)).toBe(true);
      }),
    );
  });
});

describe('an age', () => {
  const now = Date.parse('2024-06-01T00:00:00Z');
  it.each([
    ['2024-06-01T00:00:00Z', '0 seconds ago'],
    ['2024-05-31T23:59:59Z', '1 second ago'],
    ['2024-05-31T23:58:59Z', '1 minute ago'],
    ['2024-05-31T22:00:00Z', '2 hours ago'],
    ['2024-05-29T00:00:00Z', '3 days ago'],
    ['2024-04-01T00:00:00Z', '2 months ago'],
    ['2021-05-01T00:00:00Z', '3 years ago'],
    ['2030-01-01T00:00:00Z', '0 seconds ago'],
    ['1970-01-01T00:00:00Z', '54 years ago'],
    [undefined, '-'],
  ])('of %s is %s', (created, text) => {
    expect(formatAge(created, now)).toBe(text);
  });
});

it('a short digest has twelve digits', () => {
  expect(shortDigest(`sha256:${'0123456789ab'.padEnd(64, 'c')}`)).toBe('0123456789ab');
});
