/** One stage of a plan: its steps against the cache, as far as their inputs are known without running anything. */
import { ArchBuildError, atLocation } from '../errors.ts';
import { expandWord } from '../kubefile/expand.ts';
import type { Instruction, Stage } from '../kubefile/instruction.ts';
import type { CacheKey } from '../oci/digest.ts';
import { formatPlatform } from '../oci/platform.ts';
import { withNewApplication } from './cluster-steps.ts';
import { lookUp } from './cached-step.ts';
import { describeBareRun } from './run-step.ts';
import { scopeOf } from './scope.ts';
import { locationOf, planStep, takeTriggers, type StageContext, type StepPlace } from './stage-runner.ts';
import { withStep, type StageState } from './stage-state.ts';

export interface StepPlan {
  readonly line: number;
  readonly instruction: string;
  /** As the history will have it: variables replaced. */
  readonly expanded?: string;
  /** `unknown`: its key depends on what has to be made first. */
  readonly cache: 'hit' | 'miss' | 'unknown';
  readonly key?: CacheKey;
  /** Why there is no key. */
  readonly because?: string;
  /** RUN: the mounts it asks for as written, and its sandbox as far as it is known, without what a probe adds. */
  readonly mounts?: readonly string[];
  readonly sandbox?: readonly string[];
}

/** Thrown by what would have to build, fetch or unpack. */
export class NotKnownYet extends Error {}

export interface Begin {
  readonly state: StageState;
  /** Why the layers are not known, when they are not. */
  readonly because: string | undefined;
  /** The base's config is not known: variables and applications may come from there. */
  readonly lacksBase: boolean;
}

export interface PlannedStage {
  readonly steps: readonly StepPlan[];
  readonly end: Begin;
}

export async function planSteps(context: StageContext, stage: Stage, begin: Begin): Promise<PlannedStage> {
  const { triggers, state } = takeTriggers(context, begin.state);
  const instructions = [...triggers, ...stage.instructions];
  const steps: StepPlan[] = [];
  let progress: Progress = { ...begin, state, isTimed: false };
  for (const [index, instruction] of instructions.entries()) {
    const name = {
      platform: formatPlatform(context.target),
      stage: stage.name ?? String(stage.index),
      index: index + 1,
      total: instructions.length,
    };
    const planned = await planOne(context, progress, { instruction, name });
    steps.push(planned.step);
    progress = planned.progress;
  }
  return { steps, end: progress };
}

interface Progress extends Begin {
  /** A step without layer has to be made: what comes after it has its time in the key. */
  readonly isTimed: boolean;
}

interface Planned {
  readonly step: StepPlan;
  readonly progress: Progress;
}

async function planOne(context: StageContext, progress: Progress, place: StepPlace): Promise<Planned> {
  const { instruction } = place;
  const head = {
    line: instruction.range.start.line,
    instruction: instruction.source,
    ...(instruction.keyword === 'RUN' && instruction.mounts.length > 0 && { mounts: instruction.mounts }),
  };
  try {
    refuseDownload(context, progress.state, instruction);
    const { state, step } = await planStep(context, progress.state, place);
    if (step === undefined) return { step: { ...head, cache: 'miss' }, progress: { ...progress, state } };
    const made = withStep(state, { created: '', createdBy: step.createdBy });
    const sandbox = step.describe?.();
    const shown = { ...head, expanded: step.createdBy, ...(sandbox && { sandbox }) };
    const because = progress.because ?? (progress.isTimed && step.make === undefined ? TIMED : undefined);
    if (because !== undefined)
      return { step: { ...shown, cache: 'unknown', because }, progress: { ...progress, state: made } };
    const { key, known } = lookUp(context, step);
    if (known === undefined) {
      const after = step.make === undefined ? undefined : `line ${head.line} has to be run first`;
      const next = {
        ...progress,
        state: made,
        because: after,
        isTimed: progress.isTimed || after === undefined,
      };
      return { step: { ...shown, cache: 'miss', key }, progress: next };
    }
    const result = withStep(state, { ...known, createdBy: step.createdBy });
    return { step: { ...shown, cache: 'hit', key }, progress: { ...progress, state: result } };
  } catch (error) {
    if (!(error instanceof NotKnownYet) && !isForgiven(error, progress))
      throw atLocation(error, locationOf(context.kubefile, instruction));
    const because = progress.because ?? (error instanceof Error ? error.message : String(error));
    const bare = instruction.keyword === 'RUN' && {
      sandbox: await describeBareRun(context, progress.state, instruction),
    };
    const step: StepPlan = { ...head, cache: 'unknown', because, ...bare };
    return { step, progress: { ...progress, state: afterUnknown(progress.state, instruction), because } };
  }
}

const TIMED = 'the time of a step above is part of it';

/** Without the base a word may not expand, and an application may not be there. */
const isForgiven = (error: unknown, { lacksBase }: Progress): boolean =>
  lacksBase &&
  error instanceof ArchBuildError &&
  (error.code === 'EXPANSION' || error.code === 'KUBEFILE_SEMANTICS');

/** An application is one before anybody has its files. */
function afterUnknown(state: StageState, instruction: Instruction): StageState {
  switch (instruction.keyword) {
    case 'APP':
    case 'CNI':
    case 'CSI':
      return withNewApplication(state, instruction, { type: '', files: [] });
    default:
      return state;
  }
}

function refuseDownload(
  { words: { escape } }: StageContext,
  state: StageState,
  instruction: Instruction,
): void {
  const words = fetchedWords(instruction);
  const remote = words
    .map((word) => expandWord(word, scopeOf(state.variables), { escape }))
    .find((word) => /^(?:[a-z][a-z0-9+.-]*:\/\/|git@)/i.test(word));
  if (remote !== undefined) throw new NotKnownYet(`${remote} has to be fetched first`);
}

function fetchedWords(instruction: Instruction): string[] {
  switch (instruction.keyword) {
    case 'ADD':
      return instruction.sources.flatMap((source) => (source.kind === 'word' ? [source.word] : []));
    case 'APP':
    case 'CNI':
    case 'CSI':
      return instruction.sources.map(({ word }) => word);
    default:
      return [];
  }
}
