/** The sandbox of a RUN as a value: one builder for what a build carries out and for what `--plan` shows. */
import { join } from 'node:path';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, kernelSurface } from '../sys/kernel-surface.ts';
import type { StepPlanOptions } from '../sys/step-plan.ts';
import { DEFAULT_PATH } from './base-image.ts';
import type { RunCommand } from './heredoc-command.ts';
import { STEP_HOSTNAME } from './host-files.ts';
import type { BuildOptions } from './options.ts';
import { proxyVariables, type Variables } from './scope.ts';
import { containerConfigOf, type StageState } from './stage-state.ts';
import type { StepSettings } from './step-settings.ts';
import { withTools } from './step-toolbox.ts';

/** What only the step knows: where its files are, how foreign programs run, who it runs as. */
export interface SandboxParts extends Pick<
  StepPlanOptions,
  'scratch' | 'lowerCount' | 'binds' | 'mounts' | 'isolation' | 'user'
> {
  readonly command: RunCommand;
  readonly network: 'host' | 'none';
  readonly variables: Variables;
}

/** A `#!` heredoc stands in the step's /dev, so nothing of it can reach the layer. */
export function stepSandbox(
  { steps }: Pick<BuildOptions, 'steps'>,
  state: StageState,
  { command, variables, ...parts }: SandboxParts,
): StepPlanOptions {
  const { argv, script } = command;
  const { capabilities, limits, shmBytes } = steps;
  const pipes = script === undefined ? [] : [{ source: scriptPath(parts.scratch), name: script.name }];
  return {
    ...parts,
    ...kernelSurface(),
    ...{ capabilities, limits, shmBytes, pipes, argv },
    ids: ownIdentity(),
    environment: [...variables].map(([key, value]) => `${key}=${value}`),
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: undefined,
    workdir: containerConfigOf(state).WorkingDir ?? '/',
  };
}

export const scriptPath = (scratch: string): string => join(scratch, 'script');

/** The files of name resolution, which `writeHostFiles` has put there. */
export const hostBinds = (
  scratch: string,
  { ownHosts }: Pick<StepSettings, 'ownHosts'>,
): (StepPlanOptions['binds'][number] & { kind: 'file' })[] =>
  [...(ownHosts ? [] : ['hosts']), 'resolv.conf'].map((name) => ({
    source: join(scratch, name),
    target: `/etc/${name}`,
    readOnly: true,
    kind: 'file',
  }));

interface Surroundings {
  readonly home: string;
  /** Of mounts. */
  readonly added: Variables;
  readonly hasTools: boolean;
}

/** The environment of the step's command, without what its emulator needs. */
export function stepVariables(
  { buildArgs }: Pick<BuildOptions, 'buildArgs'>,
  state: StageState,
  { home, added, hasTools }: Surroundings,
): Variables {
  const own = [...proxyVariables(buildArgs), ...state.variables, ...added];
  const variables = new Map([['PATH', DEFAULT_PATH], ['HOME', home], ...own]);
  return hasTools ? withTools(variables) : variables;
}
