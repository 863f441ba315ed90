/**
 * What a build wants from outside of its context: images, URLs, the network of the host. Found by reading alone, for
 * all platforms at once, so that it can be said before anything runs and be packed for a host without a network.
 *
 * Words that depend on what a base image brings along (its ENV, its ONBUILD triggers) are known only when it is there.
 */
import { ArchBuildError, type SourceLocation } from '../errors.ts';
import { expandWord } from '../kubefile/expand.ts';
import type { Instruction, Stage } from '../kubefile/instruction.ts';
import { findBaseStage, findCopyStage, imageWordsOf, selectStages } from '../kubefile/select-stages.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { isRemote } from './add-remote.ts';
import { scratchImage } from './base-image.ts';
import type { ImageUse } from './base-images.ts';
import { applyConfigInstruction } from './config-steps.ts';
import { expandFrom, fromScope, imageUse, stageArgs, type WordSource } from './from-words.ts';
import { contextKey, replaceStages } from './named-contexts.ts';
import type { BuildOptions } from './options.ts';
import { scopeOf } from './scope.ts';
import { locationOf } from './stage-runner.ts';
import { beginStage, type StageState } from './stage-state.ts';

export interface NeededImage {
  /** Full name. */
  readonly name: string;
  readonly platform: Platform;
  readonly use: ImageUse;
  /** `FROM`, `COPY --from`, … */
  readonly by: string;
  readonly location: SourceLocation;
}

export interface OutsideNeeds {
  /** Each name and platform once, at its first place. */
  readonly images: readonly NeededImage[];
  readonly urls: readonly { readonly url: string; readonly location: SourceLocation }[];
  /** Steps that ask for the host's network themselves. */
  readonly hostNetwork: readonly SourceLocation[];
}

export interface NeedsSource extends WordSource {
  readonly options: Pick<BuildOptions, 'buildArgs' | 'buildContexts' | 'target' | 'allStages' | 'platforms'>;
}

/** Throws EXPANSION, STAGE_UNKNOWN, KUBEFILE_SEMANTICS, REFERENCE_INVALID for what the build would refuse, too. */
export function findOutsideNeeds(written: NeedsSource): OutsideNeeds {
  const { options } = written;
  const kubefile = replaceStages(written.kubefile, options.buildContexts);
  const source = { ...written, kubefile };
  const all = options.platforms.flatMap((target) => {
    const ends: StageEnds = new Map();
    return selectStages(kubefile, options, fromScope(source, target)).map((stage) =>
      needsOfStage(source, { stage, target, ends }),
    );
  });
  return {
    images: eachImageOnce(all.flatMap(({ images }) => images)),
    urls: firstOfEach(
      all.flatMap(({ urls }) => urls),
      ({ url }) => url,
    ),
    hostNetwork: firstOfEach(
      all.flatMap(({ hostNetwork }) => hostNetwork),
      ({ line }) => String(line),
    ),
  };
}

/** The images, as far as reading tells. What cannot be read, the build reports itself, with its place. */
export function expectedImages(source: NeedsSource): readonly NeededImage[] {
  try {
    return findOutsideNeeds(source).images;
  } catch (error) {
    if (error instanceof ArchBuildError) return [];
    throw error;
  }
}

/** What stages end as, their layers aside, by index. */
type StageEnds = Map<number, StageState>;

interface StagePlace {
  readonly stage: Stage;
  readonly target: Platform;
  /** Of the stages before; this one's is added. */
  readonly ends: StageEnds;
}

function needsOfStage(source: NeedsSource, { stage, target, ends }: StagePlace): OutsideNeeds {
  const { kubefile } = source;
  const args = stageArgs(source, stage, target);
  const { image, platform } = expandFrom(source, stage.from, { args, target });
  const earlier = findBaseStage(kubefile, image, stage.index);
  const isImage = image !== '' && image.toLowerCase() !== 'scratch' && earlier === undefined;
  const use = imageUse(source, stage, target);
  const images = isImage ? neededImages(source, stage.from, { image, platform, use }) : [];
  const urls: { url: string; location: SourceLocation }[] = [];
  const hostNetwork: SourceLocation[] = [];
  let state = beginStage(platform, (earlier && ends.get(earlier.index)) ?? scratchImage(platform));
  for (const instruction of stage.instructions) {
    const location = locationOf(kubefile, instruction);
    const expand = (word: string): string | undefined => expandOrNothing(word, state, kubefile.escape);
    if (instruction.keyword === 'ARG' || instruction.keyword === 'ENV') {
      state = applyConfigInstruction(state, instruction, { escape: kubefile.escape, args }).state;
    } else if (instruction.keyword === 'RUN' && instruction.network === 'host') {
      hostNetwork.push(location);
    } else if (instruction.keyword === 'ADD') {
      const words = instruction.sources.flatMap((each) => (each.kind === 'word' ? [each.word] : []));
      const expanded = words.map((word) => expand(word) ?? word);
      urls.push(...expanded.filter(isRemote).map((url) => ({ url, location })));
    } else if (
      instruction.keyword === 'APP' ||
      instruction.keyword === 'CNI' ||
      instruction.keyword === 'CSI'
    ) {
      const words = instruction.sources.map(({ word }) => expand(word) ?? word);
      urls.push(...words.filter(isRemote).map((url) => ({ url, location })));
    }
    for (const name of imageWordsOf(instruction).map(expand)) {
      if (name === undefined || name === '' || isStage(source, stage, name)) continue;
      images.push(...neededImages(source, instruction, { image: name, platform: target, use: 'content' }));
    }
  }
  ends.set(stage.index, state);
  return { images, urls, hostNetwork };
}

const isStage = ({ kubefile }: NeedsSource, stage: Stage, name: string): boolean =>
  findCopyStage(kubefile, stage, name) !== undefined;

/** None for a named context that is a directory or a layout. */
function neededImages(
  { kubefile, options }: NeedsSource,
  instruction: Instruction,
  { image, ...wanted }: { readonly image: string } & Pick<NeededImage, 'platform' | 'use'>,
): NeededImage[] {
  const full = contextKey(image);
  const context = options.buildContexts.get(full);
  if (context !== undefined && context.kind !== 'image') return [];
  const name = context?.reference ?? full;
  const by = instruction.keyword === 'FROM' ? 'FROM' : `${instruction.keyword} --from`;
  return [{ name, ...wanted, by, location: locationOf(kubefile, instruction) }];
}

/** A variable that only the base image sets has no value yet. */
function expandOrNothing(word: string, { variables }: StageState, escape: '\\' | '`'): string | undefined {
  try {
    return expandWord(word, scopeOf(variables), { escape });
  } catch {
    return undefined;
  }
}

/** A base where any place makes it one. */
function eachImageOnce(images: readonly NeededImage[]): NeededImage[] {
  const keyOf = ({ name, platform }: NeededImage): string => `${name} ${formatPlatform(platform)}`;
  const bases = new Set(images.filter(({ use }) => use === 'base').map(keyOf));
  return firstOfEach(images, keyOf).map((image) =>
    bases.has(keyOf(image)) ? { ...image, use: 'base' } : image,
  );
}

const firstOfEach = <T>(values: readonly T[], keyOf: (value: T) => string): T[] =>
  [...new Map([...values].reverse().map((value) => [keyOf(value), value])).values()].reverse();
