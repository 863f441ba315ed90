/** A command in its sandbox, for `run`, for RUN and for the shell in a failed one. */
import { describeOperation } from '../sys/plan.ts';
import { runSandbox, type Outcome, type SandboxOptions } from '../sys/sandbox.ts';
import { stepPlan, type StepPlanOptions } from '../sys/step-plan.ts';
import type { Job } from './options.ts';
import { startFailure } from './run-failure.ts';

/** The plan's operations are shown by `--debug`. Throws RUN_FAILED for a command that cannot be started, SANDBOX, INTERRUPTED. */
export async function runSandboxed(
  { signal, report }: Job,
  sandbox: StepPlanOptions,
  streams: Omit<SandboxOptions, 'signal'>,
): Promise<Outcome> {
  const plan = stepPlan(sandbox);
  for (const operation of plan) report({ type: 'debug', text: describeOperation(operation) });
  try {
    return await runSandbox(plan, { ...streams, signal });
  } catch (error) {
    throw startFailure(error, sandbox);
  }
}
