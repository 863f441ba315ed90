/** Making what Node cannot: device nodes, FIFOs, overlay whiteouts, and exact times. */
import { cPath, libc, systemError } from './libc.ts';

export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

export interface Device {
  readonly major: number;
  readonly minor: number;
}

/** Linux's 64-bit dev_t (glibc `gnu_dev_makedev`). */
export function encodeDevice({ major, minor }: Device): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | ((high & 0xfffff000n) << 32n)
  );
}

/** The inverse, for `stat.rdev`. */
export function decodeDevice(device: number | bigint): Device {
  const bits = BigInt(device);
  return {
    major: Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n)),
    minor: Number((bits & 0xffn) | ((bits >> 12n) & 0xffffff00n)),
  };
}

/** `mode` carries the type (S_IFCHR, S_IFBLK, S_IFIFO) and the permission bits, which the umask narrows. */
export function makeNode(
  path: string | Uint8Array,
  mode: number,
  device: Device = { major: 0, minor: 0 },
): void {
  if (libc().mknod(cPath(path), mode, encodeDevice(device)) < 0) throw systemError('mknod', path);
}

/** Sets both times of the path itself, symlinks included, to the nanosecond. */
export function setTimes(path: string | Uint8Array, mtimeNs: bigint): void {
  const seconds = mtimeNs >= 0n ? mtimeNs / 1_000_000_000n : (mtimeNs - 999_999_999n) / 1_000_000_000n;
  const nanoseconds = mtimeNs - seconds * 1_000_000_000n;
  const times = new BigInt64Array([seconds, nanoseconds, seconds, nanoseconds]);
  if (libc().utimensat(AT_FDCWD, cPath(path), times, AT_SYMLINK_NOFOLLOW) < 0)
    throw systemError('utimensat', path);
}
