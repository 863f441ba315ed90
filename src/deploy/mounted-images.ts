/** Which images are mounted where, and taking them away again. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { mountIdOf, mountNameOf, type MountRecord } from '../store/mount-records.ts';
import type { Store } from '../store/store.ts';
import { unmount } from '../sys/lasting-mount.ts';
import { mountTable, type MountedAt } from '../sys/mount-table.ts';

export interface MountedImage extends MountRecord {
  /** False for one in a mount namespace that is not ours: only from there it can be unmounted. */
  readonly here: boolean;
}

/** Where they are now: a directory above may have been renamed since. */
export function mountedImages(store: Store): MountedImage[] {
  store.mounts.sweep();
  const table = mountTable();
  return store.mounts.list().map((record) => {
    const found = table.find(({ source }) => source === mountNameOf(record));
    return { ...record, target: found?.directory ?? record.target, here: found !== undefined };
  });
}

/**
 * Takes the image on a directory away; false when there is none. Throws USAGE for a mount that is not of this store,
 * IO when it is in use.
 */
export function unmountImage(store: Store, target: string): boolean {
  const directory = realPath(target);
  const mounted = mountTable().findLast((mount) => mount.directory === directory);
  if (mounted !== undefined) unmount(ownMount(store, mounted));
  else refuseElsewhere(store, directory);
  store.mounts.sweep();
  return mounted !== undefined;
}

function ownMount(store: Store, { directory, source, type }: MountedAt): string {
  const id = mountIdOf(source);
  if (id !== undefined && store.mounts.list().some((record) => record.id === id)) return directory;
  throw new ArchBuildError('USAGE', `${directory} is a mount (${type}), but not of an image of this store`, {
    hint: id === undefined ? `see findmnt ${directory}` : 'name the store it is of with --root',
  });
}

function refuseElsewhere(store: Store, directory: string): void {
  const elsewhere = mountedImages(store).find((image) => image.target === directory && !image.here);
  if (elsewhere === undefined) return;
  throw new ArchBuildError(
    'USAGE',
    `${elsewhere.image} is mounted on ${directory} in another mount namespace`,
    {
      hint: 'unmount it from there, or end the processes in that namespace',
    },
  );
}

/** A directory that is gone has nothing on it. */
function realPath(target: string): string {
  try {
    return realpathSync(target);
  } catch {
    return resolve(target);
  }
}
