/**
 * Unpacked layers by chainID: directories in overlay form that are lowerdirs of later steps. A snapshot is made in
 * the session's directory and renamed into place, so it is whole or absent; two builds that make the same one agree.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { chainIdOf, type ChainId, type DiffId } from '../oci/digest.ts';
import { writeFileAtomic } from '../sys/atomic-file.ts';
import type { StoreLayout } from './layout.ts';

export interface Snapshot {
  readonly chainId: ChainId;
  readonly parent?: ChainId;
  readonly diffId: DiffId;
  /** Of the uncompressed layer tar, bytes. */
  readonly size: number;
  /** The root directory's own mode or owner is part of the layer. */
  readonly includeRoot: boolean;
}

/** How to make a layer's tar again, for layers whose bytes are not kept. */
export interface LayerRecord {
  readonly chainId: ChainId;
  readonly size: number;
}

export class Snapshots {
  readonly #layout: StoreLayout;
  /** A new directory of the session, for what is being removed. */
  readonly #discarded: () => string;

  constructor(layout: StoreLayout, discarded: () => string) {
    this.#layout = layout;
    this.#discarded = discarded;
  }

  has(chainId: ChainId): boolean {
    return existsSync(join(this.#layout.snapshot(chainId), 'snapshot.json'));
  }

  get(chainId: ChainId): Snapshot {
    const path = join(this.#layout.snapshot(chainId), 'snapshot.json');
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Snapshot;
    } catch (cause) {
      throw new ArchBuildError('STORE', `snapshot ${chainId} is missing or damaged`, {
        hint: 'run `arch-build prune`, then build again',
        cause,
      });
    }
  }

  /** The lowerdirs of an image's chain, topmost first. */
  trees(chain: readonly ChainId[]): string[] {
    return chain.map((chainId) => this.#layout.snapshotTree(chainId)).reverse();
  }

  /**
   * Takes over `staged/fs` (same file system) as the snapshot of `diffId` on `parent`; `staged` is gone afterwards.
   * `regenerable`: its tar can be made from it again byte for byte, so the layer's bytes need not be kept.
   */
  commit(staged: string, layer: Omit<Snapshot, 'chainId'>, options: { regenerable: boolean }): Snapshot {
    const snapshot: Snapshot = { chainId: chainIdOf(layer.parent, layer.diffId), ...layer };
    writeFileSync(join(staged, 'snapshot.json'), JSON.stringify(snapshot));
    mkdirSync(this.#layout.snapshots, { recursive: true });
    try {
      renameSync(staged, this.#layout.snapshot(snapshot.chainId));
    } catch (error) {
      if (!['EEXIST', 'ENOTEMPTY'].includes(systemErrorCode(error) ?? '')) throw error;
      rmSync(staged, { recursive: true, force: true });
    }
    if (options.regenerable) {
      const record: LayerRecord = { chainId: snapshot.chainId, size: snapshot.size };
      writeFileAtomic(this.#layout.layer(snapshot.diffId), JSON.stringify(record));
    }
    return snapshot;
  }

  /** Undefined when the layer's bytes cannot be made from a snapshot. */
  layerRecord(diffId: DiffId): LayerRecord | undefined {
    try {
      const record = JSON.parse(readFileSync(this.#layout.layer(diffId), 'utf8')) as LayerRecord;
      return this.has(record.chainId) ? record : undefined;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** In milliseconds since 1970. */
  madeAt(chainId: ChainId): number {
    return statSync(join(this.#layout.snapshot(chainId), 'snapshot.json')).mtimeMs;
  }

  /** Another one when the snapshot was removed and made again: the inode and the time of its description. */
  identityOf(chainId: ChainId): string {
    const { ino, ctimeNs } = statSync(join(this.#layout.snapshot(chainId), 'snapshot.json'), {
      bigint: true,
    });
    return `${ino} ${ctimeNs}`;
  }

  /** The layers that have a record. */
  recorded(): DiffId[] {
    const names = existsSync(this.#layout.layers) ? readdirSync(this.#layout.layers) : [];
    return names.flatMap((name) =>
      /^[0-9a-f]{64}\.json$/.test(name) ? [`sha256:${name.slice(0, 64)}` as DiffId] : [],
    );
  }

  /** Without the damaged ones. */
  list(): Snapshot[] {
    return this.#names().flatMap((hex) => this.#readable(hex) ?? []);
  }

  /** Removes what is damaged, so that it can be made again; returns how many. */
  sweep(): number {
    const damaged = this.#names().filter((hex) => this.#readable(hex) === undefined);
    for (const hex of damaged) this.#discard(join(this.#layout.snapshots, hex));
    return damaged.length;
  }

  remove(snapshot: Snapshot): void {
    const record = this.layerRecord(snapshot.diffId);
    if (record?.chainId === snapshot.chainId) rmSync(this.#layout.layer(snapshot.diffId), { force: true });
    this.#discard(this.#layout.snapshot(snapshot.chainId));
  }

  #names(): string[] {
    return existsSync(this.#layout.snapshots) ? readdirSync(this.#layout.snapshots) : [];
  }

  #readable(hex: string): Snapshot | undefined {
    try {
      return this.get(`sha256:${hex}` as ChainId);
    } catch (error) {
      if (error instanceof ArchBuildError) return undefined;
      throw error;
    }
  }

  /** Out of the way at once: a removal that is cut short leaves no half of a snapshot behind. */
  #discard(directory: string): void {
    const aside = this.#discarded();
    if (existsSync(directory)) renameSync(directory, join(aside, basename(directory)));
    rmSync(aside, { recursive: true, force: true });
  }
}
