/** What the words of FROM and the ARGs of a stage are on one platform, before anything of the stage has run. */
import { expandWord, type Scope } from '../kubefile/expand.ts';
import type { FromInstruction, Kubefile, Stage } from '../kubefile/instruction.ts';
import { lineage } from '../kubefile/select-stages.ts';
import { parsePlatform, type Platform } from '../oci/platform.ts';
import type { ImageUse } from './base-images.ts';
import type { BuildOptions } from './options.ts';
import { globalArgs, platformArgs, scopeOf, type ArgSources } from './scope.ts';

export interface WordSource {
  readonly kubefile: Kubefile;
  readonly options: Pick<BuildOptions, 'buildArgs'>;
  readonly hostPlatform: Platform;
}

/** What words of FROM see: ARGs before the first FROM, the platform ARGs and what --build-arg gives them. */
export function fromScope(source: WordSource, target: Platform): Scope {
  return scopeOfFrom(argsOf(source, target, ''));
}

/** The ARGs a stage may declare. */
export function stageArgs(source: WordSource, stage: Stage, target: Platform): ArgSources {
  return argsOf(source, target, stage.name ?? String(stage.index));
}

/** Throws EXPANSION, PLATFORM_INVALID. */
export function expandFrom(
  { kubefile: { escape } }: WordSource,
  from: FromInstruction,
  { args, target }: { readonly args: ArgSources; readonly target: Platform },
): { readonly image: string; readonly platform: Platform } {
  const expand = (word: string): string => expandWord(word, scopeOfFrom(args), { escape });
  const image = expand(from.image);
  return { image, platform: from.platform === undefined ? target : parsePlatform(expand(from.platform)) };
}

/** What the image of FROM is for: a stage that the result does not stand on is only copied from. */
export function imageUse(
  source: WordSource & { readonly options: Pick<BuildOptions, 'target'> },
  stage: Stage,
  target: Platform,
): ImageUse {
  const { kubefile, options } = source;
  return lineage(kubefile, options.target, fromScope(source, target)).has(stage) ? 'base' : 'content';
}

const scopeOfFrom = ({ platformArgs: platform, globals }: ArgSources): Scope =>
  scopeOf(new Map([...platform, ...globals]));

function argsOf(
  { kubefile, options, hostPlatform }: WordSource,
  target: Platform,
  stage: string,
): ArgSources {
  const sources = {
    buildArgs: options.buildArgs,
    platformArgs: platformArgs(hostPlatform, target, stage),
  };
  return { ...sources, globals: globalArgs(kubefile.globalArgs, sources, { escape: kubefile.escape }) };
}
