/** Runs the instructions of one stage in order, each from the state the one before left. */
import { atLocation, type SourceLocation } from '../errors.ts';
import type { StepName } from '../events.ts';
import { parseTrigger } from '../kubefile/parse.ts';
import type { Instruction, Kubefile, Stage } from '../kubefile/instruction.ts';
import { formatPlatform } from '../oci/platform.ts';
import { cacheKeyOf } from './cache-key.ts';
import { runCached, type CachedStep } from './cached-step.ts';
import { applyConfigInstruction, type WordContext } from './config-steps.ts';
import { planCopy, type CopyContext } from './copy-step.ts';
import { planMounts } from './run-mounts.ts';
import { planRun } from './run-step.ts';
import { configFingerprint, containerConfigOf, withContainerConfig, type StageState } from './stage-state.ts';
import { applyWorkdir, planWorkdir } from './workdir-step.ts';

export interface StageContext extends CopyContext {
  readonly kubefile: Kubefile;
  readonly words: WordContext;
}

type StageInstruction = Stage['instructions'][number];

export async function runStage(context: StageContext, stage: Stage, begin: StageState): Promise<StageState> {
  const { triggers, state: first } = takeTriggers(context, begin);
  const instructions = [...triggers, ...stage.instructions];
  let state = first;
  for (const [index, instruction] of instructions.entries()) {
    context.job.signal.throwIfAborted();
    const name: StepName = {
      platform: formatPlatform(context.target),
      stage: stage.name ?? String(stage.index),
      index: index + 1,
      total: instructions.length,
    };
    try {
      state = await runStep(context, state, { instruction, name });
    } catch (error) {
      throw atLocation(error, locationOf(context.kubefile, instruction));
    }
  }
  return state;
}

/** ONBUILD triggers of the base run first and are not handed on to the child. */
function takeTriggers(
  { kubefile }: StageContext,
  state: StageState,
): { triggers: StageInstruction[]; state: StageState } {
  const texts = containerConfigOf(state).OnBuild ?? [];
  if (texts.length === 0) return { triggers: [], state };
  const triggers = texts.map((text) => parseTrigger(text, `ONBUILD of the base of ${kubefile.file}`));
  return { triggers, state: withContainerConfig(state, { OnBuild: [] }) };
}

async function runStep(
  context: StageContext,
  state: StageState,
  { instruction, name }: { readonly instruction: StageInstruction; readonly name: StepName },
): Promise<StageState> {
  const cached = (next: StageState, step: CachedStep): Promise<StageState> => runCached(context, next, step);
  switch (instruction.keyword) {
    case 'RUN':
      return cached(
        state,
        planRun(context, state, {
          instruction,
          name,
          mounts: await planMounts(context, state, instruction),
        }),
      );
    case 'COPY':
    case 'ADD':
      return cached(state, await planCopy(context, state, { instruction, name }));
    case 'WORKDIR': {
      const next = applyWorkdir(state, instruction, context.words);
      return cached(next, planWorkdir(context, next, { instruction, name }));
    }
    default: {
      const { state: next, createdBy } = applyConfigInstruction(state, instruction, context.words);
      if (instruction.keyword === 'ONBUILD') return next; // it is about a child image's history
      const key = cacheKeyOf({
        platform: formatPlatform(state.platform),
        parent: state.chain.at(-1),
        instruction: [createdBy],
        context: [['#config', configFingerprint(state)]],
      });
      return cached(next, { name, text: instruction.source, createdBy, key });
    }
  }
}

export function locationOf(kubefile: Kubefile, { range }: Instruction): SourceLocation {
  const { line, column } = range.start;
  const sourceLine = kubefile.text.split('\n')[line - 1]?.replace(/\r$/, '');
  return { file: kubefile.file, line, column, ...(sourceLine === undefined ? {} : { sourceLine }) };
}
