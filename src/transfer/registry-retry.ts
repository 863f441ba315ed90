/** Tries again what may work the next time, with longer and longer waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ArchBuildError } from '../errors.ts';
import { codeOfCause, StartAnewError, TransientError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';

/** How often and when, as a user wants it instead. */
export interface RetryPolicy {
  /** Tries after the first. */
  readonly retries?: number | undefined;
  /** The wait before each of them. */
  readonly delayMs?: number | undefined;
}

const RETRIES = 4;
/** A registry that wants us to wait longer gets an error instead. Milliseconds. */
const LONGEST_WAIT_MS = 60_000;
const DEFAULT_BACKOFF_MS = 500;

let policy: RetryPolicy = {};

/** Once in a process, by whoever reads the command line. */
export function setRetryPolicy(wanted: RetryPolicy): void {
  policy = wanted;
}

/**
 * Throws the last error, no longer as transient, after the last try; and at once what is not worth another one. What is
 * to start anew does, without a wait: whoever throws that has one place less to ask each time.
 */
export async function retrying<Value>(options: RegistryOptions, work: () => Promise<Value>): Promise<Value> {
  for (let failures = 0; ;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StartAnewError)) await waitToRetry(error, ++failures, options);
    }
  }
}

/** Waits, or throws the error when this was one too many. `failures` counts from 1. */
export async function waitToRetry(error: unknown, failures: number, options: RegistryOptions): Promise<void> {
  if (!isWorthRetry(error)) throw error;
  const { retries = RETRIES } = policy;
  const wait = waitFor(error, failures, options);
  if (failures > retries || wait > LONGEST_WAIT_MS) throw final(error);
  options.report?.({
    type: 'info',
    text: `${error.message}; try ${failures} of ${retries} more in ${durationText(wait)}`,
  });
  try {
    await sleep(wait, undefined, options.signal === undefined ? {} : { signal: options.signal });
  } catch (cause) {
    throw new ArchBuildError('INTERRUPTED', 'the transfer was interrupted', { cause });
  }
}

/** A host that refuses or is not found is one that the user got wrong, unless he says that it only starts again. */
function isWorthRetry(error: unknown): error is ArchBuildError {
  if (error instanceof TransientError) return true;
  const code = policy.retries === undefined ? undefined : codeOfCause(error);
  return code !== undefined && ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'].includes(code);
}

/** Milliseconds. */
function waitFor(error: ArchBuildError, failures: number, { backoffMs }: RegistryOptions): number {
  const backoff = (backoffMs ?? DEFAULT_BACKOFF_MS) * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
  const asked = error instanceof TransientError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(policy.delayMs ?? backoff, asked);
}

const durationText = (milliseconds: number): string =>
  milliseconds < 1000 ? `${Number(milliseconds.toFixed(3))} ms` : `${Math.ceil(milliseconds / 100) / 10} s`;

/** Whoever is above must not start all over. */
function final({ code, message, hint, cause }: ArchBuildError): ArchBuildError {
  return new ArchBuildError(code, message, { cause, ...(hint === undefined ? {} : { hint }) });
}
