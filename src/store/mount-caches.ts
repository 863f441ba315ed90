/**
 * The directories of `RUN --mount=type=cache`, which outlive the build: by id, and for `private` ones several of one
 * id. Locks say who uses one; the kernel frees them when a build dies.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { acquireLock, tryLock, type Lock } from '../sys/lock.ts';

export type Sharing = 'shared' | 'private' | 'locked';

export interface OpenCache extends Disposable {
  /** Absolute; its mode and owner are what they were made with. */
  readonly directory: string;
}

/** Fills a new, empty directory that becomes the cache when it is done. */
export type Fill = (directory: string) => Promise<void>;

/** What others write to meanwhile may vanish under our eyes. */
function bytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}

const WAIT_MS = 60 * 60_000;
const MOST_PRIVATE = 1000;

export class MountCaches {
  readonly #root: string;
  readonly #makeDirectory: (prefix: string) => string;

  constructor(root: string, makeDirectory: (prefix: string) => string) {
    this.#root = root;
    this.#makeDirectory = makeDirectory;
  }

  /**
   * The cache of an id, made and filled when it is new; the caller disposes it after the step. `locked` waits until
   * nobody else has it; `private` takes another directory of the same id while one is in use.
   */
  async open(id: string, sharing: Sharing, fill: Fill): Promise<OpenCache> {
    const base = join(this.#root, createHash('sha256').update(id).digest('hex'));
    mkdirSync(base, { recursive: true });
    const { lock, name } = await this.#lock(base, sharing);
    const directory = join(base, name);
    try {
      if (!existsSync(directory)) await this.#make(directory, fill);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
    return { directory, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  }

  /** The size of each directory's files by the hash of its id, bytes. */
  sizes(): ReadonlyMap<string, number> {
    const ids = existsSync(this.#root) ? readdirSync(this.#root) : [];
    return new Map(ids.map((id) => [id, bytesIn(join(this.#root, id))]));
  }

  /** Needs the store's exclusive lock. */
  clear(): void {
    if (!existsSync(this.#root)) return;
    const aside = this.#makeDirectory('caches');
    renameSync(this.#root, join(aside, 'caches'));
    rmSync(aside, { recursive: true, force: true });
  }

  async #lock(base: string, sharing: Sharing): Promise<{ lock: Lock; name: string }> {
    if (sharing !== 'private') {
      const mode = sharing === 'shared' ? 'shared' : 'exclusive';
      return { lock: await acquireLock(join(base, '0.lock'), mode, { waitMs: WAIT_MS }), name: '0' };
    }
    for (let index = 0; index < MOST_PRIVATE; index++) {
      const lock = tryLock(join(base, `${index}.lock`), 'exclusive');
      if (lock !== undefined) return { lock, name: String(index) };
    }
    throw new ArchBuildError('STORE_BUSY', `${MOST_PRIVATE} steps use private caches of one id`);
  }

  /** Two who make the same shared cache agree on the first one. */
  async #make(directory: string, fill: Fill): Promise<void> {
    const staged = join(this.#makeDirectory('cache'), 'cache');
    mkdirSync(staged, { mode: 0o700 });
    await fill(staged);
    if (!existsSync(directory)) renameSync(staged, directory);
  }
}
