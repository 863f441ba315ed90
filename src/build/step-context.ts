/** What the steps of a stage need besides their operands. */
import type { Emulation } from '../emulation/ladder.ts';
import type { StepName } from '../events.ts';
import type { Dialect } from '../kubefile/instruction.ts';
import type { CacheKey } from '../oci/digest.ts';
import type { Snapshot } from '../store/snapshots.ts';
import type { StepRecord } from './cache/cache-document.ts';
import type { BuildContext } from './context.ts';
import type { NativeTwins } from './native-twins.ts';
import type { BuildOptions, Job } from './options.ts';
import type { SharedWork } from './shared-work.ts';
import type { StageState, StepResult } from './stage-state.ts';

/** Where files are copied or mounted from. */
export type Origin =
  | { readonly kind: 'context'; readonly context: BuildContext }
  | { readonly kind: 'layers'; readonly state: StageState };

/** What one step adds to a stage. */
export type MadeStep = Pick<StepResult, 'created' | 'snapshot'> & {
  /** The cache it came from, when it was made elsewhere. */
  readonly from?: string;
};

export interface RunContext {
  readonly job: Job;
  readonly options: BuildOptions;
  readonly emulation: Emulation;
  readonly twins: NativeTwins;
  /** What steps of this build have made or are making. */
  readonly steps: SharedWork<CacheKey, MadeStep>;
  /** Layers that copies on several platforms have in common, by what they are made of. */
  readonly copies: SharedWork<string, Snapshot | undefined>;
  /** What a step made elsewhere (`--cache-from`). */
  readonly imported: (key: CacheKey) => Promise<MadeStep | undefined>;
  /** Is told what each step has come to (`--cache-to`). */
  readonly exported: (step: StepName, record: StepRecord, isMade: boolean) => void;
  /** Waits for what another stage makes. */
  readonly waitFor: <T>(other: Promise<T>) => Promise<T>;
  /** Unpacks the layers below when they are not there yet. */
  readonly ensureRootfs: (state: StageState) => Promise<void>;
  readonly context: () => BuildContext;
  /** `--from=`: a stage by name or number, else a named context or an image; without it the build context. */
  readonly origin: (from: string | undefined) => Promise<Origin>;
  readonly escape: '\\' | '`';
  /** `kubefile-v1` has its own placement, both Kubefile dialects know `${ARCH}` and the toolbox. */
  readonly dialect: Dialect;
}
