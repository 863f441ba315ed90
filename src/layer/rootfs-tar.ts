/** A whole root file system, as the layers of an image make it, to one tar without whiteouts. */
import { joinBytePath, ROOT, toBytePath, type BytePath } from './byte-path.ts';
import type { MergedTree } from './merged-tree.ts';
import type { EntryHeader } from './tar-writer.ts';
import type { TreeDirectory } from './tree-directory.ts';
import { permissionsOf } from './tree-node.ts';
import { entryAt, type SnapshotEntry } from './walk-snapshot.ts';
import { headerOf, tarBlocks, type FirstNames, type TarItem } from './write-layer.ts';

export interface Rootfs {
  readonly tree: MergedTree;
  /** One name in front of all paths, or `.`: the root directory is an entry of that name. Without it there is none. */
  readonly folder?: string;
}

/** What becomes of an entry; undefined leaves it out. */
export type EntryChange = (header: EntryHeader) => EntryHeader | undefined;

/**
 * The tar in blocks, one root file system after the other. The same trees give the same bytes. Sockets are left out:
 * they mean nothing without the process that made them.
 */
export function rootfsTar(
  trees: readonly Rootfs[],
  change: EntryChange = (header) => header,
): AsyncGenerator<Buffer, number> {
  return tarBlocks(itemsOf(trees, change));
}

function* itemsOf(trees: readonly Rootfs[], change: EntryChange): Generator<TarItem> {
  for (const { tree, folder } of trees) {
    const firstNames: FirstNames = new Map();
    const top = folder === undefined ? ROOT : toBytePath(folder);
    if (folder !== undefined) yield { header: rootHeader(tree, `${folder}/`) };
    for (const entry of walkTree(tree.root, top)) {
      const header = change(headerOf(entry, firstNames));
      if (header !== undefined) yield { header, source: entry };
    }
  }
}

function rootHeader({ root: { node } }: MergedTree, path: string): EntryHeader {
  const { uid, gid, mtimeNs } = node.stat;
  const mtime = Number(mtimeNs / 1_000_000_000n);
  const owner = { uid: Number(uid), gid: Number(gid) };
  return { path, type: 'directory', mode: permissionsOf(node.stat), ...owner, size: 0, mtime };
}

/** Parents before children, siblings bytewise; without the directory itself, sockets, and what `skip` says. */
export function* walkTree(
  directory: TreeDirectory,
  at: BytePath,
  skip: (path: BytePath) => boolean = () => false,
): Generator<SnapshotEntry> {
  for (const name of directory.names()) {
    const node = directory.lookup(name);
    if (node === undefined || node.type === 'socket') continue;
    const path = joinBytePath(at, name);
    if (skip(path)) continue;
    yield entryAt(node.host, path);
    const child = node.type === 'directory' ? directory.open(name) : undefined;
    if (child !== undefined) yield* walkTree(child, path, skip);
  }
}
