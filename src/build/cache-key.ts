/**
 * The key of a step's result. Its inputs, in the order hashed: a version of what steps make, the platform, the chain of
 * layers below, the instruction after expansion, and what else the kind of step depends on. Timestamps of source files
 * and the emulator's version are not among them.
 */
import { createHash } from 'node:crypto';
import type { CacheKey, ChainId } from '../oci/digest.ts';

/** Goes up when an instruction makes something else than before: results of the old way are not found then. */
const VERSION = 'arch-build step 2';

export interface CacheInputs {
  readonly platform: string;
  readonly parent: ChainId | undefined;
  /** Keyword and operands after expansion, unambiguously separated. */
  readonly instruction: readonly string[];
  /** Name and value of everything else that decides the result: environment, user, content digests… */
  readonly context: readonly (readonly [string, string])[];
}

export function cacheKeyOf(inputs: CacheInputs): CacheKey {
  const lines = [VERSION, inputs.platform, inputs.parent ?? '', inputs.instruction, inputs.context];
  return keyOf(lines);
}

/** `--source-date-epoch` decides times of layers and history, so each epoch has results of its own. */
export const keyAtEpoch = (key: CacheKey, epochSeconds: number | undefined): CacheKey =>
  epochSeconds === undefined ? key : keyOf([VERSION, key, epochSeconds]);

const keyOf = (values: readonly unknown[]): CacheKey =>
  `sha256:${createHash('sha256').update(JSON.stringify(values)).digest('hex')}` as CacheKey;
