/**
 * What is made once for all test files and runs and kept under .cache/. Of the files that run at the same time the
 * first makes it and the others wait.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { acquireLock, type Lock } from '../../src/sys/lock.ts';

export const CACHE = join(import.meta.dirname, '../../.cache');

/** As long as a hook may take. */
const WAIT_MS = 600_000;

/** Path of the file; `make` writes it elsewhere first, so that under its name there is only a whole one. */
export async function madeOnce(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const path = join(CACHE, name);
  if (existsSync(path)) return path;
  using _lock = await lockInCache(basename(path));
  if (existsSync(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  await make(`${path}.part`);
  await rename(`${path}.part`, path);
  return path;
}

/** The caller disposes it. */
export async function lockInCache(name: string): Promise<Lock> {
  const folder = join(CACHE, 'locks');
  await mkdir(folder, { recursive: true });
  return acquireLock(join(folder, name), 'exclusive', { waitMs: WAIT_MS });
}
