/** Runs the config instructions of a Kubefile's last stage over a base, as a build does but without one. */
import { applyConfigInstruction } from '../../src/build/config-steps.ts';
import { scratchImage, type BaseImage } from '../../src/build/base-image.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import type { PlannedMounts } from '../../src/build/run-mounts.ts';
import { planRun } from '../../src/build/run-step.ts';
import type { RunContext } from '../../src/build/step-context.ts';
import { globalArgs, platformArgs } from '../../src/build/scope.ts';
import { beginStage, type StageState } from '../../src/build/stage-state.ts';
import type { CachedStep } from '../../src/build/cached-step.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';
import type { ContainerConfig } from '../../src/oci/image-config.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { buildOptions } from './build-options.ts';

export interface StageRun {
  readonly state: StageState;
  readonly config: ContainerConfig;
  /** The history texts, RUN's included. */
  readonly history: readonly string[];
  /** What each RUN was planned as; none is carried out. */
  readonly runs: readonly { readonly step: CachedStep; readonly state: StageState }[];
}

export interface StageOptions {
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly platform?: string;
  /** Config of the base image; without it the base is scratch. */
  readonly base?: ContainerConfig;
}

/** `FROM x` is put in front of a text without FROM. The stage may hold config instructions and RUN. */
export function stageOf(text: string, options: StageOptions = {}): StageRun {
  const source = /^FROM /m.test(text) ? text : `FROM x\n${text}`;
  const kubefile = parseKubefile(source, { file: 'Dockerfile', dialect: 'dockerfile' });
  const { buildArgs = {} } = options;
  const platform = parsePlatform(options.platform ?? 'linux/amd64');
  const sources = { buildArgs, platformArgs: platformArgs(parsePlatform('linux/amd64'), platform, '0') };
  const globals = globalArgs(kubefile.globalArgs, sources, { escape: kubefile.escape });
  const words = { escape: kubefile.escape, args: { ...sources, globals } };
  const run = { history: [] as string[], runs: [] as { step: CachedStep; state: StageState }[] };
  let state = beginStage(platform, baseOf(platform, options.base));
  const name = { platform: 'linux/amd64', stage: '0', index: 1, total: 1 };
  for (const instruction of kubefile.stages.at(-1)?.instructions ?? []) {
    switch (instruction.keyword) {
      case 'RUN': {
        const step = planRun(contextOf(buildArgs), state, {
          instruction,
          name,
          mounts: NO_MOUNTS,
          loan: undefined,
        });
        run.runs.push({ step, state });
        run.history.push(step.createdBy);
        break;
      }
      case 'COPY':
      case 'ADD':
      case 'WORKDIR':
      case 'APP':
      case 'APPCMDS':
      case 'APPENV':
      case 'CMDS':
      case 'CNI':
      case 'CSI':
      case 'KUBEVERSION':
      case 'LAUNCH':
        throw new TypeError(`${instruction.keyword} is no config instruction`);
      default: {
        const step = applyConfigInstruction(state, instruction, words);
        state = step.state;
        run.history.push(step.createdBy);
      }
    }
  }
  return { ...run, state, config: state.config.config ?? {} };
}

function baseOf(platform: StageState['platform'], config: ContainerConfig | undefined): BaseImage {
  const scratch = scratchImage(platform);
  return config === undefined ? scratch : { ...scratch, config: { ...scratch.config, config } };
}

const NO_MOUNTS: PlannedMounts = {
  key: [],
  targets: [],
  describe: () => ({ mounts: [], variables: new Set() }),
  open: () => Promise.reject(new TypeError('nothing is carried out')),
};

/** Planning a RUN reads the options alone; carrying it out would need the rest. */
function contextOf(buildArgs: Readonly<Record<string, string>>): RunContext {
  const options: BuildOptions = { ...buildOptions(''), context: '/', platforms: [], buildArgs, jobs: 1 };
  return { options, escape: '\\' } as RunContext;
}
