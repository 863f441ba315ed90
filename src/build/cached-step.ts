/** One step with its cache: reuse what it once made, or make it and remember. */
import type { StepName } from '../events.ts';
import type { CacheKey } from '../oci/digest.ts';
import type { CacheRecord } from '../store/cache-records.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { keyAtEpoch } from './cache-key.ts';
import type { BuildOptions, Job } from './options.ts';
import { withStep, type StageState } from './stage-state.ts';

export interface CachedStep {
  readonly name: StepName;
  /** What progress shows. */
  readonly text: string;
  readonly createdBy: string;
  readonly key: CacheKey;
  /** Makes the step's layer; undefined when it changes nothing. Absent for steps that never add one. */
  readonly make?: () => Promise<Snapshot | undefined>;
}

interface StepContext {
  readonly job: Job;
  readonly options: BuildOptions;
}

/** The step's key, and what it once made, when that is still there and may be used. */
export function lookUp(
  { job: { store }, options }: StepContext,
  step: CachedStep,
): { key: CacheKey; known: CacheRecord | undefined; snapshot: Snapshot | undefined } {
  const key = keyAtEpoch(step.key, options.sourceDateEpoch);
  const known = options.noCache && step.make !== undefined ? undefined : store.cache.get(key);
  const snapshot = known?.layer === undefined ? undefined : store.snapshots.get(known.layer);
  return { key, known, snapshot };
}

export async function runCached(
  context: StepContext,
  state: StageState,
  step: CachedStep,
): Promise<StageState> {
  const { store, report } = context.job;
  const { options } = context;
  const { key, known, snapshot: cached } = lookUp(context, step);
  if (known !== undefined) {
    report({ type: 'step-cached', step: step.name, text: step.text });
    return withStep(state, {
      created: known.created,
      createdBy: step.createdBy,
      ...(cached && { snapshot: cached }),
    });
  }
  report({ type: 'step-started', step: step.name, text: step.text });
  const start = performance.now();
  const snapshot = await step.make?.();
  const created = creationTime(options);
  store.cache.put(key, { created, ...(snapshot && { layer: snapshot.chainId }) });
  if (step.make === undefined) return withStep(state, { created, createdBy: step.createdBy });
  report({
    type: 'step-finished',
    step: step.name,
    milliseconds: performance.now() - start,
    layerBytes: snapshot?.size,
  });
  return withStep(state, { created, createdBy: step.createdBy, ...(snapshot && { snapshot }) });
}

export function creationTime({ sourceDateEpoch }: Pick<BuildOptions, 'sourceDateEpoch'>): string {
  const milliseconds = sourceDateEpoch === undefined ? Date.now() : sourceDateEpoch * 1000;
  return new Date(milliseconds).toISOString();
}
