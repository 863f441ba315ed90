/** What a step once made, by cache key. A record whose snapshot is gone counts as absent. */
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import type { CacheKey, ChainId } from '../oci/digest.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { StoreLayout } from './layout.ts';

export interface CacheRecord {
  /** RFC 3339; goes into the history, so that a cached rebuild gives the same image. */
  readonly created: string;
  /** The snapshot the step added; undefined when it changed nothing. */
  readonly layer?: ChainId;
  /** Where it changed nothing: the layers it looked at. It goes when they go. */
  readonly parent?: ChainId;
}

export class CacheRecords {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  get(key: CacheKey): CacheRecord | undefined {
    try {
      const record = JSON.parse(readFileSync(this.#layout.cacheRecord(key), 'utf8')) as CacheRecord | null;
      if (typeof record?.created !== 'string') return undefined;
      const usable = record.layer === undefined || existsSync(this.#layout.snapshotTree(record.layer));
      return usable ? record : undefined;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  put(key: CacheKey, record: CacheRecord): void {
    writeFileAtomic(this.#layout.cacheRecord(key), JSON.stringify(record));
  }

  /**
   * Removes records that point to snapshots that are gone, or stand on layers that neither are unpacked nor `isNeeded`;
   * returns how many.
   */
  sweep(isNeeded: (layers: ChainId) => boolean): number {
    if (!existsSync(this.#layout.cache)) return 0;
    const dead = readdirSync(this.#layout.cache).filter((name) => {
      if (!name.endsWith('.json')) return false;
      const record = this.get(`sha256:${name.slice(0, -'.json'.length)}` as CacheKey);
      const parent = record?.parent;
      const stands =
        parent === undefined || existsSync(this.#layout.snapshotTree(parent)) || isNeeded(parent);
      return record === undefined || !stands;
    });
    for (const name of dead) rmSync(join(this.#layout.cache, name), { force: true });
    return dead.length;
  }
}
