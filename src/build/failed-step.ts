/** A failed RUN's sandbox once more, for a look around: the rootfs as the command left it, with a shell instead. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ArchBuildError } from '../errors.ts';
import type { StepMount } from '../sys/step-mounts.ts';
import { shellOf } from './config-steps.ts';
import type { FailedStep, StepText } from './options.ts';
import { terminalPath } from './run-image.ts';
import { runSandboxed } from './run-sandboxed.ts';
import type { StageState } from './stage-state.ts';
import type { RunContext } from './step-context.ts';
import type { Sandbox } from './step-sandbox.ts';
import { placeMounts, type StepRootfs } from './step-rootfs.ts';
import { hasProgram, openToolbox, requireToolbox, SHELL, toolboxOf, withTools } from './step-toolbox.ts';

interface Remains {
  readonly step: StepText;
  readonly error: ArchBuildError;
  readonly sandbox: Sandbox;
  readonly rootfs: StepRootfs;
  readonly lowers: readonly string[];
  /** It had a shell of the toolbox's. */
  readonly isLent: boolean;
}

/** Valid as long as the step's mounts are. `enter` throws TOOL_MISSING where there is no shell to be had. */
export function failedStep(context: RunContext, state: StageState, remains: Remains): FailedStep {
  const { step, error } = remains;
  return {
    ...step,
    error,
    enter: async (streams) => {
      const { shell, mounts, environment } = await shellFor(context, state, remains);
      const sandbox = {
        ...remains.sandbox,
        mounts,
        environment: [...environment, `TERM=${process.env['TERM'] ?? 'xterm'}`],
        terminal: terminalPath(streams),
        argv: [shell],
      };
      for (const directory of overlaysOf(remains)) renewWork(directory);
      const { outcome } = await runSandboxed(context.job, sandbox, streams);
      return outcome;
    },
  };
}

interface Shell {
  readonly shell: string;
  readonly mounts: readonly StepMount[];
  readonly environment: readonly string[];
}

/** The stage's own shell, else /bin/sh, else the toolbox's. */
async function shellFor(
  context: RunContext,
  state: StageState,
  { sandbox, rootfs, lowers, isLent }: Remains,
): Promise<Shell> {
  const { mounts } = sandbox;
  const environment = sandbox.environment.filter((pair) => !pair.startsWith('TERM='));
  const [own = SHELL] = shellOf(state);
  const trees = [rootfs.upper, ...lowers];
  const shell = [own, SHELL].find((each) => hasProgram(trees, each));
  if (shell !== undefined) return { shell, mounts, environment };
  const isMounted = mounts.some(({ target }) => target === SHELL || SHELL.startsWith(`${target}/`));
  if (isLent || isMounted) return { shell: SHELL, mounts, environment };
  const tools = openToolbox(
    rootfs.scratch,
    requireToolbox({ toolbox: await toolboxOf(context, state) }, state),
  );
  const variables = new Map(environment.map((pair) => splitPair(pair)));
  return {
    shell: SHELL,
    mounts: [...mounts, ...placeMounts(rootfs, lowers, tools)],
    environment: [...withTools(variables)].map(([key, value]) => `${key}=${value}`),
  };
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function overlaysOf({ sandbox: { mounts, scratch } }: Remains): string[] {
  const inner = mounts.flatMap((mount) => (mount.type === 'layers' ? [join(scratch, mount.directory)] : []));
  return [scratch, ...inner];
}

/** A volatile overlay leaves a mark in its work directory and is not mounted a second time with it. */
function renewWork(directory: string): void {
  const work = join(directory, 'work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { mode: 0o755 });
}
