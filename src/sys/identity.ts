/**
 * Who we are to the kernel: the host's root, the root of a user namespace of our own (rootless), or an ordinary user.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Where overlayfs keeps its marks: `trusted.*` attributes when the host's root mounts it, `user.*` ones (mount option
 * userxattr, Linux 5.11) inside a user namespace.
 */
export type OverlayNamespace = 'trusted' | 'user';

export interface IdRange {
  /** First id as this user namespace sees it. */
  readonly inside: number;
  /** The same id in the namespace above. */
  readonly outside: number;
  readonly count: number;
}

/** PROC_USER_INIT_INO: the number the kernel gives to the first user namespace. See include/linux/proc_ns.h. */
const INITIAL_USER_NAMESPACE = 'user:[4026531837]';

export const inInitialUserNamespace = (): boolean =>
  readlinkSync('/proc/self/ns/user') === INITIAL_USER_NAMESPACE;

export const isRoot = (): boolean => process.geteuid?.() === 0;

/** Root of the machine itself: may register emulators for everybody, make device nodes, change any owner. */
export const isHostRoot = (): boolean => isRoot() && inInitialUserNamespace();

export const overlayNamespace = (): OverlayNamespace => (isHostRoot() ? 'trusted' : 'user');

/** What of the ids above this user namespace shows, as /proc/self/uid_map has it. See user_namespaces(7). */
export function readIdMap(kind: 'uid' | 'gid'): IdRange[] {
  return parseIdMap(readFileSync(`/proc/self/${kind}_map`, 'utf8'));
}

export function parseIdMap(text: string): IdRange[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([inside, outside, count]) =>
      inside === undefined || outside === undefined || count === undefined
        ? []
        : [{ inside, outside, count }],
    );
}

/** A map for a namespace below this one in which every id that is known here is itself. */
export const identityMap = (ranges: readonly IdRange[]): string =>
  ranges.map(({ inside, count }) => `${inside} ${inside} ${count}`).join('\n');

/** What a sandbox has to know about us. */
export interface Identity {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** `user`: we are root of a user namespace only. */
  readonly overlay: OverlayNamespace;
}

export const ownIdentity = (): Identity => ({
  uids: readIdMap('uid'),
  gids: readIdMap('gid'),
  overlay: overlayNamespace(),
});

export const isMapped = (ranges: readonly IdRange[], id: number): boolean =>
  ranges.some(({ inside, count }) => id >= inside && id < inside + count);

/** True where all files have one owner: an ordinary user without subordinate ids. */
export const hasSingleId = (ranges: readonly IdRange[] = readIdMap('uid')): boolean =>
  ranges.length === 1 && ranges[0]?.count === 1;
