/** One name of a merged tree: the file that wins at a path, and what `lstat` says about it. */
import { lstatSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { FileStatus } from '../sys/directory-status.ts';
import { ROOT, type BytePath } from './byte-path.ts';

export type NodeType = 'file' | 'directory' | 'symlink' | 'fifo' | 'char' | 'block' | 'socket';

export type NodeStat = FileStatus;

export interface TreeNode {
  readonly path: BytePath;
  /** Host path of the file itself, as bytes; empty for the root of a tree without layers. */
  readonly host: Buffer;
  readonly stat: NodeStat;
  readonly type: NodeType;
  /** Seen by its path in a directory that others may change: whoever opens it has to check where it really is. */
  readonly isLive?: boolean;
}

const TYPES: ReadonlyMap<bigint, NodeType> = new Map([
  [0o100000n, 'file'],
  [0o040000n, 'directory'],
  [0o120000n, 'symlink'],
  [0o010000n, 'fifo'],
  [0o020000n, 'char'],
  [0o060000n, 'block'],
  [0o140000n, 'socket'],
]);

export function nodeType(mode: bigint): NodeType {
  return TYPES.get(mode & 0o170000n) ?? 'file';
}

/** Permission bits, setuid, setgid and sticky. */
export const permissionsOf = (stat: Pick<NodeStat, 'mode'>): number => Number(stat.mode & 0o7777n);

/** A root that no layer has: 0755, root's, as old as time. */
export const EMPTY_ROOT: TreeNode = {
  path: ROOT,
  host: Buffer.alloc(0),
  type: 'directory',
  stat: {
    mode: 0o040755n,
    uid: 0n,
    gid: 0n,
    size: 0n,
    nlink: 2n,
    ino: 0n,
    dev: 0n,
    rdev: 0n,
    mtimeNs: 0n,
    ctimeNs: 0n,
  },
};

/** Undefined when nothing is there. Throws IO when the host refuses to say. */
export function statPath(host: Buffer): NodeStat | undefined {
  try {
    return lstatSync(host, { bigint: true, throwIfNoEntry: false });
  } catch (cause) {
    throw hostError('look at', host, cause);
  }
}

/** What the host refused, as an IO error. */
export function hostError(doing: string, host: Buffer, cause: unknown): ArchBuildError {
  const reason = systemErrorCode(cause) ?? String(cause);
  return new ArchBuildError('IO', `cannot ${doing} ${host.toString('utf8')}: ${reason}`, { cause });
}
