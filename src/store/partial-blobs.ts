/**
 * Blobs that have come in part. They are kept under their digest outside of any session, so that whoever wants the
 * blob next goes on where the last one was stopped, by whatever. One process at a time holds one.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { algorithmOf, encodedOf, type Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { tryLock, type Lock } from '../sys/lock.ts';
import type { StoreLayout } from './layout.ts';

/** Nobody goes on with them after so long. Milliseconds. */
const STALE_MS = 7 * 24 * 3_600_000;
/** Network chunks are small; they are written together. Bytes. */
const WRITE_AT_LEAST = 1 << 20;

export class PartialBlobs {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  /** The caller disposes it. Undefined while somebody else has it. */
  claim({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): PartialBlob | undefined {
    mkdirSync(this.#layout.partials, { recursive: true });
    const path = join(this.#layout.partials, `${algorithmOf(digest)}-${encodedOf(digest)}`);
    const lock = tryLock(path, 'exclusive');
    if (lock === undefined) return undefined;
    const have = statSync(path).size;
    return new PartialBlob({ path, target: this.#layout.blob(digest), have: have <= size ? have : 0, lock });
  }

  /** Removes those that are old, or all, which needs the store's exclusive lock; how many, and their bytes. */
  sweep(which: 'stale' | 'all', dryRun = false): { readonly count: number; readonly bytes: number } {
    const { partials } = this.#layout;
    const paths = existsSync(partials) ? readdirSync(partials).map((name) => join(partials, name)) : [];
    let [count, bytes] = [0, 0];
    for (const path of paths) {
      const facts = statSync(path, { throwIfNoEntry: false });
      if (facts === undefined || (which === 'stale' && facts.mtimeMs > Date.now() - STALE_MS)) continue;
      using lock = tryLock(path, 'exclusive');
      if (lock === undefined) continue;
      if (!dryRun) rmSync(path, { force: true });
      count += 1;
      bytes += facts.size;
    }
    return { count, bytes };
  }
}

export class PartialBlob implements Disposable {
  /** What was there when it was claimed. Bytes. */
  readonly have: number;
  readonly #path: string;
  readonly #target: string;
  readonly #lock: Lock;
  /** Nothing under the path is ours any longer. */
  #gone = false;

  constructor(parts: { path: string; target: string; have: number; lock: Lock }) {
    this.have = parts.have;
    this.#path = parts.path;
    this.#target = parts.target;
    this.#lock = parts.lock;
  }

  /** What was there. Not to be trusted before the whole is verified. */
  read(): AsyncIterable<Uint8Array> {
    if (this.have === 0) return emptyChunks();
    return createReadStream(this.#path, {
      end: this.have - 1,
      highWaterMark: WRITE_AT_LEAST,
    }) as AsyncIterable<Uint8Array>;
  }

  /**
   * Takes the whole blob from its first byte on, of which only the rest is written, and makes it visible once digest
   * and size are right. Whatever stops it leaves what has come, unless it turned out to be something else:
   * SIZE_MISMATCH and DIGEST_MISMATCH, thrown here or by the data, drop it.
   */
  async fill({ digest, size }: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      const written = await this.#append(algorithmOf(digest), data);
      if (written.size !== size)
        throw new ArchBuildError('SIZE_MISMATCH', `${digest} has ${written.size} bytes instead of ${size}`);
      if (written.digest !== digest)
        throw new ArchBuildError('DIGEST_MISMATCH', `${digest} arrived as ${written.digest}`);
      mkdirSync(dirname(this.#target), { recursive: true });
      renameSync(this.#path, this.#target);
      this.#gone = true;
    } catch (error) {
      if (isWrongContent(error)) this.#drop();
      throw error;
    }
  }

  async #append(
    algorithm: string,
    data: AsyncIterable<Uint8Array>,
  ): Promise<{ digest: Digest; size: number }> {
    const hash = createHash(algorithm);
    const file = await open(this.#path, 'a');
    const writer = new GatheredWriter(file);
    let size = 0;
    try {
      await file.truncate(this.have);
      for await (const chunk of data) {
        hash.update(chunk);
        const known = Math.min(Math.max(this.have - size, 0), chunk.length);
        size += chunk.length;
        if (known < chunk.length) await writer.push(chunk.subarray(known));
      }
    } finally {
      await writer.flush();
      await file.close();
    }
    return { digest: `${algorithm}:${hash.digest('hex')}` as Digest, size };
  }

  [Symbol.dispose](): void {
    if (!this.#gone && statSync(this.#path).size === 0) this.#drop(); // nothing to go on with
    this.#lock[Symbol.dispose]();
  }

  #drop(): void {
    rmSync(this.#path, { force: true });
    this.#gone = true;
  }
}

class GatheredWriter {
  readonly #file: FileHandle;
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async push(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= WRITE_AT_LEAST) await this.flush();
  }

  async flush(): Promise<void> {
    const chunks = this.#waiting;
    [this.#waiting, this.#bytes] = [[], 0];
    if (chunks.length > 0) await this.#file.writeFile(Buffer.concat(chunks)); // appends
  }
}

const isWrongContent = (error: unknown): boolean =>
  error instanceof ArchBuildError && ['SIZE_MISMATCH', 'DIGEST_MISMATCH'].includes(error.code);

async function* emptyChunks(): AsyncGenerator<Uint8Array, void, undefined> {
  // nothing
}
