/**
 * Remembered content digests of context files. An entry counts as long as inode, size and both times are the same;
 * files touched just before they were hashed are not remembered, as a second change could leave the times alone.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { withSourceFile } from '../layer/source-file.ts';
import type { TreeNode } from '../layer/tree-node.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';

const FORMAT = 'arch-build file digests 2';
const RACY_NS = 2_000_000_000n;

/** Inode, size, mtime, ctime, and the digest in hex, in one text. */
type Entry = string;

export class FileDigests {
  readonly #path: string;
  /** By the path in the context. */
  readonly #known: Map<string, Entry>;
  readonly #learned = new Map<string, Entry>();
  /** Paths of entries that still hold. */
  readonly #used: string[] = [];

  readonly #clock: () => number;

  /** The memory of one context in `directory`, which is made when there is something to remember. */
  constructor(directory: string, context: string, clock: () => number = Date.now) {
    this.#clock = clock;
    const name = createHash('sha256').update(context).digest('hex').slice(0, 32);
    this.#path = join(directory, `${name}.json`);
    this.#known = load(this.#path);
  }

  /** SHA-256 of the file's content in hex. Throws CONTEXT when it changes meanwhile. */
  digest(node: TreeNode): string {
    const stamp = stampOf(node);
    const known = this.#learned.get(node.path) ?? this.#known.get(node.path);
    if (known?.startsWith(stamp) === true) {
      this.#used.push(node.path);
      return known.slice(stamp.length);
    }
    const digest = hashFile(node);
    if (!isRacy(node, this.#clock())) this.#learned.set(node.path, stamp + digest);
    return digest;
  }

  /** Writes what was learned. Old entries stay while they are fewer than those in use. */
  save(): void {
    if (this.#learned.size === 0) return;
    const used = new Map(this.#used.map((path) => [path, this.#known.get(path) ?? '']));
    for (const [path, entry] of this.#learned) used.set(path, entry);
    const unused = [...this.#known].filter(([path]) => !used.has(path));
    const files = [...used, ...unused.slice(0, used.size)].flat();
    writeFileAtomic(this.#path, JSON.stringify({ format: FORMAT, files }));
  }
}

const buffer = Buffer.allocUnsafe(1 << 20);

/** Content digest of a regular file that is still what its node says. */
export function hashFile(node: TreeNode): string {
  return withSourceFile(node, (fd) => {
    const hash = createHash('sha256');
    for (let left = Number(node.stat.size); ;) {
      const count = readSync(fd, buffer, 0, buffer.length, null);
      hash.update(buffer.subarray(0, count));
      left -= count;
      if (count === 0 || left <= 0) return hash.digest('hex');
    }
  });
}

const stampOf = ({ stat }: TreeNode): string => `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} `;

function isRacy({ stat }: TreeNode, milliseconds: number): boolean {
  const now = BigInt(milliseconds) * 1_000_000n;
  return stat.mtimeNs > now - RACY_NS || stat.ctimeNs > now - RACY_NS;
}

/** A damaged memory is an empty one. */
function load(path: string): Map<string, Entry> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return new Map();
  }
  try {
    const { format, files } = JSON.parse(text) as { format: unknown; files: string[] };
    return inPairs(format === FORMAT ? files : []);
  } catch {
    return new Map();
  }
}

/** One list, not one of lists: there is half as much to make when it is read. */
function inPairs(files: readonly string[]): Map<string, Entry> {
  const known = new Map<string, Entry>();
  for (let index = 0; index < files.length; index += 2)
    known.set(String(files[index]), String(files[index + 1]));
  return known;
}
