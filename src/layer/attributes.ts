/**
 * Mode, owner, xattrs and time of a file that was just made. The order is part of the job: a change of owner clears
 * setuid bits and capabilities, and everything moves the times.
 */
import { chmodSync, lchownSync, lutimesSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { setTimes } from '../sys/special-file.ts';
import { listXattrs, readXattr, writeXattr } from '../sys/xattr.ts';
import { permissionsOf, type TreeNode } from './tree-node.ts';
import { isSnapshotXattr } from './whiteout.ts';

export interface Attributes {
  /** Permission bits with setuid, setgid and sticky; the umask does not narrow them. Symlinks have none. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs: bigint;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** Of an existing file, to make it again: what a copy-up keeps. */
export function attributesOf(node: TreeNode): Attributes {
  const { stat } = node;
  return {
    mode: permissionsOf(stat),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtimeNs: stat.mtimeNs,
    xattrs: xattrsOf(node),
  };
}

/** Those that stay with a file when it is made again. An empty `host` (no layer has it) has none. */
export function xattrsOf({ host, type }: TreeNode): Map<string, Buffer> {
  const names = host.length === 0 || type === 'symlink' ? [] : listXattrs(host).filter(isSnapshotXattr);
  const xattrs = new Map<string, Buffer>();
  for (const name of names) {
    const value = readXattr(host, name);
    if (value !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}

export function applyAttributes(
  host: Buffer,
  kind: 'directory' | 'symlink' | 'other',
  attributes: Attributes,
): void {
  setOwner(attributes, (uid, gid) => lchownSync(host, uid, gid));
  if (kind !== 'symlink') chmodSync(host, attributes.mode);
  writeXattrs(host, attributes);
  setModificationTime(host, attributes.mtimeNs);
}

/** Throws HOST_INCAPABLE for an owner that the map of our user namespace does not have. */
export function setOwner(
  { uid, gid }: Pick<Attributes, 'uid' | 'gid'>,
  change: (uid: number, gid: number) => void,
): void {
  try {
    change(uid, gid);
  } catch (cause) {
    if (systemErrorCode(cause) !== 'EINVAL') throw cause;
    throw new ArchBuildError('HOST_INCAPABLE', `the owner ${uid}:${gid} is not mapped here`, {
      hint: 'give the user more ids in /etc/subuid and /etc/subgid (65536 hold those of nearly all images), or build as root',
      cause,
    });
  }
}

export function writeXattrs(host: Buffer, { xattrs }: Pick<Attributes, 'xattrs'>): void {
  if (xattrs === undefined) return;
  for (const [name, value] of xattrs) writeXattr(host, name, value);
}

const BILLION = 1_000_000_000n;

/** Exact to the nanosecond; whole seconds, the usual case, take the short way. */
export function setModificationTime(host: Buffer, mtimeNs: bigint): void {
  const seconds = wholeSeconds(mtimeNs);
  if (seconds === undefined) setTimes(host, mtimeNs);
  else lutimesSync(host, seconds, seconds);
}

/** Undefined when there is a fraction, and before 1970, which Node takes for a mistake. */
export function wholeSeconds(mtimeNs: bigint): number | undefined {
  return mtimeNs >= 0n && mtimeNs % BILLION === 0n ? Number(mtimeNs / BILLION) : undefined;
}
