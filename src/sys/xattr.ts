/** Extended attributes of a path itself (never through a symlink). Values are binary. */
import { cPath, libc, systemError } from './libc.ts';
import { systemErrorCode } from '../errors.ts';

const ABSENT = new Set(['ENODATA', 'ENOTSUP', 'EOPNOTSUPP']);

const list = new Uint8Array(65536);
const value = new Uint8Array(65536);

/** Names in the order the kernel gives them; empty where the file system has no xattrs. */
export function listXattrs(path: string | Uint8Array): string[] {
  const size = libc().llistxattr(cPath(path), list, list.length);
  if (size < 0) {
    const error = systemError('llistxattr', path);
    if (ABSENT.has(systemErrorCode(error) ?? '')) return [];
    throw error;
  }
  if (size === 0) return [];
  return Buffer.from(list.subarray(0, size - 1))
    .toString('utf8')
    .split('\0');
}

/** The value (a copy), or undefined when the attribute is absent. */
export function readXattr(path: string | Uint8Array, name: string): Buffer | undefined {
  const size = libc().lgetxattr(cPath(path), name, value, value.length);
  if (size >= 0) return Buffer.from(value.subarray(0, size));
  const error = systemError('lgetxattr', path);
  if (ABSENT.has(systemErrorCode(error) ?? '')) return undefined;
  throw error;
}

export function writeXattr(path: string | Uint8Array, name: string, data: Uint8Array): void {
  if (libc().lsetxattr(cPath(path), name, data, data.length, 0) < 0) throw systemError('lsetxattr', path);
}

/** Removing an absent attribute is no error. */
export function removeXattr(path: string | Uint8Array, name: string): void {
  if (libc().lremovexattr(cPath(path), name) >= 0) return;
  const error = systemError('lremovexattr', path);
  if (!ABSENT.has(systemErrorCode(error) ?? '')) throw error;
}
