/** Everything below one source directory, as far as `--parents` and `--exclude` want it. */
import type { IgnoreMatcher } from '../kubefile/ignore.ts';
import type { PathPattern } from '../kubefile/path-pattern.ts';
import { joinBytePath, ROOT, textOfBytes, type BytePath } from '../layer/byte-path.ts';
import type { TreeDirectory } from '../layer/tree-directory.ts';
import type { TreeNode } from '../layer/tree-node.ts';

export interface SelectedFile {
  /** Below the source; '' for the source itself. */
  readonly path: BytePath;
  readonly node: TreeNode;
}

/** Patterns see paths below the source. */
export interface WalkOptions {
  /** Only what matches, with all below it and the directories above it. */
  readonly include?: PathPattern | undefined;
  readonly exclude?: IgnoreMatcher | undefined;
  /** Awaited now and then. */
  readonly turn: () => Promise<void> | undefined;
}

/** The source itself first, parents before children, names bytewise. No symlink is followed. */
export async function filesBelow(directory: TreeDirectory, options: WalkOptions): Promise<SelectedFile[]> {
  const files: SelectedFile[] = [{ path: ROOT, node: directory.node }];
  await collect(directory, { at: ROOT, isIncluded: options.include === undefined }, { ...options, files });
  return files;
}

interface Place {
  readonly at: BytePath;
  /** A directory above matched: everything here is wanted. */
  readonly isIncluded: boolean;
}

type Walk = WalkOptions & { readonly files: SelectedFile[] };

async function collect(directory: TreeDirectory, { at, isIncluded }: Place, walk: Walk): Promise<void> {
  const { files, turn } = walk;
  for (const name of directory.names()) {
    const node = directory.lookup(name);
    if (node === undefined) continue;
    const path = joinBytePath(at, name);
    const wish = wishFor(path, isIncluded, walk);
    const child = wish.descends && node.type === 'directory' ? directory.open(name) : undefined;
    if (!wish.isWanted && child === undefined) continue;
    const before = files.push({ path, node });
    const pause = turn();
    if (pause !== undefined) await pause;
    if (child !== undefined) await collect(child, { at: path, isIncluded: wish.isIncluded }, walk);
    if (!wish.isWanted && files.length === before) files.pop(); // it was there for what is below only
  }
}

interface Wish {
  readonly isWanted: boolean;
  readonly isIncluded: boolean;
  /** Something below may be wanted. */
  readonly descends: boolean;
}

const EVERYTHING: Wish = { isWanted: true, isIncluded: true, descends: true };

function wishFor(path: BytePath, isInside: boolean, { include, exclude }: WalkOptions): Wish {
  if (isInside && exclude === undefined) return EVERYTHING;
  const text = textOfBytes(path);
  const isIncluded = isInside || include?.matches(text) === true;
  const isExcluded = exclude?.excludes(text) === true;
  return {
    isWanted: isIncluded && !isExcluded,
    isIncluded,
    descends:
      (isIncluded || include?.mayMatchBelow(text) === true) &&
      (!isExcluded || exclude.mayContainIncluded(text)),
  };
}
