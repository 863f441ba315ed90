/** A stage that begins with a directory of the host: its files are the first layer, as COPY puts them on nothing. */
import type { CopyInstruction, FromInstruction } from '../kubefile/instruction.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { scratchImage } from './base-image.ts';
import { runCached } from './cached-step.ts';
import type { BuildContext } from './context.ts';
import type { CopyContext } from './copy-operands.ts';
import { planCopy } from './copy-step.ts';
import type { Origin } from './step-context.ts';
import { beginStage, type StageState } from './stage-state.ts';

export interface DirectoryStage {
  readonly from: FromInstruction;
  /** What FROM calls it. */
  readonly name: string;
  readonly directory: BuildContext;
  readonly stage: string;
  readonly platform: Platform;
}

export async function beginWithDirectory(
  context: CopyContext,
  { from, name, directory, stage, platform }: DirectoryStage,
): Promise<StageState> {
  const instruction: CopyInstruction = {
    keyword: 'COPY',
    range: from.range,
    source: `FROM ${name}`,
    flags: { from: name, link: false, parents: false, exclude: [] },
    sources: [{ kind: 'word', word: '.' }],
    destination: '/',
  };
  const state = beginStage(platform, scratchImage(platform));
  const origin = (): Promise<Origin> => Promise.resolve({ kind: 'context', context: directory });
  const step = await planCopy({ ...context, dialect: 'dockerfile', origin }, state, {
    instruction,
    name: { platform: formatPlatform(platform), stage, index: 1, total: 1 },
  });
  return runCached(context, state, step);
}
