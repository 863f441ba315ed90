/**
 * `--plan`: what a build would do, by the code that builds: stages, steps, cache keys, sandboxes. Nothing is run,
 * fetched or unpacked; whatever depends on that is said to be unknown.
 */
import type { Emulation } from '../emulation/ladder.ts';
import { hostPlatform } from '../emulation/host.ts';
import type { Kubefile, Stage } from '../kubefile/instruction.ts';
import { findCopyStage, selectStages, stagesUsedBy } from '../kubefile/select-stages.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { hasPlatform, scratchImage } from './base-image.ts';
import { BaseImages, type ExpectedImage } from './base-images.ts';
import { NativeTwins } from './native-twins.ts';
import { newWork, resolveFrom, stageContext, type PlatformBuild, type StageBuild } from './build-platform.ts';
import { buildContextOnce } from './context.ts';
import { fromScope, imageUse } from './from-words.ts';
import { builtKubefile, writtenKubefile } from './kubefile-of.ts';
import { ContextDirectories, contextKey } from './named-contexts.ts';
import type { BuildOptions, Job } from './options.ts';
import { NotKnownYet, planSteps, type Begin, type StepPlan } from './plan-stage.ts';
import type { StageContext } from './stage-runner.ts';
import { planResults, type ResultPlan } from './plan-results.ts';
import { beginStage, type StageState } from './stage-state.ts';

export interface BuildPlan extends ResultPlan {
  readonly file: string;
  readonly dialect: Kubefile['dialect'];
  readonly platforms: readonly PlatformPlan[];
}

export interface PlatformPlan {
  readonly platform: string;
  readonly stages: readonly StagePlan[];
}

export interface StagePlan {
  readonly index: number;
  readonly name?: string;
  /** `target`, and the stages that use this one; empty: it is left out. */
  readonly neededBy: readonly string[];
  readonly base: BasePlan;
  readonly steps: readonly StepPlan[];
}

export interface BasePlan {
  readonly image: string;
  readonly platform: string;
  readonly from: 'scratch' | 'stage' | 'context' | 'store' | 'kit' | 'registry' | 'nowhere' | 'left out';
}

/** Throws what a build throws of the Kubefile and of words it can expand without building. */
export async function planBuild(job: Job, options: BuildOptions): Promise<BuildPlan> {
  const kubefile = builtKubefile(writtenKubefile(options), options);
  selectStages(kubefile, options);
  const bases = new BaseImages(job, { ...options, pull: 'never' });
  const build: PlatformBuild = {
    options,
    kubefile,
    emulation: NO_EMULATION,
    twins: new NativeTwins(job, bases, { accelerate: 'off' }),
    bases,
    context: buildContextOnce(options, kubefile.dialect),
    directories: new ContextDirectories(options.buildContexts),
    hostPlatform: hostPlatform(),
    ...newWork(job, 1),
    caches: { find: () => Promise.resolve(undefined) },
    exported: { add: () => undefined },
  };
  const platforms: PlatformPlan[] = [];
  for (const platform of options.platforms) platforms.push(await planPlatform(build, platform));
  return {
    file: kubefile.file,
    dialect: kubefile.dialect,
    platforms,
    ...(await planResults(kubefile, options)),
  };
}

const nothingRuns = (): never => {
  throw new TypeError('a plan runs nothing');
};

/** Nothing is probed: no step runs. */
const NO_EMULATION: Emulation = {
  forPlatform: nothingRuns,
  nextEmulator: nothingRuns,
  emulatorsOf: nothingRuns,
  describe: nothingRuns,
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

async function planPlatform(build: PlatformBuild, target: Platform): Promise<PlatformPlan> {
  const { kubefile, options } = build;
  const scope = fromScope(build, target);
  const needed = selectStages(kubefile, options, scope);
  const last = needed.at(-1);
  const done = new Map<number, Begin>();
  const stages: StagePlan[] = [];
  for (const stage of kubefile.stages) {
    const users = needed.filter((user) => stagesUsedBy(kubefile, user, scope).includes(stage)).map(nameOf);
    const reasons = [...(stage === last ? ['target'] : []), ...users];
    const asked = reasons.length === 0 && needed.includes(stage) ? ['--skip-unused-stages=false'] : reasons;
    const neededBy = needed.includes(stage) ? asked : [];
    stages.push(await planStage(build, stage, { target, done, neededBy }));
  }
  return { platform: formatPlatform(target), stages };
}

interface Progress {
  readonly target: Platform;
  readonly done: Map<number, Begin>;
  readonly neededBy: readonly string[];
}

async function planStage(build: PlatformBuild, stage: Stage, progress: Progress): Promise<StagePlan> {
  const { done, neededBy } = progress;
  const { index, name } = stage;
  const place = placeOf(stage, progress);
  const { image, platform, earlier } = resolveFrom(build, place);
  const head = { index, ...(name === undefined ? {} : { name }), neededBy };
  if (neededBy.length === 0)
    return { ...head, base: { image, platform: formatPlatform(platform), from: 'left out' }, steps: [] };
  const before = earlier === undefined ? undefined : done.get(earlier.index);
  const { from, ...begin } =
    before === undefined
      ? await beginWithImage(build, image, { platform, use: imageUse(build, stage, progress.target) })
      : {
          from: 'stage' as const,
          because: before.because,
          lacksBase: before.lacksBase,
          state: beginStage(before.state.platform, before.state),
        };
  const planned = await planSteps(contextOf(build, place, done), stage, begin);
  done.set(index, planned.end);
  return {
    ...head,
    base: { image, platform: formatPlatform(begin.state.platform), from },
    steps: planned.steps,
  };
}

function placeOf(stage: Stage, { target, done }: Progress): StageBuild {
  const endOf = (number: number): Promise<StageState> | undefined => {
    const state = done.get(number)?.state;
    return state && Promise.resolve(state);
  };
  return { stage, target, endOf, waitFor: (other) => other };
}

async function beginWithImage(
  build: PlatformBuild,
  image: string,
  { platform, use }: Pick<ExpectedImage, 'platform' | 'use'>,
): Promise<Begin & { readonly from: BasePlan['from'] }> {
  const { bases, options } = build;
  if (image.toLowerCase() === 'scratch') {
    const state = beginStage(platform, scratchImage(platform));
    return { from: 'scratch', state, because: undefined, lacksBase: false };
  }
  const full = contextKey(image);
  const context = options.buildContexts.get(full);
  if (context?.kind === 'directory' || context?.kind === 'layout')
    return unread(context.kind, image, platform);
  const name = context?.reference ?? full;
  if (options.pull !== 'always' && isStored(build, { name, platform, use })) {
    const found = await bases.get(image, platform, use);
    const state = beginStage(found.platform, found);
    return { from: 'store', state, because: undefined, lacksBase: false };
  }
  if (options.pull !== 'always' && bases.has(name, platform, use)) return unfetched('kit', image, platform);
  return unfetched(options.pull === 'never' || options.offline ? 'nowhere' : 'registry', image, platform);
}

function isHere(build: PlatformBuild, name: string, platform: Platform): boolean {
  const context = build.options.buildContexts.get(name);
  if (context?.kind === 'layout') return false;
  const reference = context?.kind === 'image' ? context.reference : name;
  return isStored(build, { name: reference, platform, use: 'content' });
}

/** Had without asking a network, and not out of the kit. */
function isStored({ bases, job: { store } }: PlatformBuild, { name, platform, use }: ExpectedImage): boolean {
  const root = store.images.find(name)?.root;
  if (root === undefined || !bases.has(name, platform, use)) return false;
  const platforms = use === 'base' ? [platform] : [platform, hostPlatform()];
  return platforms.some((each) => hasPlatform(store, root, { platform: each }));
}

/** Its config is not known: as if it were empty. */
const unfetched = (
  from: 'kit' | 'registry' | 'nowhere',
  image: string,
  platform: Platform,
): Begin & { readonly from: BasePlan['from'] } => ({
  from,
  state: beginStage(platform, scratchImage(platform)),
  lacksBase: true,
  because: from === 'nowhere' ? `the store has no ${image}` : `${image} has to be fetched first`,
});

const unread = (
  kind: 'directory' | 'layout',
  image: string,
  platform: Platform,
): Begin & { readonly from: 'context' } => ({
  from: 'context',
  state: beginStage(platform, scratchImage(platform)),
  lacksBase: kind === 'layout',
  because: `the ${kind} that is ${image} has to be read first`,
});

/** A build's own, but nothing is unpacked, and a stage that is not there yet gives nothing. */
function contextOf(build: PlatformBuild, place: StageBuild, done: Progress['done']): StageContext {
  const context = stageContext(build, place);
  return {
    ...context,
    ensureRootfs: ({ chain }) => {
      if (chain.every((id) => build.job.store.snapshots.has(id))) return Promise.resolve();
      return Promise.reject(new NotKnownYet('the layers of an image have to be unpacked first'));
    },
    origin: async (name) => {
      if (name === undefined) return context.origin(name);
      const found = findCopyStage(build.kubefile, place.stage, name);
      const because = found === undefined ? undefined : done.get(found.index)?.because;
      if (because !== undefined) throw new NotKnownYet(because);
      const isImage = found === undefined && build.directories.find(name) === undefined;
      if (isImage && !isHere(build, contextKey(name), place.target))
        throw new NotKnownYet(`${name} has to be fetched first`);
      return context.origin(name);
    },
  };
}

const nameOf = ({ name, index }: Stage): string => name ?? String(index);
