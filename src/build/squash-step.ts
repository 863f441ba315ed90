/** `--squash-all`: one layer with the whole tree of an image, that of its base included, in place of its layers. */
import type { CopyInstruction } from '../kubefile/instruction.ts';
import { formatPlatform } from '../oci/platform.ts';
import { stageContext, type PlatformBuild, type PlatformState } from './build-platform.ts';
import { runCached } from './cached-step.ts';
import { planCopy } from './copy-step.ts';
import type { Origin } from './step-context.ts';
import type { StageState } from './stage-state.ts';

/** As they are without the option. */
export function squashStep(build: PlatformBuild, built: readonly PlatformState[]): Promise<PlatformState[]> {
  if (build.options.squash !== true) return Promise.resolve([...built]);
  return build.fate.all(
    built.map(async ({ platform, state }) => ({ platform, state: await squashed(build, state) })),
  );
}

/** A COPY of everything onto nothing. The history still says how it came about. */
async function squashed(build: PlatformBuild, state: StageState): Promise<StageState> {
  const stage = build.kubefile.stages.at(-1);
  if (stage === undefined || state.layers.length < 2) return state;
  const context = stageContext(build, {
    stage,
    target: state.platform,
    endOf: () => undefined,
    waitFor: (other) => other,
  });
  const instruction: CopyInstruction = {
    keyword: 'COPY',
    range: stage.from.range,
    source: `squashing ${state.layers.length} layers`,
    flags: { from: 'layers', link: false, parents: false, exclude: [] },
    sources: [{ kind: 'word', word: '/' }],
    destination: '/',
  };
  const origin = (): Promise<Origin> => Promise.resolve({ kind: 'layers', state });
  const step = await planCopy({ ...context, dialect: 'dockerfile', origin }, emptied(state), {
    instruction,
    name: { platform: formatPlatform(state.platform), stage: 'squash', index: 1, total: 1 },
  });
  return runCached(context, emptied(state), { ...step, createdBy: instruction.source });
}

/** Its base is no part of the image any more, and what its steps made are no layers of it. */
function emptied({ config, origin: _origin, ...state }: StageState): StageState {
  const history = (config.history ?? []).map((entry) => ({ ...entry, empty_layer: true }));
  return {
    ...state,
    config: { ...config, history, rootfs: { type: 'layers', diff_ids: [] } },
    layers: [],
    chain: [],
    made: [],
  };
}
