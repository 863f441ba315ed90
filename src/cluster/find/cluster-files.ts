/** The part of a rootfs or a build context that names images, as paths and bytes. */
import { ArchBuildError } from '../../errors.ts';
import { formatBytePath, joinBytePath, toBytePath, type BytePath } from '../../layer/byte-path.ts';
import type { MergedTree } from '../../layer/merged-tree.ts';

/** Of one file that is read as a whole. Bytes. */
const FILE_LIMIT = 64 << 20;
/** Of a directory tree; more files than any set of charts has. */
const FILES_LIMIT = 100_000;

export interface ClusterFiles {
  /** Regular files below a directory, as paths from the root without a leading slash, in order; empty without one. */
  list(directory: string): readonly string[];
  has(path: string): boolean;
  /** Throws IO for a file that is larger than anything read as text here. */
  read(path: string): Buffer;
}

/** No symlink is followed: what one points to is found where it is. */
export function clusterFiles(tree: MergedTree): ClusterFiles {
  return {
    list: (directory) => [...walk(tree, toBytePath(directory), { left: FILES_LIMIT })],
    has: (path) => tree.lookup(toBytePath(path))?.type === 'file',
    read: (path) => tree.readFile(toBytePath(path), FILE_LIMIT),
  };
}

function* walk(tree: MergedTree, directory: BytePath, budget: { left: number }): Generator<string> {
  for (const name of tree.list(directory)) {
    const path = joinBytePath(directory, name);
    const type = tree.lookup(path)?.type;
    if (type === 'directory') yield* walk(tree, path, budget);
    if (type !== 'file') continue;
    if (budget.left-- === 0)
      throw new ArchBuildError(
        'GATHER',
        `${formatBytePath(directory)} has too many files to look for images in`,
      );
    yield formatBytePath(path).slice(1);
  }
}
