/** The sandbox of a RUN as a value: one builder for what a build carries out and for what `--plan` shows. */
import { join } from 'node:path';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, isKernelPath, kernelSurface } from '../sys/kernel-surface.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import type { StepPlanOptions } from '../sys/step-plan.ts';
import { DEFAULT_PATH } from './base-image.ts';
import type { RunCommand } from './heredoc-command.ts';
import { STEP_HOSTNAME } from './host-files.ts';
import type { BuildOptions } from './options.ts';
import { proxyVariables, type Variables } from './scope.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import type { GroupSettings, StepSettings } from './step-settings.ts';
import { withTools } from './step-toolbox.ts';

/** What only the step knows: where its files are, how foreign programs run, who it runs as. */
export interface SandboxParts extends Pick<
  StepPlanOptions,
  'scratch' | 'lowerCount' | 'binds' | 'mounts' | 'isolation' | 'user' | 'noMemoryLimits'
> {
  readonly command: RunCommand;
  readonly network: 'host' | 'none';
  readonly variables: Variables;
}

/** A command with all that its plan is made of but its control group, which is made for each start. */
export interface Sandbox extends Omit<StepPlanOptions, 'group'> {
  readonly groupSettings: GroupSettings;
}

/** A `#!` heredoc stands in the step's /dev, so nothing of it can reach the layer. */
export function stepSandbox(
  { steps }: Pick<BuildOptions, 'steps'>,
  state: StageState,
  { command, variables, ...parts }: SandboxParts,
): Sandbox {
  const { argv, script } = command;
  const { capabilities, limits, shmBytes, noNewPrivileges, group, masks } = steps;
  const pipes = script === undefined ? [] : [{ source: scriptPath(parts.scratch), name: script.name }];
  return {
    ...parts,
    ...kernelSurface(masks),
    ...{ capabilities, limits, shmBytes, noNewPrivileges, pipes, argv },
    groupSettings: group,
    ids: ownIdentity(),
    environment: [...variables].map(([key, value]) => `${key}=${value}`),
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: undefined,
    workdir: containerConfigOf(state).WorkingDir ?? '/',
  };
}

export const scriptPath = (scratch: string): string => join(scratch, 'script');

/** The files about names, which `writeHostFiles` has put there. */
export const hostBinds = (
  scratch: string,
  { ownHosts, hostnameFile }: Pick<StepSettings, 'ownHosts' | 'hostnameFile'>,
): (StepPlanOptions['binds'][number] & { kind: 'file' })[] =>
  [...(ownHosts ? [] : ['hosts']), ...(hostnameFile ? ['hostname'] : []), 'resolv.conf'].map((name) => ({
    source: join(scratch, name),
    target: `/etc/${name}`,
    readOnly: true,
    kind: 'file',
  }));

/** What every step is shown, and what of the image it is not. */
export const settingsMounts = ({ mounts, masks }: Pick<StepSettings, 'mounts' | 'masks'>): StepMount[] => [
  ...mounts,
  ...masks.masked
    .filter((path) => !isKernelPath(path))
    .map((target): StepMount => ({ type: 'mask', target })),
];

interface Surroundings {
  readonly home: string;
  /** Of mounts. */
  readonly added: Variables;
  readonly hasTools: boolean;
}

/** The environment of the step's command, without what its emulator needs. The proxies of where it runs go before the image's. */
export function stepVariables(
  { buildArgs }: Pick<BuildOptions, 'buildArgs'>,
  state: StageState,
  { home, added, hasTools }: Surroundings,
): Variables {
  const own = [...state.variables, ...proxyVariables(buildArgs), ...added];
  const variables = new Map([['PATH', DEFAULT_PATH], ['HOME', home], ...own]);
  return hasTools ? withTools(variables) : variables;
}
