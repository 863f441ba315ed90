/** RUN: the step's command in a sandbox over an overlay; what it changed becomes the layer. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { StepName } from '../events.ts';
import { adviseOnCrash } from '../emulation/crash-advice.ts';
import type { EmulatorSituation } from '../emulation/crashed-emulators.ts';
import { explainFailure, type Explanation } from '../emulation/failures.ts';
import type { RunInstruction } from '../kubefile/instruction.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, kernelSurface } from '../sys/kernel-surface.ts';
import { describeOperation } from '../sys/plan.ts';
import { runSandbox, SandboxRefusal, type Outcome } from '../sys/sandbox.ts';
import { stepPlan } from '../sys/step-plan.ts';
import { cacheKeyOf } from './cache-key.ts';
import type { CachedStep } from './cached-step.ts';
import { commitLayer } from './commit-layer.ts';
import { shellOf } from './config-steps.ts';
import { runCommand, type RunCommand } from './heredoc-command.ts';
import { hostFiles, STEP_HOSTNAME } from './host-files.ts';
import { offlineError } from './offline-error.ts';
import type { BuildOptions, Job } from './options.ts';
import { OutputTail } from './output-tail.ts';
import { readAccounts } from './rootfs-files.ts';
import { shellStatusOf } from './shell-status.ts';
import type { RunContext } from './step-context.ts';
import { isProxyArg, proxyVariables, type Variables } from './scope.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import type { PlannedMounts } from './run-mounts.ts';
import { ensureWorkdir, placeMounts, prepareRootfs, writeHostFiles } from './step-rootfs.ts';
import { lookUpUser } from './user-lookup.ts';

interface RunStep {
  readonly instruction: RunInstruction;
  readonly name: StepName;
  readonly mounts: PlannedMounts;
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function planRun(
  context: RunContext,
  state: StageState,
  { instruction, name, mounts }: RunStep,
): CachedStep {
  const { options } = context;
  refuseUnsupported(instruction);
  const command = runCommand(instruction, shellOf(state));
  const network = networkOf(instruction, options);
  const { User = '', WorkingDir = '/' } = containerConfigOf(state);
  const variables = [...state.variables].filter(([key]) => !isProxyArg(key));
  const key = cacheKeyOf({
    platform: formatPlatform(state.platform),
    parent: state.chain.at(-1),
    instruction: ['RUN', ...command.argv],
    context: [
      ...variables,
      ['#user', User],
      ['#workdir', WorkingDir],
      ['#network', network],
      ['#script', command.script?.body ?? ''],
      ...mounts.key,
    ],
  });
  return {
    name,
    text: instruction.source,
    createdBy: historyText(state, command),
    key,
    make: () => makeLayer(context, state, { command, network, name, mounts }),
  };
}

function refuseUnsupported({ security }: RunInstruction): void {
  if (security !== 'insecure') return;
  throw new ArchBuildError('KUBEFILE_SEMANTICS', 'RUN --security=insecure is not allowed', {
    hint: 'a step has the fourteen capabilities of a default container and no more',
  });
}

export function networkOf({ network }: RunInstruction, options: BuildOptions): 'host' | 'none' {
  switch (network) {
    case undefined:
    case 'default':
      return options.network;
    case 'host':
      if (options.offline && options.network === 'none')
        throw offlineError(
          'RUN --network=host',
          'write --network host on the command line if steps may use it',
        );
      return network;
    case 'none':
      return network;
    default:
      throw new ArchBuildError('KUBEFILE_SEMANTICS', `unknown network ${JSON.stringify(network)}`, {
        hint: 'write --network=default, host or none',
      });
  }
}

/** Proxy settings never enter the history: they say where the build ran. */
function historyText(state: StageState, { argv, script }: RunCommand): string {
  const args = [...state.declaredArgs]
    .filter(([key]) => !isProxyArg(key))
    .map(([key, value]) => `${key}=${value}`);
  const prefix = args.length === 0 ? '' : `|${args.length} ${args.join(' ')} `;
  return `RUN ${prefix}${script === undefined ? argv.join(' ') : script.body}`;
}

interface RunOperands {
  readonly command: RunCommand;
  readonly mounts: PlannedMounts;
  readonly network: 'host' | 'none';
  readonly name: StepName;
}

async function makeLayer(
  context: RunContext,
  state: StageState,
  operands: RunOperands,
): Promise<Snapshot | undefined> {
  const { job, options } = context;
  await context.ensureRootfs(state);
  for (;;) {
    const { upper, crash } = await runOnce(context, state, operands);
    if (crash === undefined)
      return commitLayer(job, upper, { chain: state.chain, epochSeconds: options.sourceDateEpoch });
    if (!(options.emulatorRetry && (await context.emulation.nextEmulator(state.platform)))) throw crash;
  }
}

interface Attempt {
  /** What the step has changed. */
  readonly upper: string;
  /** The step's failure, when the emulator may be what has crashed. */
  readonly crash: ArchBuildError | undefined;
}

/** In a rootfs of its own: nothing of an attempt before is seen. Throws when the step fails for ordinary reasons. */
async function runOnce(context: RunContext, state: StageState, operands: RunOperands): Promise<Attempt> {
  const { job, options } = context;
  const scratch = job.store.makeDirectory('run');
  const lowers = job.store.snapshots.trees(state.chain);
  writeHostFiles(scratch, hostFiles(operands.network));
  const rootfs = prepareRootfs(scratch, lowers, [
    { source: join(scratch, 'hosts'), target: '/etc/hosts', readOnly: true, kind: 'file' },
    { source: join(scratch, 'resolv.conf'), target: '/etc/resolv.conf', readOnly: true, kind: 'file' },
  ]);
  const { WorkingDir: workdir = '/' } = containerConfigOf(state);
  ensureWorkdir(rootfs, lowers, workdir);
  const emulation = await context.emulation.forPlatform(state.platform);
  await using opened = await operands.mounts.open(scratch);
  const { user, variables } = credentialsOf(options, state, lowers);
  const plan = stepPlan({
    ...rootfs,
    ...kernelSurface(),
    ids: ownIdentity(),
    ...scriptOf(scratch, operands.command),
    mounts: placeMounts(rootfs, lowers, opened.mounts),
    isolation: emulation.isolation,
    user,
    environment: [...emulation.environmentOf(new Map([...variables, ...opened.variables]))].map(
      ([key, value]) => `${key}=${value}`,
    ),
    network: operands.network,
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: undefined,
    workdir,
    argv: operands.command.argv,
  });
  const crash = await runToEnd(job, plan, {
    ...operands,
    situationOf: () => context.emulation.emulatorsOf(state.platform),
  });
  return { upper: rootfs.upper, crash };
}

/** A `#!` heredoc stands in the step's /dev, so nothing of it can reach the layer. */
function scriptOf(scratch: string, { script }: RunCommand): { pipes: { source: string; name: string }[] } {
  if (script === undefined) return { pipes: [] };
  const source = join(scratch, 'script');
  writeFileSync(source, script.body);
  chmodSync(source, 0o755);
  return { pipes: [{ source, name: script.name }] };
}

function credentialsOf(
  options: BuildOptions,
  state: StageState,
  lowers: readonly string[],
): { user: { uid: number; gid: number; groups: readonly number[] }; variables: Variables } {
  const { home, ...user } = lookUpUser(
    containerConfigOf(state).User ?? '',
    readAccounts(new MergedTree(lowers)),
  );
  const variables = new Map([
    ['PATH', DEFAULT_PATH],
    ['HOME', home],
    ...proxyVariables(options.buildArgs),
    ...state.variables,
  ]);
  return { user, variables };
}

interface StepProcess extends Pick<RunOperands, 'command' | 'name'> {
  /** Its emulator, for explaining a failure; undefined for a native step. */
  readonly situationOf: () => Promise<EmulatorSituation | undefined>;
}

/** Returns the failure of a step that has crashed, throws that of any other. */
async function runToEnd(
  job: Job,
  plan: ReturnType<typeof stepPlan>,
  { command, name, situationOf }: StepProcess,
): Promise<ArchBuildError | undefined> {
  const tail = new OutputTail();
  const onOutput = (stream: 'stdout' | 'stderr', data: Buffer): void => {
    tail.push(data);
    job.report({ type: 'step-output', step: name, stream, data });
  };
  let outcome: Outcome;
  for (const operation of plan) job.report({ type: 'debug', text: describeOperation(operation) });
  try {
    outcome = await runSandbox(plan, { signal: job.signal, onOutput });
  } catch (error) {
    throw startFailure(error, command);
  }
  if (outcome.kind === 'exited' && outcome.status === 0) return undefined;
  const situation = await situationOf();
  const known = explainFailure(tail.text(), shellStatusOf(outcome), situation?.running.arch);
  if (known?.crash !== true) throw runFailure(outcome, command, known);
  if (situation === undefined) throw runFailure(outcome, command, undefined); // its own crash, on its own machine
  return runFailure(outcome, command, adviseOnCrash(known, situation));
}

/** The command itself could not be started: that is the image's or the user's matter, not the sandbox's. */
export function startFailure(error: unknown, { argv }: Pick<RunCommand, 'argv'>): unknown {
  if (!(error instanceof SandboxRefusal)) return error;
  const { operation, errno } = error;
  if (operation?.op === 'exec') {
    const hints: Readonly<Record<string, string>> = {
      ENOENT:
        'the image has no such program, or its ELF interpreter is missing; shell form needs /bin/sh in the image',
      ENOEXEC: 'the program is for another architecture than the platform being built, or no program at all',
      EACCES: 'the program is not executable',
    };
    return new ArchBuildError('RUN_FAILED', `cannot start ${JSON.stringify(argv[0])}: ${errno}`, {
      ...(hints[errno] === undefined ? {} : { hint: hints[errno] }),
      cause: error,
    });
  }
  if (operation?.op === 'workdir') {
    return new ArchBuildError(
      'RUN_FAILED',
      `cannot enter the working directory ${operation.path}: ${errno}`,
      { cause: error },
    );
  }
  return error;
}

function runFailure(
  outcome: Outcome,
  { argv }: RunCommand,
  explained: Explanation | undefined,
): ArchBuildError {
  const how =
    outcome.kind === 'exited' ? `exited with status ${outcome.status}` : `was killed by ${outcome.signal}`;
  const what = `${JSON.stringify(argv.join(' ').slice(0, 200))} ${how}`;
  return new ArchBuildError('RUN_FAILED', explained === undefined ? what : `${what} (${explained.what})`, {
    ...(explained === undefined ? {} : { hint: explained.hint }),
  });
}
