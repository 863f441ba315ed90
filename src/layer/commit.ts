/**
 * Cleans the upper directory of an overlay in place, so that its tar is exactly what the step changed.
 *
 * Overlayfs leaves more behind than that: files copied up and not changed, whiteouts of names that were made and
 * removed again, directories that are there only because of them.
 */
import { rmdirSync, unlinkSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import {
  entriesOf,
  hasType,
  listDirectory,
  namesOf,
  nameWith,
  type DirectoryListing,
  type ListedName,
} from '../sys/directory-listing.ts';
import { removeXattr } from '../sys/xattr.ts';
import type { OverlayNamespace } from '../sys/identity.ts';
import { setModificationTime } from './attributes.ts';
import { formatBytePath, joinBytePath, hostPath, ROOT, type BytePath } from './byte-path.ts';
import type { MergedTree } from './merged-tree.ts';
import { isSameAttributes, isSameFileAs } from './same-file.ts';
import { isXattrWhiteout, readMark, type TreeDirectory } from './tree-directory.ts';
import { hostError, nodeType, statPath, type NodeStat, type TreeNode } from './tree-node.ts';
import { opaqueXattr, WHITEOUT_PREFIX } from './whiteout.ts';

export interface CommitOptions {
  readonly overlay: OverlayNamespace;
  /** Newer modification times become this one. */
  readonly epochSeconds?: number;
}

export interface Committed {
  /** False: the step changed nothing and adds no layer. */
  readonly changed: boolean;
  /** Mode, owner or xattrs of the root directory itself changed. */
  readonly rootChanged: boolean;
}

/** Throws LAYER_INVALID for a name that would read as a deletion once it is in a layer. */
export function commitUpper(upper: string, lower: MergedTree, options: CommitOptions): Committed {
  const cleaner = new UpperCleaner(upper, options);
  const root = requireStat(hostPath(upper, ROOT));
  const visit = (): boolean => cleaner.visit({ path: ROOT, stat: root, below: lower.root });
  let childrenChanged = visit();
  // Whether all names of an inode are as they were is known at the end only.
  if (cleaner.foundUnchangedLinks()) childrenChanged = visit();
  const rootNode: TreeNode = { path: ROOT, host: hostPath(upper, ROOT), stat: root, type: 'directory' };
  const rootChanged = !isSameAttributes(rootNode, lower.root.node);
  return { changed: childrenChanged || rootChanged, rootChanged };
}

interface UpperDirectory {
  readonly path: BytePath;
  readonly stat: NodeStat;
  /** The same directory in the layers below, unless it is new or hides them. */
  readonly below: TreeDirectory | undefined;
  readonly mark?: string | undefined;
}

/** Names of one inode of the upper directory that are as they were. */
interface LinkGroup {
  readonly names: number;
  readonly unchanged: Set<BytePath>;
  /** Inodes these names have below. */
  readonly below: Set<string>;
}

interface Visits {
  readonly entries: readonly ListedName[];
  /** There are some that stay without a visit. */
  readonly hasOthers: boolean;
}

/** What can be in a new directory without being of the layer, or holds such things. */
const ODD = ['d', 'c', 's'] as const;
const USUAL = ['f', 'l', 'b', 'p'] as const;

/** Below this many names a look at each is cheaper than reading the directories below. */
const FEW = 8;

class UpperCleaner {
  readonly #upper: string;
  readonly #overlay: OverlayNamespace;
  readonly #epochNs: bigint | undefined;
  readonly #links = new Map<bigint, LinkGroup>();
  #unchangedLinks = new Set<bigint>();

  constructor(upper: string, { overlay, epochSeconds }: CommitOptions) {
    this.#upper = upper;
    this.#overlay = overlay;
    this.#epochNs = epochSeconds === undefined ? undefined : BigInt(epochSeconds) * 1_000_000_000n;
  }

  /** Cleans one directory; true when something in it changed. Its own time is put back afterwards. */
  visit(directory: UpperDirectory): boolean {
    const host = hostPath(this.#upper, directory.path);
    const { entries, hasOthers } = this.#entriesToVisit(directory, readDirectory(host));
    if (entries.length > FEW) directory.below?.load();
    let changes = hasOthers ? 1 : 0;
    let removed = 0;
    for (const entry of entries) {
      const path = joinBytePath(directory.path, entry.name);
      if (this.#visitEntry(entry, path, directory)) changes++;
      else removed++;
    }
    const mtimeNs = this.#clamped(directory.stat);
    if (removed > 0 || mtimeNs !== directory.stat.mtimeNs) setModificationTime(host, mtimeNs);
    return changes > 0;
  }

  /** True when a second visit can remove more. */
  foundUnchangedLinks(): boolean {
    for (const [inode, { names, unchanged, below }] of this.#links) {
      if (unchanged.size === names && below.size === 1) this.#unchangedLinks.add(inode);
    }
    return this.#unchangedLinks.size > 0;
  }

  /** In a new directory all stays as it is, but for what is not of a layer; so of most nothing needs to be known. */
  #entriesToVisit({ below, mark }: UpperDirectory, listing: DirectoryListing): Visits {
    const isAsMade = below === undefined && mark !== 'x' && this.#epochNs === undefined;
    if (!isAsMade || nameWith(listing, WHITEOUT_PREFIX) !== undefined)
      return { entries: entriesOf(listing), hasOthers: false };
    const entries = ODD.flatMap((type) => namesOf(listing, type).map((name) => ({ type, name })));
    return { entries, hasOthers: USUAL.some((type) => hasType(listing, type)) };
  }

  /** False when the name is gone now. */
  #visitEntry(entry: ListedName, path: BytePath, directory: UpperDirectory): boolean {
    const { name, type } = entry;
    const host = hostPath(this.#upper, path);
    if (type === 's') return remove(host);
    if (type === 'd') return this.#visitDirectory(name, path, directory.below);
    if (this.#isWhiteout(entry, host, directory)) {
      return directory.below?.lookup(name) === undefined ? remove(host) : this.#keep(host);
    }
    requireName(name, path);
    const before = directory.below?.lookup(name);
    if (before !== undefined && this.#isUnchanged(path, host, before)) return remove(host);
    return this.#keep(host);
  }

  #visitDirectory(name: string, path: BytePath, below: TreeDirectory | undefined): boolean {
    requireName(name, path);
    const host = hostPath(this.#upper, path);
    const stat = requireStat(host);
    const mark = readMark(host, this.#overlay);
    const before = below?.lookup(name);
    const isOpaque = mark === 'y';
    if (isOpaque && before === undefined) removeXattr(host, opaqueXattr(this.#overlay));
    const merged = before?.type === 'directory' && !isOpaque ? below?.open(name) : undefined;
    const changed = this.visit({ path, stat, below: merged, mark });
    if (changed || merged === undefined) return true;
    if (!isSameAttributes({ path, host, stat, type: 'directory' }, merged.node)) return true;
    rmdirSync(host);
    return false;
  }

  #isWhiteout({ type }: ListedName, host: Buffer, { mark }: UpperDirectory): boolean {
    if (type === 'c') return requireStat(host).rdev === 0n;
    return mark === 'x' && type === 'f' && isXattrWhiteout(host, requireStat(host), this.#overlay);
  }

  #isUnchanged(path: BytePath, host: Buffer, before: TreeNode): boolean {
    const stat = requireStat(host);
    const after: TreeNode = { path, host, stat, type: nodeType(stat.mode) };
    if (after.type !== before.type || !isSameFileAs(after, before)) return false;
    if (stat.nlink === 1n || this.#unchangedLinks.has(stat.ino)) return true;
    const group = this.#links.get(stat.ino) ?? {
      names: Number(stat.nlink),
      unchanged: new Set(),
      below: new Set(),
    };
    group.unchanged.add(path);
    group.below.add(`${before.stat.dev}:${before.stat.ino}`);
    this.#links.set(stat.ino, group);
    return false;
  }

  #keep(host: Buffer): true {
    if (this.#epochNs === undefined) return true;
    const stat = requireStat(host);
    const mtimeNs = this.#clamped(stat);
    if (mtimeNs !== stat.mtimeNs) setModificationTime(host, mtimeNs);
    return true;
  }

  #clamped({ mtimeNs }: NodeStat): bigint {
    return this.#epochNs !== undefined && mtimeNs > this.#epochNs ? this.#epochNs : mtimeNs;
  }
}

function remove(host: Buffer): false {
  unlinkSync(host);
  return false;
}

function requireName(name: string, path: BytePath): void {
  if (!name.startsWith(WHITEOUT_PREFIX)) return;
  throw new ArchBuildError(
    'LAYER_INVALID',
    `${formatBytePath(path)}: a name that begins with ${WHITEOUT_PREFIX} means a deletion in a layer`,
    {
      hint: 'rename or remove the file in the same step',
    },
  );
}

function requireStat(host: Buffer): NodeStat {
  const stat = statPath(host);
  if (stat === undefined) throw new ArchBuildError('IO', `${host.toString('utf8')} disappeared`);
  return stat;
}

function readDirectory(host: Buffer): DirectoryListing {
  try {
    return listDirectory(host);
  } catch (cause) {
    throw hostError('read', host, cause);
  }
}
