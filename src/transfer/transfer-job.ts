/** For whom images are moved: the store at hand, and who listens. */
import type { Reporter } from '../events.ts';
import type { Store } from '../store/store.ts';

export interface Control {
  readonly report?: Reporter;
  readonly signal?: AbortSignal;
}

export interface TransferJob extends Control {
  readonly store: Store;
}

/** The part of a job that functions without a store take. */
export const controlOf = ({ report, signal }: Control): Control => ({
  ...(report === undefined ? {} : { report }),
  ...(signal === undefined ? {} : { signal }),
});
