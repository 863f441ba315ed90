/** What the steps of a stage need besides their operands. */
import type { Emulation } from '../emulation/ladder.ts';
import type { Dialect } from '../kubefile/instruction.ts';
import type { BuildContext } from './context.ts';
import type { BuildOptions, Job } from './options.ts';
import type { StageState } from './stage-state.ts';

export interface RunContext {
  readonly job: Job;
  readonly options: BuildOptions;
  readonly emulation: Emulation;
  /** Unpacks the layers below when they are not there yet. */
  readonly ensureRootfs: (state: StageState) => Promise<void>;
  readonly context: () => BuildContext;
  /** `--from=`: a stage by name or number, else an image. */
  readonly stageOrImage: (name: string) => Promise<StageState>;
  readonly escape: '\\' | '`';
  /** `kubefile-v1` has its own placement, both Kubefile dialects know `${ARCH}` and the toolbox. */
  readonly dialect: Dialect;
}
