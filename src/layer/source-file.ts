/**
 * Opening a file that was seen before and must still be the same one: what a cache key says of a file has to be what
 * is copied, and a name that became a symlink meanwhile must lead nowhere.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { statPath, type NodeStat, type TreeNode } from './tree-node.ts';

export type SourceFile = Pick<TreeNode, 'host' | 'stat' | 'isLive'>;

/** Runs `read` on the open regular file. Throws CONTEXT when the file changes before or while `read` runs. */
export function withSourceFile<T>(source: SourceFile, read: (fd: number) => T): T {
  const fd = openSource(source.host);
  try {
    requireSame(source, fd);
    const result = read(fd);
    if (!isSameFile(fstatSync(fd, { bigint: true }), source.stat)) throw changed(source.host);
    return result;
  } finally {
    closeSync(fd);
  }
}

function openSource(host: Buffer): number {
  try {
    return openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new ArchBuildError('CONTEXT', `cannot read ${host.toString('utf8')}: ${reason}`, { cause });
  }
}

/** Throws CONTEXT unless the open file is exactly the one that was seen. */
export function requireSame({ host, stat, isLive = false }: SourceFile, fd: number): void {
  if (!isSameFile(fstatSync(fd, { bigint: true }), stat)) throw changed(host);
  if (isLive && !isOpenAt(fd, host)) throw changed(host);
}

/** A directory above may have become a symlink: the kernel says where the file really is. */
const isOpenAt = (fd: number, host: Buffer): boolean =>
  readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).equals(host);

/** The same by name, for who opens it elsewhere. */
export function requireUnchanged({ host, stat }: SourceFile): void {
  const now = statPath(host);
  if (now === undefined || !isSameFile(now, stat)) throw changed(host);
}

function changed(host: Buffer): ArchBuildError {
  return new ArchBuildError('CONTEXT', `${host.toString('utf8')} changed while it was read`, {
    hint: 'stop what writes to it, or exclude it in .dockerignore, and build again',
  });
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
