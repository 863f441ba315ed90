/** What a command is told whose control group has held it back. */
import { expect, it } from 'vitest';
import { limitsReached } from '../../src/build/run-failure.ts';

it.each([
  [
    { killed: 1, refused: 0 },
    { memoryBytes: 2 ** 26 },
    'its memory of 64 MiB was used up, and the kernel killed a process',
  ],
  [
    { killed: 3, refused: 9 },
    { memoryBytes: 1500 },
    'its memory of 2 KiB was used up, and the kernel killed 3 processes',
  ],
  [{ killed: 1, refused: 0 }, {}, 'its memory was used up, and the kernel killed a process'],
  [{ killed: 0, refused: 1 }, { pids: 5 }, 'it reached its limit of 5 processes, and one more was refused'],
  [{ killed: 0, refused: 2 }, {}, 'it reached its limit of processes, and 2 more were refused'],
])('%o of %o', (events, limits, what) => {
  expect(limitsReached(events, limits)?.what).toBe(what);
});

it('is nothing where nothing was held back', () => {
  expect(limitsReached({ killed: 0, refused: 0 }, { pids: 5, memoryBytes: 1 })).toBeUndefined();
});
