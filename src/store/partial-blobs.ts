/**
 * Blobs that have come in part. They are kept under their digest outside of any session, so that whoever wants the
 * blob next goes on where the last one was stopped, by whatever. One process at a time holds one.
 */
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { algorithmOf, encodedOf } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { tryLock, type Lock } from '../sys/lock.ts';
import type { StoreLayout } from './layout.ts';
import { writeContent } from './write-content.ts';

/** Nobody goes on with them after so long. Milliseconds. */
const STALE_MS = 7 * 24 * 3_600_000;
/** Bytes. */
const READ_SIZE = 1 << 20;

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
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.have === 0) return;
    yield* createReadStream(this.#path, {
      end: this.have - 1,
      highWaterMark: READ_SIZE,
    }) as AsyncIterable<Uint8Array>;
  }

  /**
   * Takes the whole blob from its first byte on, of which only the rest is written, and makes it visible once digest
   * and size are right. Whatever stops it leaves what has come, unless it turned out to be something else:
   * SIZE_MISMATCH and DIGEST_MISMATCH, thrown here or by the data, drop it.
   */
  async fill(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#append(descriptor, data);
      mkdirSync(dirname(this.#target), { recursive: true });
      renameSync(this.#path, this.#target);
      this.#gone = true;
    } catch (error) {
      if (isWrongContent(error)) this.#drop();
      throw error;
    }
  }

  async #append(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    await using file = await open(this.#path, 'a');
    await file.truncate(this.have);
    await writeContent(file, descriptor, { data, have: this.have });
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

const isWrongContent = (error: unknown): boolean =>
  error instanceof ArchBuildError && ['SIZE_MISMATCH', 'DIGEST_MISMATCH'].includes(error.code);
