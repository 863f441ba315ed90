import { lstatSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeDevice,
  encodeDevice,
  makeNode,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  setTimes,
} from '../../src/sys/special-file.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';

describe('a device number', () => {
  it.each([
    [0, 0, 0n],
    [1, 3, 0x103n],
    [8, 0, 0x800n],
    [259, 65_536, 0x1001_0300n],
    [4095, 1_048_575, 0xffff_ffffn],
  ])('of %d:%d is %d', (major, minor, device) => {
    expect(encodeDevice({ major, minor })).toBe(device);
  });

  it('is decoded to what it was', () => {
    const part = fc.nat(0xffff_ffff);
    fc.assert(
      fc.property(part, part, (major, minor) => {
        expect(decodeDevice(encodeDevice({ major, minor }))).toEqual({ major, minor });
      }),
    );
  });

  it('is the one the kernel gives', () => {
    const { rdev } = statSync('/dev/null', { bigint: true });
    expect(decodeDevice(rdev)).toEqual({ major: 1, minor: 3 });
    expect(encodeDevice({ major: 1, minor: 3 })).toBe(rdev);
  });
});

describeWithRoot('a special file', () => {
  const umask = Number.parseInt(
    /^Umask:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '',
    8,
  );
  it.each([
    {
      what: 'a character device',
      mode: S_IFCHR | 0o620,
      device: { major: 1, minor: 3 },
      is: 'isCharacterDevice',
    },
    {
      what: 'a block device',
      mode: S_IFBLK | 0o600,
      device: { major: 259, minor: 70_000 },
      is: 'isBlockDevice',
    },
    { what: 'a whiteout', mode: S_IFCHR, device: { major: 0, minor: 0 }, is: 'isCharacterDevice' },
    { what: 'a FIFO', mode: S_IFIFO | 0o644, device: undefined, is: 'isFIFO' },
  ] as const)('can be $what', async ({ mode, device, is }) => {
    await using scratch = await openScratch('special');
    const path = scratch.path('node');
    makeNode(path, mode, device);
    const stat = lstatSync(path, { bigint: true });
    expect(stat[is]()).toBe(true);
    expect(Number(stat.mode & 0o777n)).toBe(mode & 0o777 & ~umask);
    if (device !== undefined) expect(decodeDevice(stat.rdev)).toEqual(device);
  });

  it('is not made over another', async () => {
    await using scratch = await openScratch('special');
    const path = await scratch.write('file', '');
    expect(() => makeNode(path, S_IFIFO)).toThrow(
      expect.objectContaining({ code: 'EEXIST', syscall: 'mknod' }) as Error,
    );
  });

  it.each([0n, 1n, 1_700_000_000_123_456_789n, -1n, -1_500_000_000n, 2_147_483_648_000_000_001n])(
    'has a time to the nanosecond, before 1970 too: %d',
    async (time) => {
      await using scratch = await openScratch('special');
      const path = await scratch.write('file', '');
      setTimes(path, time);
      const stat = lstatSync(path, { bigint: true });
      expect([stat.mtimeNs, stat.atimeNs]).toEqual([time, time]);
    },
  );

  it('that is a symlink gets the time itself', async () => {
    await using scratch = await openScratch('special');
    const path = await scratch.write('file', '');
    const before = lstatSync(path, { bigint: true }).mtimeNs;
    symlinkSync('file', scratch.path('link'));
    setTimes(scratch.path('link'), 5n);
    expect(lstatSync(scratch.path('link'), { bigint: true }).mtimeNs).toBe(5n);
    expect(lstatSync(path, { bigint: true }).mtimeNs).toBe(before);
  });
});
