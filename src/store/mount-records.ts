/**
 * Which images are mounted where. A mount outlives the command that made it, so a directory of the store stands for
 * it: it says which snapshots must stay, and holds what the mount is made of.
 *
 *   mounts/<id>/record.json   what is mounted, and where
 *   mounts/<id>/lock          held while the mount is being made
 *   mounts/<id>/l, upper, …   the maker's
 *
 * The mount itself has the name `arch-build-<id>` in the kernel's mount table. A record whose name is in no table, and
 * whose lock nobody holds, is of a mount that is gone: unmounted by hand, with its namespace, or by a reboot, or never
 * made because its maker was killed. It is swept away.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ChainId, Digest } from '../oci/digest.ts';
import { tryLock, type Lock } from '../sys/lock.ts';
import { mountsEverywhere } from '../sys/mount-table.ts';

export interface MountRecord {
  readonly id: string;
  /** `rootfs`: one platform's tree. `registry`: the container images of all platforms. */
  readonly kind: 'rootfs' | 'registry';
  /** As the image was named. */
  readonly image: string;
  /** Of what the name stood for. */
  readonly digest: Digest;
  readonly platforms: readonly string[];
  readonly writable: boolean;
  readonly target: string;
  /** The snapshots it needs. */
  readonly chain: readonly ChainId[];
}

/** A record that is being made: its directory is kept from sweeps until it is disposed. */
export interface MountDirectory extends Disposable {
  readonly record: MountRecord;
  readonly directory: string;
}

const NAME = 'arch-build-';

export class MountRecords {
  readonly #parent: string;
  readonly #makeDirectory: (prefix: string) => string;

  constructor(parent: string, makeDirectory: (prefix: string) => string) {
    this.#parent = parent;
    this.#makeDirectory = makeDirectory;
  }

  /** `fill` puts what the mount is made of into the directory. The caller mounts, and then disposes. */
  create(wanted: Omit<MountRecord, 'id'>, fill: (directory: string) => void): MountDirectory {
    const record: MountRecord = { id: randomBytes(6).toString('hex'), ...wanted };
    const staged = this.#makeDirectory('mount');
    writeFileSync(join(staged, 'record.json'), JSON.stringify(record));
    fill(staged);
    const lock = tryLock(join(staged, 'lock'), 'exclusive');
    mkdirSync(this.#parent, { recursive: true, mode: 0o700 });
    const directory = join(this.#parent, record.id);
    renameSync(staged, directory);
    return { record, directory, [Symbol.dispose]: () => lock?.[Symbol.dispose]() };
  }

  list(): MountRecord[] {
    return this.#names().flatMap((id) => readRecord(join(this.#parent, id)) ?? []);
  }

  /** Removes the records of mounts that are gone. */
  sweep(): void {
    const names = this.#names();
    if (names.length === 0) return;
    const mounted = new Set(mountsEverywhere().map(({ source }) => source));
    for (const id of names) {
      const directory = join(this.#parent, id);
      if (mounted.has(mountNameOf({ id }))) continue;
      using lock = lockOf(directory);
      if (lock !== undefined) rmSync(directory, { recursive: true, force: true });
    }
  }

  #names(): string[] {
    return existsSync(this.#parent) ? readdirSync(this.#parent) : [];
  }
}

/** What the mount table shows for it. */
export const mountNameOf = ({ id }: Pick<MountRecord, 'id'>): string => `${NAME}${id}`;

/** The id in a name of the mount table; undefined for mounts of others. */
export const mountIdOf = (source: string): string | undefined =>
  source.startsWith(NAME) ? source.slice(NAME.length) : undefined;

/** Undefined while its maker is at work. */
function lockOf(directory: string): Lock | undefined {
  try {
    return tryLock(join(directory, 'lock'), 'exclusive');
  } catch {
    return undefined; // another sweep has just removed it
  }
}

function readRecord(directory: string): MountRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, 'record.json'), 'utf8')) as MountRecord;
  } catch {
    return undefined; // just removed
  }
}
