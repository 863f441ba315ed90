/**
 * Temporary directories that are gone after the process, whatever ended it.
 *
 * A session directory holds them all. It is removed at the end; when this process is killed, a reaper removes it; and
 * when even that was killed, the next session does, because the flock on its `lock` file is free.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock, type Lock } from './lock.ts';
import { startReaper } from './reaper.ts';
import { randomName, REMOVE_SCRIPT } from './temporary.ts';

export interface Session extends AsyncDisposable {
  readonly directory: string;
  /** A new empty directory, mode 0700, that lives as long as the session unless removed before. */
  makeDirectory(prefix: string): string;
}

/** The caller disposes the session; `parent` is made when missing. */
export function openSession(parent: string): Session {
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  sweep(parent);
  const [opening, directory] = namesOf(parent, randomName());
  const reaper = startReaper(REMOVE_SCRIPT, [opening, directory]); // before there is anything to be left behind
  const lock = makeLocked(opening, directory);
  return {
    directory,
    makeDirectory: (prefix) => mkdtempSync(join(directory, `${prefix}-`)),
    [Symbol.asyncDispose]: async () => {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
      lock?.[Symbol.dispose]();
      await reaper[Symbol.asyncDispose]();
    },
  };
}

const OPENING = 'opening-';
const HOUR_MS = 3_600_000;

const namesOf = (parent: string, name: string): readonly [opening: string, directory: string] => [
  join(parent, `${OPENING}${name}`),
  join(parent, `session-${name}`),
];

/** Under its name only once it is locked: another session's sweep must not take it for a dead one. */
function makeLocked(opening: string, directory: string): Lock | undefined {
  mkdirSync(opening, { mode: 0o700 });
  const lock = tryLock(join(opening, 'lock'), 'exclusive');
  renameSync(opening, directory);
  return lock;
}

/** Removes what dead sessions left. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const directory = join(parent, name);
    if (name.startsWith(OPENING) && !isOld(directory)) continue;
    const lock = existsSync(join(directory, 'lock')) ? tryOrIgnore(join(directory, 'lock')) : undefined;
    if (lock === undefined) continue;
    rmSync(directory, { recursive: true, force: true });
    lock[Symbol.dispose]();
  }
}

function isOld(directory: string): boolean {
  const time = statSync(directory, { throwIfNoEntry: false })?.mtimeMs;
  return time !== undefined && time < Date.now() - HOUR_MS;
}

/** A session that ends at this moment takes its lock file away under us. */
function tryOrIgnore(path: string): Lock | undefined {
  try {
    return tryLock(path, 'exclusive');
  } catch {
    return undefined;
  }
}
