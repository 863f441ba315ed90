/** A command in its sandbox, for `run`, for RUN and for the shell in a failed one. */
import { openGroup, type GroupEvents } from '../sys/cgroup/group.ts';
import { readHierarchies } from '../sys/cgroup/hierarchies.ts';
import { stepGroup } from '../sys/cgroup/step-group.ts';
import { describeOperation } from '../sys/plan.ts';
import { runSandbox, type Outcome, type SandboxOptions } from '../sys/sandbox.ts';
import { stepPlan } from '../sys/step-plan.ts';
import type { Job } from './options.ts';
import { startFailure } from './run-failure.ts';
import type { Sandbox } from './step-sandbox.ts';

export interface Ended {
  readonly outcome: Outcome;
  /** What its limits have done to it. */
  readonly events: GroupEvents;
}

/**
 * The plan's operations are shown by `--debug`. Throws RUN_FAILED for a command that cannot be started, SANDBOX,
 * HOST_INCAPABLE, INTERRUPTED.
 */
export async function runSandboxed(
  { signal, report }: Job,
  { groupSettings, ...sandbox }: Sandbox,
  streams: Omit<SandboxOptions, 'signal'>,
): Promise<Ended> {
  await using group = await openGroup(groupSettings);
  const shown = stepGroup(readHierarchies(), group.directories, groupSettings.namespace);
  const plan = stepPlan({ ...sandbox, group: shown });
  for (const operation of plan) report({ type: 'debug', text: describeOperation(operation) });
  try {
    const outcome = await runSandbox(plan, { ...streams, signal });
    return { outcome, events: group.events() };
  } catch (error) {
    throw startFailure(error, sandbox);
  }
}
