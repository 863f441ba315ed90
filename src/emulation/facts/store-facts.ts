/** Where the store is (or will be): file system, options, free room. */
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { mountOf, type Mount } from './mounts.ts';

export interface StoreFacts {
  readonly directory: string;
  /** The store itself, or the nearest directory above it that exists. */
  readonly existing: string;
  readonly writable: boolean;
  readonly mount: Mount | undefined;
  readonly freeBytes: number;
  /** Undefined where the file system does not count them (btrfs). */
  readonly freeInodes: number | undefined;
}

export async function storeFacts(directory: string, mounts: readonly Mount[]): Promise<StoreFacts> {
  const existing = realpathSync(nearest(resolve(directory)));
  const { bavail, bsize, ffree, files } = await statfs(existing);
  return {
    directory,
    existing,
    writable: isWritable(existing),
    mount: mountOf(existing, mounts),
    freeBytes: bavail * bsize,
    freeInodes: files === 0 ? undefined : ffree,
  };
}

const nearest = (directory: string): string =>
  existsSync(directory) || directory === '/' ? directory : nearest(dirname(directory));

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
