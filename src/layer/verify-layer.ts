/**
 * One layer blob against everything that must hold of it: size, digest, packing, and the rules of layer tars.
 * The blob is read once when it is good; memory grows with the number of its entries only.
 */
import { createHash, type Hash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, type DiffId } from '../oci/digest.ts';
import { verifyLayerHead, type Problem } from '../oci/verify.ts';
import { baseNameOf, cleanBytePath, formatBytePath, ROOT, type BytePath } from './byte-path.ts';
import { decompress } from './decompress.ts';
import { readTar, type TarEntry } from './tar-reader.ts';
import { WHITEOUT_PREFIX } from './whiteout.ts';

export interface VerifiedLayer {
  readonly problems: readonly Problem[];
  /** Of the tar inside; undefined when it could not be read to its end. */
  readonly diffId: DiffId | undefined;
}

/** `algorithm` is the diffID's. Throws what the source throws, BLOB_MISSING included, and TOOL_MISSING. */
export async function verifyLayer(
  source: ContentSource,
  descriptor: Descriptor,
  { where, algorithm }: { readonly where: string; readonly algorithm: string },
): Promise<VerifiedLayer> {
  const stored = new ObservedBlob(descriptor);
  try {
    const tar = createHash(algorithm);
    const problems = await tarProblems(hashed(stored.read(source), tar), where);
    const diffId = `${algorithm}:${tar.digest('hex')}` as DiffId;
    const content = stored.problems(where);
    if (content.length > 0) return { problems: content, diffId: undefined };
    return { problems: [...verifyLayerHead({ descriptor, head: stored.head }, where), ...problems], diffId };
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'LAYER_INVALID') throw error;
    // What is damaged has the wrong digest, and that says it all; only then is the rest worth a word.
    const content = await verifyBlob(source, descriptor, where);
    if (content.length > 0) return { problems: content, diffId: undefined };
    const head = verifyLayerHead({ descriptor, head: stored.head }, where);
    return { problems: [...head, { rule: 'layer-tar', where, message: error.message }], diffId: undefined };
  }
}

/** Size and digest of a blob that is only carried. Throws what the source throws. */
export async function verifyBlob(
  source: ContentSource,
  descriptor: Descriptor,
  where: string,
): Promise<readonly Problem[]> {
  const stored = new ObservedBlob(descriptor);
  for await (const _chunk of stored.read(source)) continue;
  return stored.problems(where);
}

const HEAD = 512;

/** Takes note of what passes by, and takes no more than one chunk beyond the promised size. */
class ObservedBlob {
  head: Buffer = Buffer.alloc(0);
  readonly #descriptor: Descriptor;
  readonly #hash: Hash;
  #size = 0;

  constructor(descriptor: Descriptor) {
    this.#descriptor = descriptor;
    this.#hash = createHash(algorithmOf(descriptor.digest));
  }

  async *read(source: ContentSource): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.read(this.#descriptor)) {
      this.#hash.update(chunk);
      this.#size += chunk.length;
      if (this.head.length < HEAD) {
        this.head = Buffer.concat([this.head, chunk.subarray(0, HEAD - this.head.length)]);
      }
      if (this.#size > this.#descriptor.size) return;
      yield chunk;
    }
  }

  problems(where: string): Problem[] {
    const { size, digest } = this.#descriptor;
    if (this.#size > size) {
      return [{ rule: 'content-size', where, message: `more than the ${size} bytes the descriptor says` }];
    }
    const problems: Problem[] = [];
    if (this.#size < size) {
      const message = `${this.#size} bytes where the descriptor says ${size}`;
      problems.push({ rule: 'content-size', where, message });
    }
    const found = `${algorithmOf(digest)}:${this.#hash.digest('hex')}`;
    if (found !== digest) {
      problems.push({
        rule: 'content-digest',
        where,
        message: `the content's digest is ${found}, not ${digest}`,
      });
    }
    return problems;
  }
}

async function* hashed(input: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  const { data } = await decompress(input);
  for await (const chunk of data) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Enough to see what is wrong with a layer. */
const MAX_PROBLEMS = 20;

async function tarProblems(tar: AsyncIterable<Uint8Array>, where: string): Promise<Problem[]> {
  const seen: SeenPaths = new Map();
  const problems: Problem[] = [];
  for await (const entry of readTar(tar)) {
    const path = cleanBytePath(entry.path);
    for (const { rule, check } of ENTRY_RULES) {
      const message = problems.length < MAX_PROBLEMS ? check(entry, path, seen) : undefined;
      if (message !== undefined) problems.push({ rule, where, message });
    }
    seen.set(path, entry.type === 'directory');
  }
  return problems;
}

/** Paths so far; true for directories. */
type SeenPaths = Map<BytePath, boolean>;

interface EntryRule {
  readonly rule: string;
  readonly check: (entry: TarEntry, path: BytePath, seen: SeenPaths) => string | undefined;
}

const hasParent = (path: string): boolean => path.split('/').includes('..');

/** Source: OCI image-spec layer.md. */
const ENTRY_RULES: readonly EntryRule[] = [
  {
    rule: 'layer-duplicate',
    check: ({ type }, path, seen) => {
      const before = seen.get(path);
      return before === undefined || (before && type === 'directory')
        ? undefined
        : `${formatBytePath(path)} is in the layer twice`;
    },
  },
  {
    rule: 'layer-path',
    check: ({ path, type, linkPath }) => {
      if (hasParent(path)) return `the path ${JSON.stringify(path.slice(0, 200))} leads out of its directory`;
      if (type === 'hardlink' && hasParent(linkPath)) {
        return `the hard link to ${JSON.stringify(linkPath.slice(0, 200))} leads out of its directory`;
      }
      return undefined;
    },
  },
  {
    rule: 'layer-root',
    check: ({ type }, path) =>
      path === ROOT && type !== 'directory' ? `the root directory is a ${type}` : undefined,
  },
  {
    rule: 'layer-whiteout',
    check: (_entry, path) =>
      NO_WHITEOUTS.has(baseNameOf(path)) ? `${formatBytePath(path)} is a whiteout of nothing` : undefined,
  },
  {
    rule: 'layer-device',
    check: ({ type, device: { major, minor } }, path) =>
      type === 'char' && major === 0 && minor === 0
        ? `${formatBytePath(path)} is the character device 0:0, which overlay file systems take for a deletion`
        : undefined,
  },
];

const NO_WHITEOUTS = new Set(['', '.', '..'].map((name) => WHITEOUT_PREFIX + name));
