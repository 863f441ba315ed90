/** A whole root file system, as the layers of an image make it, to one tar without whiteouts. */
import { PackedFiles } from '../sys/packed-files.ts';
import { joinBytePath, pathPrefix, ROOT, toBytePath, type BytePath } from './byte-path.ts';
import type { MergedTree } from './merged-tree.ts';
import type { EntryHeader } from './tar-writer.ts';
import type { TreeDirectory } from './tree-directory.ts';
import { permissionsOf } from './tree-node.ts';
import { entryAt, type SnapshotEntry } from './walk-snapshot.ts';
import { headerOf, tarBlocks, type FirstNames, type TarFiles, type TarItem } from './write-layer.ts';

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
export function rootfsTar(trees: readonly Rootfs[], change?: EntryChange): AsyncGenerator<Buffer, number> {
  return tarBlocks(itemsOf(trees, change));
}

function* itemsOf(trees: readonly Rootfs[], change: EntryChange | undefined): Generator<TarItem | TarFiles> {
  for (const { tree, folder } of trees) {
    const firstNames: FirstNames = new Map();
    const top = folder === undefined ? ROOT : toBytePath(folder);
    if (folder !== undefined) yield { header: rootHeader(tree, `${folder}/`) };
    for (const found of change === undefined ? walkTogether(tree.root, top) : walkTree(tree.root, top)) {
      if ('files' in found) {
        yield found;
        continue;
      }
      const header = headerOf(found, firstNames);
      const changed = change === undefined ? header : change(header);
      if (changed !== undefined) yield { header: changed, source: found };
    }
  }
}

/** As `walkTree`, but what is plain goes together where a directory is of one layer alone. */
function* walkTogether(directory: TreeDirectory, at: BytePath): Generator<SnapshotEntry | TarFiles> {
  const { soleLayer } = directory;
  using files =
    soleLayer === undefined ? undefined : PackedFiles.open(Buffer.from(soleLayer, 'latin1'), pathPrefix(at));
  for (const next of files?.runs() ?? directory.names().map((name) => ({ name }))) {
    if (next === 'plain') {
      if (files !== undefined) yield { files };
      continue;
    }
    const { name } = next;
    const node = directory.lookup(name);
    if (node === undefined || node.type === 'socket') continue;
    const path = joinBytePath(at, name);
    yield entryAt(node.host, path);
    if (node.type !== 'directory') continue;
    files?.close();
    const child = directory.open(name);
    if (child !== undefined) yield* walkTogether(child, path);
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
