/** Advisory locks that the kernel frees when their holder dies: flock(2). */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { libc, systemError } from './libc.ts';

const LOCK = { shared: 1, exclusive: 2, nonBlocking: 4 } as const;
const POLL_MS = 25;

export interface Lock extends Disposable {
  readonly path: string;
}

/** The lock, or undefined when somebody else holds it in a way that excludes us. */
export function tryLock(path: string, mode: 'shared' | 'exclusive'): Lock | undefined {
  return tryLockOf(path, mode, 'a');
}

/** The same, of a directory as it is: nothing is written to it. */
export const tryLockDirectory = (path: string): Lock | undefined => tryLockOf(path, 'exclusive', 'r');

function tryLockOf(path: string, mode: 'shared' | 'exclusive', flags: 'a' | 'r'): Lock | undefined {
  const fd = openSync(path, flags);
  if (libc().flock(fd, LOCK[mode] | LOCK.nonBlocking) < 0) {
    const error = systemError('flock', path);
    closeSync(fd);
    if (error.code === 'EAGAIN') return undefined;
    throw error; // a file system without locks is not a busy one
  }
  if (!isStillThere(fd, path)) {
    closeSync(fd);
    return tryLockOf(path, mode, flags); // its last holder took it away: what we have is nobody's
  }
  let held = true;
  return {
    path,
    [Symbol.dispose]: () => {
      if (held) closeSync(fd);
      held = false;
    },
  };
}

function isStillThere(fd: number, path: string): boolean {
  const [locked, there] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return there?.ino === locked.ino && there.dev === locked.dev;
}

/** Waits for a directory's lock as long as it takes. Undefined where the file system has no locks. */
export async function lockDirectory(path: string, signal: AbortSignal): Promise<Lock | undefined> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  try {
    for (;;) {
      signal.throwIfAborted();
      const lock = tryLockDirectory(path);
      if (lock !== undefined) return lock;
      await sleep(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    if (LOCKLESS.includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** What flock(2) says there. */
const LOCKLESS: readonly string[] = ['ENOLCK', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL'];

/** Waits up to `waitMs`, then throws STORE_BUSY. Polls: a blocking flock would stop the event loop. */
export async function acquireLock(
  path: string,
  mode: 'shared' | 'exclusive',
  options: { waitMs: number },
): Promise<Lock> {
  const first = tryLock(path, mode);
  if (first !== undefined) return first; // before anything that only waiting needs is loaded
  const { setTimeout: sleep } = await import('node:timers/promises');
  const deadline = performance.now() + options.waitMs;
  while (performance.now() <= deadline) {
    await sleep(POLL_MS);
    const lock = tryLock(path, mode);
    if (lock !== undefined) return lock;
  }
  throw new ArchBuildError('STORE_BUSY', `another arch-build holds ${path}`, {
    hint: 'wait until it has finished, or use another --root',
  });
}
