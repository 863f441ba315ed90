/** One step with its cache: reuse what it once made, or make it and remember. */
import type { StepName } from '../events.ts';
import type { CacheKey } from '../oci/digest.ts';
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

export async function runCached(
  { job: { store, report }, options }: { readonly job: Job; readonly options: BuildOptions },
  state: StageState,
  step: CachedStep,
): Promise<StageState> {
  const key = keyAtEpoch(step.key, options.sourceDateEpoch);
  const known = options.noCache && step.make !== undefined ? undefined : store.cache.get(key);
  if (known !== undefined) {
    const snapshot = known.layer === undefined ? undefined : store.snapshots.get(known.layer);
    report({ type: 'step-cached', step: step.name, text: step.text });
    return withStep(state, {
      created: known.created,
      createdBy: step.createdBy,
      ...(snapshot && { snapshot }),
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
