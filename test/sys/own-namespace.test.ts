/** What of /etc/subuid is ours, and the words newuidmap gets. */
import { describe, expect, it } from 'vitest';
import { mapWords, subordinateRanges } from '../../src/sys/own-namespace.ts';

const USER = { name: 'ann', id: 1000 };

describe('subordinate ids', () => {
  it.each([
    ['by name', 'bob:1:2\nann:100000:65536\n', [{ start: 100000, count: 65536 }]],
    ['by number', '1000:100000:65536\n', [{ start: 100000, count: 65536 }]],
    [
      'in several ranges',
      'ann:100000:10\nann:300000:5',
      [
        { start: 100000, count: 10 },
        { start: 300000, count: 5 },
      ],
    ],
    ['not of somebody with a longer name', 'anna:100000:65536\n', []],
    ['not from lines that make no sense', 'ann\nann:x:1\nann:1:\nann:1:0\nann:-1:5\n# ann:1:2\n', []],
    ['from a file that is not there', '', []],
  ])('%s', (_name, text, expected) => {
    expect(subordinateRanges(text, USER)).toEqual(expected);
  });

  it('follow the own id, which is root', () => {
    expect(mapWords(1000, [])).toBe('0 1000 1');
    const ranges = [
      { start: 100000, count: 10 },
      { start: 300000, count: 5 },
    ];
    expect(mapWords(1000, ranges)).toBe('0 1000 1 1 100000 10 11 300000 5');
  });
});
