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

const FORMAT = 'arch-build file digests 1';
const RACY_NS = 2_000_000_000n;

/** Inode, size, mtime and ctime in one word, and the digest in hex. */
type Entry = readonly [stamp: string, digest: string];

export class FileDigests {
  readonly #path: string;
  readonly #known: Map<string, Entry>;
  readonly #used = new Map<string, Entry>();
  #changed = false;

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
    const key = node.host.toString('latin1');
    const stamp = stampOf(node);
    const known = this.#used.get(key) ?? this.#known.get(key);
    if (known?.[0] === stamp) {
      this.#used.set(key, known);
      return known[1];
    }
    const digest = hashFile(node);
    if (!isRacy(node, this.#clock())) {
      this.#used.set(key, [stamp, digest]);
      this.#changed = true;
    }
    return digest;
  }

  /** Writes what was learned. Old entries stay while they are fewer than those in use. */
  save(): void {
    if (!this.#changed) return;
    const unused = [...this.#known].filter(([key]) => !this.#used.has(key));
    const files = [...this.#used, ...unused.slice(0, this.#used.size)];
    writeFileAtomic(
      this.#path,
      JSON.stringify({ format: FORMAT, files: files.map(([key, entry]) => [key, ...entry]) }),
    );
    this.#changed = false;
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

const stampOf = ({ stat }: TreeNode): string => `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;

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
    const { format, files } = JSON.parse(text) as { format: unknown; files: [string, string, string][] };
    return new Map(format === FORMAT ? files.map(([key, stamp, digest]) => [key, [stamp, digest]]) : []);
  } catch {
    return new Map();
  }
}
