/** Runs the instructions of one stage in order, each from the state the one before left. */
import { atLocation, type SourceLocation } from '../errors.ts';
import type { StepName } from '../events.ts';
import { parseTrigger } from '../kubefile/parse.ts';
import type { ArgInstruction, Instruction, Kubefile, Stage } from '../kubefile/instruction.ts';
import { formatPlatform } from '../oci/platform.ts';
import { cacheKeyOf } from './cache-key.ts';
import { runCached, type CachedStep } from './cached-step.ts';
import { planApp } from './app-step.ts';
import {
  applyClusterInstruction,
  requireStartable,
  withClusterSide,
  type ClusterConfigInstruction,
} from './cluster-steps.ts';
import {
  applyConfigInstruction,
  type ConfigInstruction,
  type ConfigStep,
  type WordContext,
} from './config-steps.ts';
import type { CopyContext } from './copy-operands.ts';
import { planCopy } from './copy-step.ts';
import { planMounts } from './run-mounts.ts';
import { planRun } from './run-step.ts';
import { planToolbox } from './step-toolbox.ts';
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
  try {
    requireStartable(state);
  } catch (error) {
    const last = stage.instructions.findLast(({ keyword }) => ['APP', 'CNI', 'CSI'].includes(keyword));
    throw atLocation(error, locationOf(context.kubefile, last ?? stage.from));
  }
  return state;
}

/** ONBUILD triggers of the base run first and are not handed on to the child. */
export function takeTriggers(
  { kubefile }: StageContext,
  state: StageState,
): { triggers: StageInstruction[]; state: StageState } {
  const texts = containerConfigOf(state).OnBuild ?? [];
  if (texts.length === 0) return { triggers: [], state };
  const triggers = texts.map((text) => parseTrigger(text, `ONBUILD of the base of ${kubefile.file}`));
  return { triggers, state: withContainerConfig(state, { OnBuild: [] }) };
}

async function runStep(context: StageContext, state: StageState, place: StepPlace): Promise<StageState> {
  const { state: next, step } = await planStep(context, state, place);
  if (place.instruction.keyword === 'ARG') reportUnset(context, next, place.instruction);
  return step === undefined ? next : runCached(context, next, step);
}

/** BuildKit says nothing of an ARG without a value, and it may be meant so; whoever looks for one learns it here. */
function reportUnset({ job }: StageContext, { variables }: StageState, { args }: ArgInstruction): void {
  for (const { key } of args)
    if (!variables.has(key))
      job.report({
        type: 'debug',
        text: `ARG ${key} has no value: --build-arg ${key}=VALUE would give it one`,
      });
}

export interface StepPlace {
  readonly instruction: StageInstruction;
  readonly name: StepName;
}

/** What an instruction makes of the state at once, and the step that makes its layer and history, if it has one. */
export async function planStep(
  context: StageContext,
  state: StageState,
  { instruction, name }: StepPlace,
): Promise<{ state: StageState; step?: CachedStep }> {
  switch (instruction.keyword) {
    case 'RUN': {
      const mounts = await planMounts(context, state, instruction);
      const loan = await planToolbox(context, state, { instruction, mounts });
      return { state, step: planRun(context, state, { instruction, name, mounts, loan }) };
    }
    case 'COPY':
    case 'ADD':
      return { state, step: await planCopy(context, state, { instruction, name }) };
    case 'APP':
    case 'CNI':
    case 'CSI':
      return planApp(context, state, { instruction, name });
    case 'WORKDIR': {
      const next = applyWorkdir(state, instruction, context.words);
      return { state: next, step: planWorkdir(context, next, { instruction, name }) };
    }
    default: {
      const { state: next, createdBy } = applyConfig(context, state, instruction);
      if (instruction.keyword === 'ONBUILD') return { state: next }; // it is about a child image's history
      const key = cacheKeyOf({
        platform: formatPlatform(state.platform),
        parent: state.chain.at(-1),
        instruction: [createdBy],
        context: [['#config', configFingerprint(state)]],
      });
      return { state: next, step: { name, text: instruction.source, createdBy, key } };
    }
  }
}

function applyConfig(
  { words, dialect }: StageContext,
  state: StageState,
  instruction: ConfigInstruction | ClusterConfigInstruction,
): ConfigStep {
  switch (instruction.keyword) {
    case 'APPCMDS':
    case 'APPENV':
    case 'KUBEVERSION':
    case 'LAUNCH':
    case 'CMDS':
      return applyClusterInstruction(state, instruction, words);
    default: {
      const step = applyConfigInstruction(state, instruction, words);
      const isBoth = instruction.keyword === 'ENV' || instruction.keyword === 'CMD';
      if (dialect === 'dockerfile' || !isBoth) return step;
      return { ...step, state: withClusterSide(step.state, state, instruction) };
    }
  }
}

export function locationOf(kubefile: Kubefile, { range }: Instruction): SourceLocation {
  const { line, column } = range.start;
  const sourceLine = kubefile.text.split('\n')[line - 1]?.replace(/\r$/, '');
  return { file: kubefile.file, line, column, ...(sourceLine === undefined ? {} : { sourceLine }) };
}
