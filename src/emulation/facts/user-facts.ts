/** Who we are: ids, the ranges of subordinate ids, and the programs that may map them. */
import { readlinkSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { readXattr } from '../../sys/xattr.ts';
import { readText } from './read-text.ts';

export interface UserFacts {
  readonly uid: number;
  readonly name: string;
  /** The longest range that /etc/subuid and /etc/subgid give to this user; steps use one range. */
  readonly subordinateUids: number;
  readonly subordinateGids: number;
  /** What keeps newuidmap and newgidmap from mapping ranges; empty where they can. */
  readonly mapperFaults: readonly MapperFault[];
  /** False in containers of ordinary users and in `unshare -r`: root is root of that namespace only. */
  readonly initialNamespace: boolean;
  /** How many user ids this namespace has. */
  readonly mappedIds: number;
}

export interface MapperFault {
  readonly program: string;
  /** Undefined: it is not there. */
  readonly path: string | undefined;
}

/** The inode number the kernel gives to the first user namespace (PROC_USER_INIT_INO). */
const INITIAL_USER_NAMESPACE = 'user:[4026531837]';

export function userFacts(path: string | undefined): UserFacts {
  const { uid, username } = nameOfUser();
  return {
    uid,
    name: username,
    subordinateUids: longestRange(readText('/etc/subuid'), username, uid),
    subordinateGids: longestRange(readText('/etc/subgid'), username, uid),
    mapperFaults: ['newuidmap', 'newgidmap'].flatMap((program) => mapperFault(program, path)),
    initialNamespace: linkText('/proc/self/ns/user') === INITIAL_USER_NAMESPACE,
    mappedIds: mappedIds(readText('/proc/self/uid_map')),
  };
}

/** A user without a line in /etc/passwd has a number only. */
function nameOfUser(): { readonly uid: number; readonly username: string } {
  try {
    return userInfo();
  } catch {
    const uid = process.getuid?.() ?? 0;
    return { uid, username: String(uid) };
  }
}

/** Pure. Lines are `NAME-OR-UID:FIRST:COUNT`, also those of /etc/subgid. See subuid(5). */
export function longestRange(text: string, name: string, uid: number): number {
  const lines = text.split('\n').map((line) => line.split(':'));
  const own = lines.filter(([owner]) => owner === name || owner === String(uid));
  return Math.max(0, ...own.map(([, , count]) => Number(count) || 0));
}

/** Pure. A line of uid_map is `INSIDE OUTSIDE COUNT`. */
export function mappedIds(map: string): number {
  const counts = map.split('\n').map((line) => Number(line.trim().split(/\s+/)[2] ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

function mapperFault(program: string, path: string | undefined): MapperFault[] {
  const folders = [...(path ?? '').split(':'), '/usr/bin', '/usr/sbin', '/bin'];
  const found = folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, program))
    .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
  if (found === undefined) return [{ program, path: undefined }];
  return mayMap(found) ? [] : [{ program, path: found }];
}

/** Setuid root, or with a file capability (Fedora, openSUSE). */
function mayMap(file: string): boolean {
  const { mode, uid } = statSync(file);
  if ((mode & 0o4000) !== 0 && uid === 0) return true;
  try {
    return readXattr(file, 'security.capability') !== undefined;
  } catch {
    return false;
  }
}

function linkText(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
