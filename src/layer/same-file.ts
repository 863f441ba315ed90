/** Is a file that overlayfs copied up still what it was below? */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { listXattrs, readXattr } from '../sys/xattr.ts';
import { readLink } from './merged-tree.ts';
import { permissionsOf, type TreeNode } from './tree-node.ts';
import { isSnapshotXattr } from './whiteout.ts';

/** Mode, owner and the xattrs that enter a layer. A directory's time is not part of it. */
export function isSameAttributes(a: TreeNode, b: TreeNode): boolean {
  return (
    permissionsOf(a.stat) === permissionsOf(b.stat) &&
    a.stat.uid === b.stat.uid &&
    a.stat.gid === b.stat.gid &&
    hasSameXattrs(a.host, b.host)
  );
}

/**
 * Two non-directories of the same type: attributes, time and content. The content is compared even when size and
 * time agree, because both can be set: `sed -i` and `touch -r` would otherwise be lost.
 */
export function isSameFileAs(a: TreeNode, b: TreeNode): boolean {
  if (a.stat.mtimeNs !== b.stat.mtimeNs || a.stat.size !== b.stat.size || a.stat.rdev !== b.stat.rdev)
    return false;
  if (!isSameAttributes(a, b)) return false;
  if (a.type === 'symlink') return readLink(a) === readLink(b);
  return a.type !== 'file' || hasSameContent(a.host, b.host);
}

function hasSameXattrs(a: Buffer, b: Buffer): boolean {
  const [first, second] = [snapshotXattrs(a), snapshotXattrs(b)];
  if (first.length !== second.length) return false;
  return first.every((name, index) => {
    if (name !== second[index]) return false;
    return (readXattr(a, name) ?? Buffer.alloc(0)).equals(readXattr(b, name) ?? Buffer.alloc(0));
  });
}

const snapshotXattrs = (host: Buffer): string[] =>
  host.length === 0 ? [] : listXattrs(host).filter(isSnapshotXattr).sort();

const CHUNK = 256 << 10;
const firstChunk = Buffer.allocUnsafe(CHUNK);
const secondChunk = Buffer.allocUnsafe(CHUNK);

function hasSameContent(a: Buffer, b: Buffer): boolean {
  const first = openSync(a, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const second = openSync(b, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return haveSameContent(first, second);
    } finally {
      closeSync(second);
    }
  } finally {
    closeSync(first);
  }
}

function haveSameContent(first: number, second: number): boolean {
  for (;;) {
    const length = fill(first, firstChunk);
    if (fill(second, secondChunk) !== length) return false;
    if (!firstChunk.subarray(0, length).equals(secondChunk.subarray(0, length))) return false;
    if (length < CHUNK) return true;
  }
}

function fill(fd: number, chunk: Buffer): number {
  let length = 0;
  while (length < chunk.length) {
    const count = readSync(fd, chunk, length, chunk.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return length;
}
