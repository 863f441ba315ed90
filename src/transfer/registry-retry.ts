/** Tries again what may work the next time, with longer and longer waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ArchBuildError } from '../errors.ts';
import { TransientError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';

const ATTEMPTS = 5;
/** A registry that wants us to wait longer gets an error instead. Milliseconds. */
const LONGEST_WAIT_MS = 60_000;
const DEFAULT_BACKOFF_MS = 500;

/** Throws the last error, no longer as transient, after ATTEMPTS; and at once what is not a TransientError. */
export async function retrying<Value>(options: RegistryOptions, work: () => Promise<Value>): Promise<Value> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      await waitToRetry(error, failures, options);
    }
  }
}

/** Waits, or throws the error when this was one too many. `failures` counts from 1. */
export async function waitToRetry(error: unknown, failures: number, options: RegistryOptions): Promise<void> {
  if (!(error instanceof TransientError)) throw error;
  const backoff =
    (options.backoffMs ?? DEFAULT_BACKOFF_MS) * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
  const wait = Math.max(backoff, error.retryAfterMs ?? 0);
  if (failures >= ATTEMPTS || wait > LONGEST_WAIT_MS) throw final(error);
  options.report?.({ type: 'info', text: `${error.message}; next try in ${Math.ceil(wait / 100) / 10} s` });
  try {
    await sleep(wait, undefined, options.signal === undefined ? {} : { signal: options.signal });
  } catch (cause) {
    throw new ArchBuildError('INTERRUPTED', 'the transfer was interrupted', { cause });
  }
}

/** Whoever is above must not start all over. */
function final({ code, message, hint, cause }: TransientError): ArchBuildError {
  return new ArchBuildError(code, message, { cause, ...(hint === undefined ? {} : { hint }) });
}
