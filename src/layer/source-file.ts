/**
 * Opening a file that was seen before and must still be the same one: what a cache key says of a file has to be what
 * is copied, and a name that became a symlink meanwhile must lead nowhere.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { changed, isOpenAt } from './live-directory.ts';
import type { NodeStat, TreeNode } from './tree-node.ts';

export type SourceFile = Pick<TreeNode, 'host' | 'stat' | 'isLive'>;

/**
 * Runs `read` on the open file, then looks whether it still is what was seen: throws CONTEXT when not. `read` must
 * not take more than the size that was seen, as it may have been given a device.
 */
export function withSourceFile<T>(source: SourceFile, read: (fd: number) => T): T {
  const fd = open(source.host);
  try {
    const result = read(fd);
    requireSame(source, fd);
    return result;
  } finally {
    closeSync(fd);
  }
}

/** A descriptor for reading, the caller's to close. Throws CONTEXT unless it is exactly the file that was seen. */
export function openSource(source: SourceFile): number {
  const fd = open(source.host);
  try {
    requireSame(source, fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Throws CONTEXT unless the open file is exactly what was seen; to be asked again after reading. */
export function requireSame({ host, stat, isLive = false }: SourceFile, fd: number): void {
  if (!isSameFile(fstatSync(fd, { bigint: true }), stat) || (isLive && !isOpenAt(fd, host)))
    throw changed(host);
}

/** A fifo that took the place of the file must not keep us waiting. */
function open(host: Buffer): number {
  try {
    return openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new ArchBuildError('CONTEXT', `cannot read ${host.toString('utf8')}: ${reason}`, { cause });
  }
}

/** Any write, replacement or change of attributes since then shows. */
function isSameFile(a: NodeStat, b: NodeStat): boolean {
  return (
    a.ctimeNs === b.ctimeNs &&
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.mode === b.mode
  );
}
