/** One attempt at a RUN: its sandbox over a rootfs of its own, and what is done when it fails. */
import { writeFileSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import type { ResourceUsage } from '../events.ts';
import { adviseOnCrash } from '../emulation/crash-advice.ts';
import type { EmulatorSituation } from '../emulation/crashed-emulators.ts';
import { explainFailure } from '../emulation/failures.ts';
import type { StepEmulation } from '../emulation/ladder.ts';
import type { Toolbox } from '../emulation/toolbox.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { failedStep } from './failed-step.ts';
import type { RunCommand } from './heredoc-command.ts';
import { hostFiles } from './host-files.ts';
import type { BuildOptions, Job, StepText } from './options.ts';
import { OutputTail } from './output-tail.ts';
import { readAccounts } from './rootfs-files.ts';
import { limitsReached, runFailure } from './run-failure.ts';
import type { OpenMounts, PlannedMounts } from './run-mounts.ts';
import { runSandboxed, type Ended } from './run-sandboxed.ts';
import { shellStatusOf } from './shell-status.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import type { RunContext } from './step-context.ts';
import { ensureWorkdir, placeMounts, prepareRootfs, writeHostFiles, type StepRootfs } from './step-rootfs.ts';
import {
  hostBinds,
  scriptPath,
  settingsMounts,
  stepSandbox,
  stepVariables,
  type Sandbox,
} from './step-sandbox.ts';
import { openToolbox } from './step-toolbox.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import { lookUpGroup, lookUpUser } from './user-lookup.ts';

export interface RunOperands {
  readonly command: RunCommand;
  readonly mounts: PlannedMounts;
  readonly network: 'host' | 'none';
  readonly step: StepText;
  /** Lends the shell that the rootfs lacks. */
  readonly toolbox: Toolbox | undefined;
}

/**
 * The directory of what the step has changed; undefined when its emulator has crashed and another one is in place
 * for the next attempt. In a rootfs of its own: nothing of an attempt before is seen. Throws when the step fails.
 */
export async function attemptRun(
  context: RunContext,
  state: StageState,
  operands: RunOperands,
): Promise<string | undefined> {
  const { job, options } = context;
  const scratch = job.store.makeDirectory('run');
  const lowers = job.store.snapshots.trees(state.chain);
  const rootfs = openRootfs(scratch, lowers, { state, network: operands.network, steps: options.steps });
  const emulation = await context.emulation.forPlatform(state.platform);
  const twins = await context.twins.mounts(state, emulation);
  await using opened = await operands.mounts.open(scratch);
  const place = { scratch, lowers, rootfs, emulation, twins, opened };
  const sandbox = sandboxOf({ context, state, operands }, place);
  const failure = await runToEnd(job, sandbox, {
    ...operands,
    stdin: options.steps.stdin ? 'inherit' : null,
    situationOf: () => context.emulation.emulatorsOf(state.platform),
  });
  if (failure === undefined) return rootfs.upper;
  const { error, isCrash } = failure;
  job.report({ type: 'step-failed', step: operands.step.name });
  if (isCrash && options.emulatorRetry && (await context.emulation.nextEmulator(state.platform, emulation)))
    return undefined;
  if (options.onFailedStep !== undefined) {
    const { step, toolbox } = operands;
    await options.onFailedStep(
      failedStep(context, state, { step, error, sandbox, rootfs, lowers, isLent: toolbox !== undefined }),
    );
  }
  throw error;
}

function openRootfs(
  scratch: string,
  lowers: readonly string[],
  {
    state,
    network,
    steps,
  }: Pick<BuildOptions, 'steps'> & Pick<RunOperands, 'network'> & { readonly state: StageState },
): StepRootfs {
  writeHostFiles(scratch, hostFiles(network, steps));
  const rootfs = prepareRootfs(scratch, lowers, hostBinds(scratch, steps));
  ensureWorkdir(rootfs, lowers, containerConfigOf(state).WorkingDir ?? '/');
  return rootfs;
}

interface Run {
  readonly context: RunContext;
  readonly state: StageState;
  readonly operands: RunOperands;
}

interface Place {
  readonly scratch: string;
  readonly lowers: readonly string[];
  readonly rootfs: StepRootfs;
  readonly emulation: StepEmulation;
  readonly twins: readonly StepMount[];
  readonly opened: OpenMounts;
}

function sandboxOf(
  { context, state, operands }: Run,
  { scratch, lowers, rootfs, emulation, twins, opened }: Place,
): Sandbox {
  const { options } = context;
  const { toolbox, command, network } = operands;
  const accounts = readAccounts(new MergedTree(lowers));
  const { home, groups, ...user } = lookUpUser(containerConfigOf(state).User ?? '', accounts);
  const added = options.steps.groups.map((group) => lookUpGroup(group, accounts));
  const surroundings = { home, added: opened.variables, hasTools: toolbox !== undefined };
  const tools = toolbox === undefined ? [] : openToolbox(scratch, toolbox);
  if (command.script !== undefined)
    writeFileSync(scriptPath(scratch), command.script.body, { mode: 0o755, flag: 'wx' });
  return stepSandbox(options, state, {
    ...rootfs,
    command,
    network,
    user: { ...user, groups: [...new Set([...groups, ...added])] },
    isolation: emulation.isolation,
    noMemoryLimits: twins.length > 0,
    mounts: placeMounts(rootfs, lowers, [
      ...settingsMounts(options.steps),
      ...twins,
      ...opened.mounts,
      ...tools,
    ]),
    variables: emulation.environmentOf(stepVariables(options, state, surroundings)),
  });
}

interface StepProcess extends Pick<RunOperands, 'command' | 'step'> {
  readonly stdin: 'inherit' | null;
  /** Its emulator, for explaining a failure; undefined for a native step. */
  readonly situationOf: () => Promise<EmulatorSituation | undefined>;
}

interface Failure {
  readonly error: ArchBuildError;
  /** Its emulator may be what has crashed. */
  readonly isCrash: boolean;
}

/** Undefined for a step that did what it should. Throws what is not the step's own failure. */
async function runToEnd(
  job: Job,
  sandbox: Sandbox,
  { command, step, stdin, situationOf }: StepProcess,
): Promise<Failure | undefined> {
  const tail = new OutputTail();
  const onOutput = (stream: 'stdout' | 'stderr', data: Buffer): void => {
    tail.push(data);
    job.report({ type: 'step-output', step: step.name, stream, data });
  };
  const onUsage = (usage: ResourceUsage): void => job.report({ type: 'step-usage', step: step.name, usage });
  let ended: Ended;
  try {
    ended = await runSandboxed(job, sandbox, { onOutput, onUsage, stdin });
  } catch (error) {
    if (error instanceof ArchBuildError && error.code === 'RUN_FAILED') return { error, isCrash: false };
    throw error;
  }
  const { outcome, events } = ended;
  const limited = limitsReached(events, sandbox.groupSettings.limits);
  if (outcome.kind === 'exited' && outcome.status === 0) {
    if (limited !== undefined) {
      const text = `${step.text.split('\n', 1)[0]} succeeded, but ${limited.what}: ${limited.hint}`;
      job.report({ type: 'warning', text });
    }
    return undefined;
  }
  if (limited !== undefined) return { error: runFailure(outcome, command, limited), isCrash: false };
  const situation = await situationOf();
  const known = explainFailure(tail.text(), shellStatusOf(outcome), situation?.running.arch);
  if (known?.crash !== true) return { error: runFailure(outcome, command, known), isCrash: false };
  if (situation === undefined) return { error: runFailure(outcome, command, undefined), isCrash: false }; // its own crash, on its own machine
  return { error: runFailure(outcome, command, adviseOnCrash(known, situation)), isCrash: true };
}
