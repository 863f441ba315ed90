/** RUN: the step's command in a sandbox over an overlay; what it changed becomes the layer. */
import { ArchBuildError } from '../errors.ts';
import type { StepName } from '../events.ts';
import type { RunInstruction } from '../kubefile/instruction.ts';
import { environmentOf } from '../oci/image-config.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import { cacheKeyOf } from './cache-key.ts';
import type { CachedStep } from './cached-step.ts';
import { commitLayer } from './commit-layer.ts';
import { shellOf } from './config-steps.ts';
import { runCommand, type RunCommand } from './heredoc-command.ts';
import { offlineError } from './offline-error.ts';
import type { BuildOptions } from './options.ts';
import type { RunOperands } from './run-attempt.ts';
import { describeSandbox } from './plan-sandbox.ts';
import { planMounts, type PlannedMounts } from './run-mounts.ts';
import { settingsKey } from './step-settings.ts';
import { isProxyArg } from './scope.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import type { RunContext } from './step-context.ts';
import { describeToolbox, requireToolbox, type Loan } from './step-toolbox.ts';

interface RunStep {
  readonly instruction: RunInstruction;
  readonly name: StepName;
  readonly mounts: PlannedMounts;
  /** The shell that the rootfs lacks. */
  readonly loan: Loan | undefined;
}

export function planRun(
  context: RunContext,
  state: StageState,
  { instruction, name, mounts, loan }: RunStep,
): CachedStep {
  const { options } = context;
  refuseUnsupported(instruction);
  const command = runCommand(instruction, shellOf(state));
  const network = networkOf(instruction, options);
  const { User = '', WorkingDir = '/' } = containerConfigOf(state);
  const key = cacheKeyOf({
    platform: formatPlatform(state.platform),
    parent: state.chain.at(-1),
    instruction: ['RUN', ...command.argv],
    context: [
      ...keyedVariables(state),
      ['#user', User],
      ['#workdir', WorkingDir],
      ['#network', network],
      ['#script', command.script?.body ?? ''],
      ...settingsKey(options.steps),
      ...mounts.key,
      ...toolboxKey(loan),
    ],
  });
  return {
    name,
    text: instruction.source,
    createdBy: historyText(state, command),
    key,
    describe: () =>
      describeSandbox(context, state, { command, network, mounts, hasTools: loan !== undefined }),
    make: () =>
      makeLayer(context, state, { command, network, mounts, loan, step: { name, text: instruction.source } }),
  };
}

/** A proxy that the image sets is part of it, unlike one that only the build is given. */
function keyedVariables({ config, variables }: StageState): [string, string][] {
  const environment = environmentOf(config);
  return [...variables].flatMap(([key, value]): [string, string][] => {
    const keyed = isProxyArg(key) ? environment.get(key) : value;
    return keyed === undefined ? [] : [[key, keyed]];
  });
}

/** For a plan that cannot know what the step's mounts hold, or whether it is lent a shell: the sandbox without them. */
export async function describeBareRun(
  context: RunContext,
  state: StageState,
  instruction: RunInstruction,
): Promise<string[]> {
  const mounts = await planMounts(context, state, { ...instruction, mounts: [] });
  const command = runCommand(instruction, shellOf(state));
  const network = networkOf(instruction, context.options);
  return describeSandbox(context, state, { command, network, mounts, hasTools: false });
}

function toolboxKey(loan: Loan | undefined): [string, string][] {
  return loan === undefined ? [] : [['#toolbox', loan.toolbox?.sha256 ?? '']];
}

function refuseUnsupported({ security }: RunInstruction): void {
  if (security !== 'insecure') return;
  throw new ArchBuildError('KUBEFILE_SEMANTICS', 'RUN --security=insecure is not allowed', {
    hint: 'a step has the fourteen capabilities of a default container and no more',
  });
}

function networkOf({ network }: RunInstruction, options: BuildOptions): 'host' | 'none' {
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
  const args = state.declaredArgs
    .filter((key) => !isProxyArg(key))
    .map((key) => `${key}=${state.variables.get(key) ?? ''}`);
  const prefix = args.length === 0 ? '' : `|${args.length} ${args.join(' ')} `;
  return `RUN ${prefix}${script === undefined ? argv.join(' ') : script.body}`;
}

async function makeLayer(
  context: RunContext,
  state: StageState,
  { loan, ...operands }: Omit<RunOperands, 'toolbox'> & { readonly loan: Loan | undefined },
): Promise<Snapshot | undefined> {
  const { job, options } = context;
  const toolbox = loan && requireToolbox(loan, state);
  if (toolbox !== undefined)
    job.report({
      type: 'info',
      text: `the rootfs has no /bin/sh: this step is lent shell and tools by ${describeToolbox(toolbox)}, of which nothing becomes part of the image`,
    });
  await context.ensureRootfs(state);
  const { attemptRun } = await import('./run-attempt.ts'); // a step of the cache starts nothing
  for (;;) {
    const upper = await attemptRun(context, state, { ...operands, toolbox });
    if (upper !== undefined)
      return commitLayer(job, upper, {
        platform: state.platform,
        chain: state.chain,
        epochSeconds: options.sourceDateEpoch,
      });
  }
}
