/** One step with its cache: reuse what it once made, or make it and remember. */
import type { StepName } from '../events.ts';
import type { CacheKey, ChainId } from '../oci/digest.ts';
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

type StepContext = Pick<RunContext, 'job' | 'options' | 'steps' | 'imported' | 'exported' | 'waitFor'>;

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
  const { key, known } = lookUp(context, step);
  if (known !== undefined) reportCached(context, step);
  const { from, ...made } = known ?? (await makeOnce(context, step, { key, parent: state.chain.at(-1) }));
  const { created, snapshot } = made;
  const record = {
    key,
    created,
    ...(snapshot && { layer: { diffId: snapshot.diffId, size: snapshot.size } }),
  };
  context.exported(step.name, record, known === undefined && from === undefined);
  return { ...withStep(state, { ...made, createdBy: step.createdBy }), made: [...state.made, record] };
}

const reportStarted = ({ job: { report } }: StepContext, { name, text }: CachedStep): void => {
  report({ type: 'step-started', step: name, text });
};

/** `from`: of the cache that is not the store's. */
const reportCached = ({ job: { report } }: StepContext, { name, text }: CachedStep, from?: string): void => {
  report({ type: 'step-cached', step: name, text, ...(from === undefined ? {} : { from }) });
};

interface StepPlace {
  readonly key: CacheKey;
  /** The layers it stands on. */
  readonly parent: ChainId | undefined;
}

/** Whoever wants the step first asks the caches for it and makes it; a slot is given back while others do. */
async function makeOnce(context: StepContext, step: CachedStep, place: StepPlace): Promise<MadeStep> {
  const elsewhere = context.steps.get(place.key);
  if (elsewhere === undefined) return context.steps.make(place.key, () => importOrMake(context, step, place));
  const made = await context.waitFor(elsewhere);
  if (step.make === undefined) reportStarted(context, step);
  else reportCached(context, step);
  return made;
}

async function importOrMake(context: StepContext, step: CachedStep, place: StepPlace): Promise<MadeStep> {
  const { options, imported } = context;
  const found = options.noCache && step.make !== undefined ? undefined : await imported(place.key);
  if (found === undefined) reportStarted(context, step);
  else reportCached(context, step, found.from);
  return found ?? makeStep(context, step, place);
}

async function makeStep(
  { job, options }: StepContext,
  step: CachedStep,
  place: StepPlace,
): Promise<MadeStep> {
  const start = performance.now();
  const snapshot = await step.make?.();
  const created = creationTime(options);
  const { key, parent } = place;
  job.store.cache.put(key, {
    created,
    ...(snapshot ? { layer: snapshot.chainId } : parent !== undefined && { parent }),
  });
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
