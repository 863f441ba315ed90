/** One step with its cache: reuse what it once made, or make it and remember. */
import type { StepName } from '../events.ts';
import type { CacheKey } from '../oci/digest.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { keyAtEpoch } from './cache-key.ts';
import type { BuildOptions } from './options.ts';
import type { MadeStep, RunContext } from './step-context.ts';
import { withStep, type StageState } from './stage-state.ts';

export interface CachedStep {
  readonly name: StepName;
  /** What progress shows. */
  readonly text: string;
  readonly createdBy: string;
  readonly key: CacheKey;
  /** RUN: the operations of its sandbox, for people. */
  readonly describe?: () => readonly string[];
  /** Makes the step's layer; undefined when it changes nothing. Absent for steps that never add one. */
  readonly make?: () => Promise<Snapshot | undefined>;
}

type StepContext = Pick<RunContext, 'job' | 'options' | 'steps' | 'imported' | 'waitFor'>;

/** The step's key, and what it once made, when that is still there and may be used. */
export function lookUp(
  { job: { store }, options }: Pick<StepContext, 'job' | 'options'>,
  step: CachedStep,
): { key: CacheKey; known: MadeStep | undefined } {
  const key = keyAtEpoch(step.key, options.sourceDateEpoch);
  const record = options.noCache && step.make !== undefined ? undefined : store.cache.get(key);
  if (record === undefined || (step.make !== undefined && isTooOld(record, options)))
    return { key, known: undefined };
  const { created, layer } = record;
  return { key, known: { created, ...(layer && { snapshot: store.snapshots.get(layer) }) } };
}

/** By the time its image says, which `--source-date-epoch` may have set. */
const isTooOld = (
  { created }: { readonly created: string },
  { cacheTtl = Infinity }: Pick<BuildOptions, 'cacheTtl'>,
): boolean => Date.now() - Date.parse(created) > cacheTtl;

/** What another platform or stage of this build makes counts as cached too, even with `--no-cache`. */
export async function runCached(
  context: StepContext,
  state: StageState,
  step: CachedStep,
): Promise<StageState> {
  const { report } = context.job;
  const { name, text, createdBy } = step;
  const { key, known } = lookUp(context, step);
  let found = known ?? (await fromOthers(context, step, key));
  // Somebody may have begun while the caches were asked; from here to our own beginning nobody else gets a turn.
  const meanwhile = found === undefined ? begunElsewhere(context, step, key) : undefined;
  if (meanwhile !== undefined) found = await context.waitFor(meanwhile);
  report({ type: found === undefined ? 'step-started' : 'step-cached', step: name, text });
  const made = found ?? (await context.steps.make(key, () => makeStep(context, step, key)));
  const { created, snapshot } = made;
  const record = {
    key,
    created,
    ...(snapshot && { layer: { diffId: snapshot.diffId, size: snapshot.size } }),
  };
  return { ...withStep(state, { ...made, createdBy }), made: [...state.made, record] };
}

/** What another platform or stage of this build makes or has made. */
const begunElsewhere = (
  context: StepContext,
  step: CachedStep,
  key: CacheKey,
): Promise<MadeStep> | undefined => (step.make === undefined ? undefined : context.steps.get(key));

async function fromOthers(
  context: StepContext,
  step: CachedStep,
  key: CacheKey,
): Promise<MadeStep | undefined> {
  const elsewhere = begunElsewhere(context, step, key);
  return elsewhere === undefined ? importedStep(context, step, key) : context.waitFor(elsewhere);
}

async function importedStep(
  { options, imported }: StepContext,
  step: CachedStep,
  key: CacheKey,
): Promise<MadeStep | undefined> {
  return options.noCache && step.make !== undefined ? undefined : imported(key);
}

async function makeStep({ job, options }: StepContext, step: CachedStep, key: CacheKey): Promise<MadeStep> {
  const start = performance.now();
  const snapshot = await step.make?.();
  const created = creationTime(options);
  job.store.cache.put(key, { created, ...(snapshot && { layer: snapshot.chainId }) });
  if (step.make !== undefined) {
    job.report({
      type: 'step-finished',
      step: step.name,
      milliseconds: performance.now() - start,
      layerBytes: snapshot?.size,
    });
  }
  return { created, ...(snapshot && { snapshot }) };
}

export function creationTime({ sourceDateEpoch }: Pick<BuildOptions, 'sourceDateEpoch'>): string {
  const milliseconds = sourceDateEpoch === undefined ? Date.now() : sourceDateEpoch * 1000;
  return new Date(milliseconds).toISOString();
}
