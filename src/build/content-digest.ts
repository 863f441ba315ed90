/**
 * The digest of what a COPY selects, for its cache key: names, types, modes, contents and link targets. Times are not
 * part of it; owners and extended attributes are only where they are copied, from one stage to another.
 */
import { createHash } from 'node:crypto';
import { xattrsOf } from '../layer/attributes.ts';
import { readLink } from '../layer/merged-tree.ts';
import type { TreeNode } from '../layer/tree-node.ts';
import { abortableTurns } from './abortable-turns.ts';
import type { SelectedSource } from './copy-sources.ts';
import { hashFile, type FileDigests } from './file-digests.ts';

export interface DigestOptions {
  /** Owner and extended attributes count: they are kept by the copy. */
  readonly keepsOwner: boolean;
  /** Where digests of unchanged files are remembered. */
  readonly known?: FileDigests;
  readonly signal?: AbortSignal;
}

/** `sha256:<hex>`. Throws CONTEXT when a file changes while it is read. */
export async function digestSources(
  sources: readonly SelectedSource[],
  options: DigestOptions,
): Promise<string> {
  const turn = abortableTurns(options.signal);
  const hash = new RecordHash();
  for (const { name, files } of sources) {
    hash.add('source', name, files.length);
    const links = new Map<string, number>();
    for (const [index, { path, node }] of files.entries()) {
      hash.add(path, node.type, node.stat.mode, contentOf(node, links, { known: options.known, index }));
      if (options.keepsOwner) hash.add(node.stat.uid, node.stat.gid, describeXattrs(node));
      const pause = turn();
      if (pause !== undefined) await pause;
    }
  }
  options.known?.save();
  return `sha256:${hash.digest()}`;
}

/** SHA-256 of records; of many small ones at a time, as a call of the hash costs more than what it hashes. */
class RecordHash {
  readonly #hash = createHash('sha256');
  #waiting = '';

  /** Fields are length-prefixed: no name can pretend to be two. */
  add(...fields: readonly (string | number | bigint)[]): void {
    for (const field of fields) {
      const text = String(field);
      this.#waiting += `${text.length}:${text}`;
    }
    this.#waiting += '\n';
    if (this.#waiting.length >= BATCH) this.#flush();
  }

  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#waiting);
    this.#waiting = '';
  }
}

const BATCH = 1 << 16;

function contentOf(
  node: TreeNode,
  links: Map<string, number>,
  { known, index }: { readonly known: FileDigests | undefined; readonly index: number },
): string {
  const { type, stat } = node;
  if (type === 'symlink') return readLink(node);
  if (type === 'char' || type === 'block') return String(stat.rdev);
  if (type !== 'file') return '';
  if (stat.nlink > 1n) {
    const inode = `${stat.dev}:${stat.ino}`;
    const first = links.get(inode);
    if (first !== undefined) return `same file as ${first}`;
    links.set(inode, index);
  }
  return known === undefined ? hashFile(node) : known.digest(node);
}

function describeXattrs(node: TreeNode): string {
  if (node.type !== 'file' && node.type !== 'directory') return '';
  const xattrs = [...xattrsOf(node)].map(([name, value]) => [name, value.toString('hex')]);
  return xattrs.length === 0 ? '' : JSON.stringify(xattrs.sort());
}
