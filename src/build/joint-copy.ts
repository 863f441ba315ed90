/**
 * A COPY on several platforms that puts the same files where none of them has anything: its layer is made, hashed and
 * kept once. What it depends on below are then the directories above its files, which are part of the layer.
 */
import { createHash } from 'node:crypto';
import { attributesOf } from '../layer/attributes.ts';
import { joinBytePath, parentOf, ROOT, type BytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import type { TreeNode } from '../layer/tree-node.ts';
import { destinationOf, placedAt, type CopyRequest, type Destination } from './copy-files.ts';
import type { SelectedSource } from './copy-sources.ts';

export interface JointCopy {
  /** What of the instruction is not in the request: its sources' contents, and what becomes of their modes. */
  readonly words: readonly string[];
  readonly request: CopyRequest;
  readonly lower: MergedTree;
}

/** Equal for copies that make equal layers; undefined when something below is in the way and decides, too. */
export function jointKey({ words, request, lower }: JointCopy): string | undefined {
  const { sources, owner, keepsOwner, placement } = request;
  const destination = destinationOf({ tree: lower }, request);
  const { path, isDirectory } = destination;
  const tops = sources.flatMap((source) => topsOf(source, destination, request));
  if (tops.some((top) => lower.lookup(top) !== undefined)) return undefined;
  const above = directoriesAbove(lower, isDirectory ? [...tops, path] : tops);
  const there = lower.lookup(path)?.type ?? 'nothing';
  const hash = createHash('sha256');
  hash.update(JSON.stringify([words, path, isDirectory, there, owner, keepsOwner, placement, tops, above]));
  for (const { files } of sources) for (const { node } of files) hash.update(`${node.stat.mtimeNs} `);
  return hash.digest('hex');
}

/** The names that a source makes: its own, or those in it when it is spread. */
function topsOf(source: SelectedSource, destination: Destination, request: CopyRequest): BytePath[] {
  const { top, isSpread } = placedAt(source, destination, request);
  if (!isSpread) return [top];
  const names = source.files.map(({ path }) => path).filter((path) => path !== '' && !path.includes('/'));
  return names.map((name) => joinBytePath(top, name));
}

/** The existing ones, with what of them is in the layer. The root is in it only when it changes, which a copy does not. */
function directoriesAbove(lower: MergedTree, paths: readonly BytePath[]): unknown[] {
  const found = new Map<BytePath, TreeNode | undefined>();
  for (const path of paths)
    for (let at = parentOf(path); at !== ROOT && !found.has(at); at = parentOf(at))
      found.set(at, lower.lookup(at));
  const gaining = new Set(paths.map((path) => deepestExisting(lower, path)));
  return [...found].map(([path, node]) => {
    if (node === undefined) return [path, 'new'];
    const { mode, uid, gid, mtimeNs, xattrs } = attributesOf(node);
    const named = [...(xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString('hex')]);
    // One that gains a name gets the time of that.
    return [path, node.type, mode, uid, gid, named, gaining.has(path) ? '' : String(mtimeNs)];
  });
}

function deepestExisting(lower: MergedTree, path: BytePath): BytePath {
  let at = parentOf(path);
  while (at !== ROOT && lower.lookup(at) === undefined) at = parentOf(at);
  return at;
}
