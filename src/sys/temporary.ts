/** One temporary directory for a moment, which is gone after the process however and whenever that ends. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startReaper } from './reaper.ts';

export interface Temporary extends AsyncDisposable {
  readonly directory: string;
}

/**
 * `PARENT/PREFIX-RANDOM`, new and empty, mode 0700. The caller disposes it, also after it has moved it elsewhere.
 * Throws the system's error when it cannot be made.
 */
export function openTemporary(prefix: string, parent = tmpdir()): Temporary {
  const directory = join(parent, `${prefix}-${randomName()}`);
  const reaper = startReaper(REMOVE_SCRIPT, [directory]); // before there is anything to be left behind
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    void reaper[Symbol.asyncDispose]();
    throw error;
  }
  return {
    directory,
    [Symbol.asyncDispose]: async () => {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
      await reaper[Symbol.asyncDispose]();
    },
  };
}

export const randomName = (): string => randomBytes(6).toString('hex');

/** Of all that is named. Processes that were started in there may still be dying, hence the attempts. */
export const REMOVE_SCRIPT = 'for attempt in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$@" && exit; sleep 0.2; done';
