/** The kernel's mount table, as text and as it is now. */
import { expect, it } from 'vitest';
import { mountsEverywhere, mountTable, parseMountTable } from '../../src/sys/mount-table.ts';

it('has a directory and a file system for each line, with escapes undone', () => {
  const text = [
    '93 88 0:45 / /tmp/with\\040space ro,nosuid shared:3 master:1 - overlay arch-build-1 ro,lowerdir=l/0',
    '94 88 0:46 /sub /proc rw - proc proc rw',
    'nonsense',
    '',
  ].join('\n');
  expect(parseMountTable(text)).toEqual([
    {
      directory: '/tmp/with space',
      root: '/',
      type: 'overlay',
      source: 'arch-build-1',
      options: ['ro', 'lowerdir=l/0'],
    },
    { directory: '/proc', root: '/sub', type: 'proc', source: 'proc', options: ['rw'] },
  ]);
});

it('is read of this process and of all others', () => {
  expect(mountTable().map(({ directory }) => directory)).toContain('/proc');
  expect(mountsEverywhere().length).toBeGreaterThanOrEqual(mountTable().length);
});
