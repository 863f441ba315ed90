/** One platform of a build: the stages the target needs, each as soon as those it uses are there. */
import { ArchBuildError, atLocation, atSubject } from '../errors.ts';
import type { Emulation } from '../emulation/ladder.ts';
import type { Kubefile, Stage } from '../kubefile/instruction.ts';
import {
  findBaseStage,
  findCopyStage,
  lineage,
  selectStages,
  stagesUsedBy,
} from '../kubefile/select-stages.ts';
import type { CacheKey, ChainId } from '../oci/digest.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import type { StepRecord } from './cache/cache-document.ts';
import type { CacheMode } from './cache/cache-options.ts';
import type { ExportedCaches } from './cache/export-cache.ts';
import type { ImportedCaches } from './cache/import-cache.ts';
import { ensureRootfs, scratchImage } from './base-image.ts';
import type { BaseImages } from './base-images.ts';
import { SharedFate } from './shared-fate.ts';
import type { BuildContext } from './context.ts';
import { beginWithDirectory } from './directory-stage.ts';
import { expandFrom, fromScope, imageUse, stageArgs } from './from-words.ts';
import type { ContextDirectories } from './named-contexts.ts';
import type { NativeTwins } from './native-twins.ts';
import type { BuildOptions, Job } from './options.ts';
import { SharedWork } from './shared-work.ts';
import { beginStage, type StageState } from './stage-state.ts';
import type { MadeStep, Origin } from './step-context.ts';
import { locationOf, runStage, type StageContext } from './stage-runner.ts';
import { WorkSlots } from './work-slots.ts';

/** What the stages of all platforms share while they are built. */
export interface BuildWork {
  /** Ends with the first failure. */
  readonly job: Job;
  readonly fate: SharedFate;
  readonly slots: WorkSlots;
  readonly steps: SharedWork<CacheKey, MadeStep>;
  readonly copies: SharedWork<string, Snapshot | undefined>;
  readonly unpacked: SharedWork<ChainId, void>;
}

export function newWork(job: Job, jobs: number): BuildWork {
  const fate = new SharedFate(job.signal);
  return {
    job: { ...job, signal: fate.signal },
    fate,
    slots: new WorkSlots(jobs),
    steps: new SharedWork(),
    copies: new SharedWork(),
    unpacked: new SharedWork(),
  };
}

export interface PlatformBuild extends BuildWork {
  readonly options: BuildOptions;
  readonly kubefile: Kubefile;
  readonly emulation: Emulation;
  readonly twins: NativeTwins;
  readonly bases: BaseImages;
  /** Opened when the first COPY needs it. */
  readonly context: () => BuildContext;
  readonly directories: ContextDirectories;
  readonly hostPlatform: Platform;
  readonly caches: Pick<ImportedCaches, 'find'>;
  readonly exported: Pick<ExportedCaches, 'add'>;
}

/** What the target's last step leaves. */
export interface PlatformState {
  readonly platform: Platform;
  readonly state: StageState;
}

export interface BuiltPlatform extends PlatformState {
  /** What the steps of the image itself made, and of all its stages. */
  readonly made: Readonly<Record<CacheMode, readonly StepRecord[]>>;
}

/** Stages of earlier platforms, and earlier stages, go first where not all can be worked on at once. */
export async function buildPlatform(build: PlatformBuild, target: Platform): Promise<BuiltPlatform> {
  const { kubefile, options } = build;
  const scope = fromScope(build, target);
  const stages = selectStages(kubefile, options, scope);
  const firstRank = options.platforms.indexOf(target) * kubefile.stages.length;
  const begun: BegunStages = new Map();
  for (const stage of stages) {
    const uses = stagesUsedBy(kubefile, stage, scope).flatMap(({ index }) => begun.get(index)?.end ?? []);
    const place = placeOf(build, begun, { stage, target, rank: firstRank + stage.index });
    begun.set(
      stage.index,
      beginAfter(uses, () => build.slots.use(place.rank, () => buildStage(build, place))),
    );
  }
  const ends = await build.fate.all([...begun.values()].map(({ end }) => end));
  const last = ends.at(-1);
  if (last === undefined) throw new ArchBuildError('KUBEFILE_SEMANTICS', `${kubefile.file} has no FROM`);
  const platform = options.platformImplied === true ? last.platform : target;
  return { platform, state: last, made: { min: last.made, max: ends.flatMap(({ made }) => made) } };
}

export interface StageBuild {
  readonly stage: Stage;
  readonly target: Platform;
  /** What an earlier stage of the platform ends as; undefined for one that nobody builds. */
  readonly endOf: (index: number) => Promise<StageState> | undefined;
  /** Waits for what another stage or platform makes. */
  readonly waitFor: <T>(other: Promise<T>) => Promise<T>;
}

interface RankedStage extends StageBuild {
  readonly rank: number;
}

interface BegunStage {
  readonly end: Promise<StageState>;
  isOver: boolean;
}

/** By index. */
type BegunStages = Map<number, BegunStage>;

function beginAfter(uses: readonly Promise<StageState>[], work: () => Promise<StageState>): BegunStage {
  const begun: BegunStage = {
    end: Promise.all(uses).then(async () => {
      const state = await work();
      begun.isOver = true;
      return state;
    }),
    isOver: false,
  };
  return begun;
}

/** A stage that an ONBUILD trigger or a variable names may not be over yet, though nothing in the file said it is used. */
function placeOf(
  build: PlatformBuild,
  begun: BegunStages,
  own: Pick<RankedStage, 'stage' | 'target' | 'rank'>,
): RankedStage {
  const waitFor = <T>(other: Promise<T>): Promise<T> => build.slots.lend(own.rank, other);
  const endOf = (index: number): Promise<StageState> | undefined => {
    const stage = begun.get(index);
    return stage === undefined || stage.isOver ? stage?.end : waitFor(stage.end);
  };
  return { ...own, endOf, waitFor };
}

async function buildStage(build: PlatformBuild, place: RankedStage): Promise<StageState> {
  const { job, options } = build;
  job.signal.throwIfAborted();
  try {
    const begin = await beginFrom(build, place);
    return await runStage(stageContext(build, place), place.stage, begin);
  } catch (error) {
    throw options.platforms.length === 1 ? error : atSubject(error, formatPlatform(place.target));
  }
}

/** What the steps of a stage need. */
export function stageContext(build: PlatformBuild, place: StageBuild): StageContext {
  const { job, options, kubefile } = build;
  const { stage, target, waitFor } = place;
  return {
    job,
    options,
    kubefile,
    target,
    emulation: build.emulation,
    twins: build.twins,
    context: build.context,
    dialect: kubefile.dialect,
    words: { escape: kubefile.escape, args: stageArgs(build, stage, target) },
    escape: kubefile.escape,
    steps: build.steps,
    copies: build.copies,
    imported: (key) => build.caches.find(key),
    exported: (step, record, isMade) => {
      const isOfImage = lineage(kubefile, options.target, fromScope(build, target)).has(stage);
      build.exported.add(step, { record, isMade, isOfImage });
    },
    waitFor,
    ensureRootfs: (state) => ensureRootfs(job, state, build.unpacked),
    origin: (from) => originOf(build, from, place),
  };
}

/** FROM with its words expanded: an image, or an earlier stage. Throws EXPANSION and KUBEFILE_SEMANTICS. */
export function resolveFrom(
  build: PlatformBuild,
  { stage, target }: Pick<StageBuild, 'stage' | 'target'>,
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

function reportStage(
  { job: { report } }: PlatformBuild,
  { stage, target }: StageBuild,
  { image, platform }: { readonly image: string; readonly platform: Platform },
): void {
  const [from, own] = [formatPlatform(platform), formatPlatform(target)];
  report({
    type: 'stage-started',
    platform: own,
    stage: stage.name ?? String(stage.index),
    text: `FROM ${from === own ? '' : `--platform=${from} `}${image}`,
  });
}

async function beginFrom(build: PlatformBuild, place: StageBuild): Promise<StageState> {
  const { image, platform, earlier } = resolveFrom(build, place);
  reportStage(build, place, { image, platform });
  const state = earlier === undefined ? undefined : await place.endOf(earlier.index);
  if (state !== undefined) return beginStage(state.platform, state);
  if (image.toLowerCase() === 'scratch') return beginStage(platform, scratchImage(platform));
  try {
    const directory = build.directories.find(image);
    if (directory === undefined) return await beginWithImage(build, place, { image, platform });
    const { from, name, index } = place.stage;
    const options = { from, directory, name: image, stage: name ?? String(index), platform };
    return await beginWithDirectory(stageContext(build, place), options);
  } catch (error) {
    throw atLocation(error, locationOf(build.kubefile, place.stage.from));
  }
}

async function beginWithImage(
  build: PlatformBuild,
  place: StageBuild,
  { image, platform }: { readonly image: string; readonly platform: Platform },
): Promise<StageState> {
  const found = await build.bases.get(image, platform, imageUse(build, place.stage, place.target));
  return beginStage(found.platform, found);
}

/** A stage goes before a named context, and that before an image. Throws KUBEFILE_SEMANTICS for a later stage. */
async function originOf(
  build: PlatformBuild,
  from: string | undefined,
  { stage, target, endOf }: StageBuild,
): Promise<Origin> {
  if (from === undefined) return { kind: 'context', context: build.context() };
  const found = findCopyStage(build.kubefile, stage, from);
  const state = found === undefined ? undefined : await endOf(found.index);
  if (state !== undefined) return { kind: 'layers', state };
  const context = build.directories.find(from);
  if (context !== undefined) return { kind: 'context', context };
  const image = await build.bases.get(from, target, 'content');
  return { kind: 'layers', state: beginStage(image.platform, image) };
}
