/** One temporary directory for a moment, which is gone after the process however that ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startReaper } from './reaper.ts';

export interface Temporary extends AsyncDisposable {
  readonly directory: string;
}

/** The caller disposes it. Mode 0700. */
export function openTemporary(prefix: string): Temporary {
  const directory = mkdtempSync(join(tmpdir(), `${prefix}-`));
  const reaper = startReaper(REMOVE_SCRIPT, [directory]);
  return {
    directory,
    [Symbol.asyncDispose]: async () => {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
      await reaper[Symbol.asyncDispose]();
    },
  };
}

/** Processes that were started in there may still be dying. */
const REMOVE_SCRIPT = 'for attempt in 1 2 3 4 5; do rm -rf -- "$1" && exit; sleep 0.2; done';
