/** The sandbox of a RUN as lines, by the plan that a build carries out, with names where only a build has values. */
import { architectureOf } from '../emulation/architecture.ts';
import type { RunInstruction } from '../kubefile/instruction.ts';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, kernelSurface } from '../sys/kernel-surface.ts';
import { describeOperation } from '../sys/plan.ts';
import { stepPlan } from '../sys/step-plan.ts';
import { shellOf } from './config-steps.ts';
import { runCommand } from './heredoc-command.ts';
import { STEP_HOSTNAME } from './host-files.ts';
import { networkOf } from './run-step.ts';
import type { RunContext } from './step-context.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';

const SCRATCH = '<scratch>';

export function describeSandbox(
  { options }: Pick<RunContext, 'options'>,
  state: StageState,
  instruction: RunInstruction,
): string[] {
  const { argv, script } = runCommand(instruction, shellOf(state));
  const { User: user = '', WorkingDir: workdir = '/' } = containerConfigOf(state);
  const arch = architectureOf(state.platform)?.arch ?? state.platform.architecture;
  const plan = stepPlan({
    scratch: SCRATCH,
    lowerCount: state.chain.length + 1,
    binds: ['hosts', 'resolv.conf'].map((name) => ({
      source: `${SCRATCH}/${name}`,
      target: `/etc/${name}`,
      readOnly: true,
    })),
    mounts: [],
    ...kernelSurface(),
    ids: ownIdentity(),
    pipes: script === undefined ? [] : [{ source: `${SCRATCH}/script`, name: script.name }],
    isolation: { kind: 'private', entries: [`<entry of ${arch}, unless it runs natively>`] },
    network: networkOf(instruction, options),
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: undefined,
    user: { uid: 0, gid: 0, groups: [] },
    workdir,
    environment: [...state.variables].map(([key, value]) => `${key}=${value}`),
    argv,
  });
  // Who a user is says the image's /etc/passwd, at the time of the step.
  return plan.map((operation) =>
    operation.op === 'ids' && user !== '' ? `ids of user ${user}` : describeOperation(operation),
  );
}
