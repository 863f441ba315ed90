/** The sandbox of a RUN as lines, by the builder that a build uses, with names where only a build has values. */
import { join } from 'node:path';
import { architectureOf } from '../emulation/architecture.ts';
import { planGroup, type PlannedGroup } from '../sys/cgroup/group.ts';
import { readHierarchies } from '../sys/cgroup/hierarchies.ts';
import { stepGroup } from '../sys/cgroup/step-group.ts';
import { describeOperation } from '../sys/plan.ts';
import { stepPlan } from '../sys/step-plan.ts';
import type { RunCommand } from './heredoc-command.ts';
import type { PlannedMounts } from './run-mounts.ts';
import type { RunContext } from './step-context.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import { hostBinds, settingsMounts, stepSandbox, stepVariables } from './step-sandbox.ts';
import { toolMounts } from './step-toolbox.ts';

const SCRATCH = '<scratch>';

interface PlannedSandbox {
  readonly command: RunCommand;
  readonly network: 'host' | 'none';
  readonly mounts: PlannedMounts;
  /** It is lent a shell. */
  readonly hasTools: boolean;
}

/** Mount points are as written: where symlinks of the image lead is seen when its files are there. */
export function describeSandbox(
  { options }: Pick<RunContext, 'options'>,
  state: StageState,
  { command, network, mounts, hasTools }: PlannedSandbox,
): string[] {
  const { User: user = '' } = containerConfigOf(state);
  const arch = architectureOf(state.platform)?.arch ?? state.platform.architecture;
  const described = mounts.describe(SCRATCH);
  const added = new Map([...described.variables].map((name) => [name, '']));
  const sandbox = stepSandbox(options, state, {
    scratch: SCRATCH,
    lowerCount: state.chain.length + 1,
    binds: hostBinds(SCRATCH, options.steps),
    mounts: [...settingsMounts(options.steps), ...described.mounts, ...(hasTools ? toolMounts(SCRATCH) : [])],
    isolation: { kind: 'private', entries: [`<entry of ${arch}, unless it runs natively>`] },
    command,
    network,
    user: { uid: 0, gid: 0, groups: [] },
    variables: stepVariables(options, state, { home: '', added, hasTools }),
  });
  // Who a user is says the image's /etc/passwd, at the time of the step.
  const { groupSettings, ...parts } = sandbox;
  const plans = planGroup(groupSettings);
  const groups = new Map(
    plans.map(({ hierarchy, parent }) => [hierarchy.directory, join(parent, '<group of the step>')]),
  );
  const group = stepGroup(readHierarchies(), groups, groupSettings.namespace);
  const operations = stepPlan({ ...parts, group }).map((operation) =>
    operation.op === 'ids' && user !== '' ? `ids of user ${user}` : describeOperation(operation),
  );
  return [...plans.flatMap(describeLimits), ...operations];
}

const describeLimits = ({ parent, files }: PlannedGroup): string[] =>
  files.map(({ name, value }) => `group limit ${name} ${value} (in ${parent})`);
