/** Where the store is (or will be): file system, options, free room; and where it would be better off. */
import { existsSync, realpathSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { mountOf, type Mount } from './mounts.ts';
import { isWritable } from '../../sys/writable.ts';

export interface StoreFacts {
  readonly directory: string;
  /** The store itself, or the nearest directory above it that exists. */
  readonly existing: string;
  readonly writable: boolean;
  readonly mount: Mount | undefined;
  readonly freeBytes: number;
  /** Undefined where the file system does not count them (btrfs). */
  readonly freeInodes: number | undefined;
  /** A place that has none of the faults a store's place may have; undefined when there is none. */
  readonly alternative: string | undefined;
}

export async function storeFacts(directory: string, mounts: readonly Mount[]): Promise<StoreFacts> {
  const existing = realpathSync(nearest(resolve(directory)));
  return {
    directory,
    existing,
    writable: isWritable(existing),
    mount: mountOf(existing, mounts),
    ...(await room(existing)),
    alternative: await alternative(existing, mounts),
  };
}

type Room = Pick<StoreFacts, 'freeBytes' | 'freeInodes'>;

async function room(directory: string): Promise<Room> {
  const { bavail, bsize, ffree, files } = await statfs(directory);
  return { freeBytes: bavail * bsize, freeInodes: files === 0 ? undefined : ffree };
}

/** Kept over a reboot first. */
const ALTERNATIVES = ['/var/lib', '/var/tmp', '/srv', '/home', '/opt', '/mnt', '/tmp', '/dev/shm'];
const FIT_FILE_SYSTEMS = new Set([
  'ext4',
  'ext3',
  'ext2',
  'xfs',
  'btrfs',
  'f2fs',
  'tmpfs',
  'zfs',
  'bcachefs',
]);
const UNFIT_OPTIONS = ['ro', 'noexec', 'nosuid'];
const ENOUGH_BYTES = 4 * 2 ** 30;
const ENOUGH_INODES = 100_000;

async function alternative(existing: string, mounts: readonly Mount[]): Promise<string | undefined> {
  const present = mountOf(existing, mounts);
  for (const folder of ALTERNATIVES) {
    const mount = mountOf(folder, mounts);
    if (mount === undefined || mount === present || !isWritable(folder)) continue;
    if (!FIT_FILE_SYSTEMS.has(mount.type) || UNFIT_OPTIONS.some((option) => mount.options.includes(option)))
      continue;
    const { freeBytes, freeInodes = ENOUGH_INODES } = await room(folder);
    if (freeBytes >= ENOUGH_BYTES && freeInodes >= ENOUGH_INODES) return join(folder, 'arch-build');
  }
  return undefined;
}

const nearest = (directory: string): string =>
  existsSync(directory) || directory === '/' ? directory : nearest(dirname(directory));
