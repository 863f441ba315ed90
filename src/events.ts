/** Progress as values. Everything below `cli/` reports through a function passed to it; nothing prints. */
import type { SourceLocation } from './errors.ts';

/** Which step of which platform and stage: the reporter makes the prefix. */
export interface StepName {
  readonly platform: string;
  readonly stage: string;
  /** Counts from 1 within the stage. */
  readonly index: number;
  readonly total: number;
}

/** As the kernel counts it. */
export interface ResourceUsage {
  readonly userMs: number;
  readonly systemMs: number;
  /** Of the largest process. */
  readonly peakBytes: number;
  /** From and to disks; what the page cache has costs nothing. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export type BuildEvent =
  /** FROM, with the image it comes to. */
  | {
      readonly type: 'stage-started';
      readonly platform: string;
      readonly stage: string;
      readonly text: string;
    }
  | { readonly type: 'step-started'; readonly step: StepName; readonly text: string }
  | {
      readonly type: 'step-cached';
      readonly step: StepName;
      readonly text: string;
      /** The cache of `--cache-from` that has it, when the store has not. */
      readonly from?: string;
    }
  /** `--cache-to`: what the step has come to is on its way into these caches. */
  | { readonly type: 'step-exported'; readonly step: StepName; readonly caches: readonly string[] }
  | {
      readonly type: 'step-output';
      readonly step: StepName;
      readonly stream: 'stdout' | 'stderr';
      readonly data: Buffer;
    }
  | {
      readonly type: 'step-finished';
      readonly step: StepName;
      readonly milliseconds: number;
      readonly layerBytes: number | undefined;
    }
  /** What the processes of a RUN have used, however they ended. */
  | { readonly type: 'step-usage'; readonly step: StepName; readonly usage: ResourceUsage }
  /** `--log-rusage`: what a step, or without one the whole build, has used. */
  | {
      readonly type: 'usage';
      readonly step?: StepName;
      readonly usage: ResourceUsage;
      readonly milliseconds: number;
    }
  /** Its output is complete; the error itself is thrown. */
  | { readonly type: 'step-failed'; readonly step: StepName }
  | { readonly type: 'info'; readonly text: string }
  | {
      readonly type: 'transfer';
      /** `layer`, `config`, or the media type of something else. */
      readonly what: string;
      readonly digest: string;
      readonly bytes: number;
      readonly total: number;
    }
  | { readonly type: 'warning'; readonly text: string; readonly location?: SourceLocation }
  | { readonly type: 'debug'; readonly text: string };

export type Reporter = (event: BuildEvent) => void;
