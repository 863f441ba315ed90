/** One platform of a build: the stages the target needs, in order. */
import { ArchBuildError, atLocation } from '../errors.ts';
import type { Emulation } from '../emulation/ladder.ts';
import type { Kubefile, Stage } from '../kubefile/instruction.ts';
import { findBaseStage, findCopyStage, selectStages } from '../kubefile/select-stages.ts';
import type { Platform } from '../oci/platform.ts';
import { ensureRootfs, scratchImage, type BaseImages } from './base-image.ts';
import type { BuildContext } from './context.ts';
import { beginWithDirectory } from './directory-stage.ts';
import { expandFrom, fromScope, stageArgs } from './from-words.ts';
import type { ContextDirectories } from './named-contexts.ts';
import type { BuildOptions, Job } from './options.ts';
import { beginStage, type StageState } from './stage-state.ts';
import type { Origin } from './step-context.ts';
import { locationOf, runStage, type StageContext } from './stage-runner.ts';

export interface PlatformBuild {
  readonly job: Job;
  readonly options: BuildOptions;
  readonly kubefile: Kubefile;
  readonly emulation: Emulation;
  readonly bases: BaseImages;
  /** Opened when the first COPY needs it. */
  readonly context: () => BuildContext;
  readonly directories: ContextDirectories;
  readonly hostPlatform: Platform;
}

/** The state that the target's last step leaves. */
export async function buildPlatform(build: PlatformBuild, target: Platform): Promise<StageState> {
  const { kubefile, options } = build;
  const done = new Map<number, StageState>();
  let last: StageState | undefined;
  for (const stage of selectStages(kubefile, options.target, fromScope(build, target))) {
    last = await buildStage(build, { stage, target, done });
    done.set(stage.index, last);
  }
  if (last === undefined) throw new ArchBuildError('KUBEFILE_SEMANTICS', `${kubefile.file} has no FROM`);
  return last;
}

export interface StageBuild {
  readonly stage: Stage;
  readonly target: Platform;
  readonly done: ReadonlyMap<number, StageState>;
}

async function buildStage(build: PlatformBuild, place: StageBuild): Promise<StageState> {
  const begin = await beginFrom(build, place);
  return runStage(stageContext(build, place), place.stage, begin);
}

/** What the steps of a stage need. */
export function stageContext(build: PlatformBuild, place: StageBuild): StageContext {
  const { job, options, kubefile } = build;
  const { stage, target } = place;
  return {
    job,
    options,
    kubefile,
    target,
    emulation: build.emulation,
    context: build.context,
    dialect: kubefile.dialect,
    words: { escape: kubefile.escape, args: stageArgs(build, stage, target) },
    escape: kubefile.escape,
    ensureRootfs: (state) => ensureRootfs(job, state),
    origin: (from) => originOf(build, from, place),
  };
}

/** FROM with its words expanded: an image, or an earlier stage. Throws EXPANSION and KUBEFILE_SEMANTICS. */
export function resolveFrom(
  build: PlatformBuild,
  { stage, target }: StageBuild,
): { image: string; platform: Platform; earlier: Stage | undefined } {
  const { kubefile } = build;
  const { from, index } = stage;
  try {
    const { image, platform } = expandFrom(build, from, { args: stageArgs(build, stage, target), target });
    if (image === '')
      throw new ArchBuildError('KUBEFILE_SEMANTICS', `FROM ${from.image} names no image after expansion`);
    return { image, platform, earlier: findBaseStage(kubefile, image, index) };
  } catch (error) {
    throw atLocation(error, locationOf(kubefile, from));
  }
}

async function beginFrom(build: PlatformBuild, place: StageBuild): Promise<StageState> {
  const { image, platform, earlier } = resolveFrom(build, place);
  const state = earlier === undefined ? undefined : place.done.get(earlier.index);
  if (state !== undefined) return beginStage(state.platform, state);
  if (image.toLowerCase() === 'scratch') return beginStage(platform, scratchImage(platform));
  try {
    const directory = build.directories.find(image);
    if (directory === undefined) return beginStage(platform, await build.bases.get(image, platform));
    const { from, name, index } = place.stage;
    const options = { from, directory, name: image, stage: name ?? String(index), platform };
    return await beginWithDirectory(stageContext(build, place), options);
  } catch (error) {
    throw atLocation(error, locationOf(build.kubefile, place.stage.from));
  }
}

/** A stage goes before a named context, and that before an image. Throws KUBEFILE_SEMANTICS for a later stage. */
async function originOf(
  build: PlatformBuild,
  from: string | undefined,
  { stage, target, done }: StageBuild,
): Promise<Origin> {
  if (from === undefined) return { kind: 'context', context: build.context() };
  const found = findCopyStage(build.kubefile, stage, from);
  const state = found === undefined ? undefined : done.get(found.index);
  if (state !== undefined) return { kind: 'layers', state };
  const context = build.directories.find(from);
  if (context !== undefined) return { kind: 'context', context };
  return { kind: 'layers', state: beginStage(target, await build.bases.get(from, target)) };
}
