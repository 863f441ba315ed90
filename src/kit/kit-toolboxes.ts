/** The toolboxes of a kit: of each machine for which a step will have to be lent a shell. */
import { ensureRootfs } from '../build/base-image.ts';
import type { BaseImages } from '../build/base-images.ts';
import { expandFrom, fromScope, imageUse, stageArgs } from '../build/from-words.ts';
import { contextKey, replaceStages } from '../build/named-contexts.ts';
import type { Job } from '../build/options.ts';
import type { NeededImage, NeedsSource } from '../build/outside-needs.ts';
import { hasProgram, SHELL } from '../build/step-toolbox.ts';
import type { Stage } from '../kubefile/instruction.ts';
import { findBaseStage, selectStages } from '../kubefile/select-stages.ts';
import type { Platform } from '../oci/platform.ts';

/**
 * The platforms whose stages run commands in a shell that their base lacks. One that a COPY brings along is not seen: a
 * toolbox too many does no harm. Throws what `BaseImages` throws.
 */
export async function platformsWithoutShell(
  job: Job,
  bases: BaseImages,
  written: NeedsSource,
): Promise<Platform[]> {
  const { options } = written;
  const kubefile = replaceStages(written.kubefile, options.buildContexts);
  const source = { ...written, kubefile };
  if (kubefile.dialect === 'dockerfile') return []; // there it is an error
  const found: Platform[] = [];
  for (const target of options.platforms) {
    const stages = selectStages(kubefile, options, fromScope(source, target)).filter(runsShell);
    for (const stage of stages) {
      const { image, ...wanted } = beginningOf(source, stage, target);
      found.push(...(await shellsLackedBy(job, bases, { image: imageFor(options, image), ...wanted })));
    }
  }
  return found;
}

const runsShell = ({ instructions }: Stage): boolean =>
  instructions.some((each) => each.keyword === 'RUN' && each.command.form === 'shell');

/** The image below the stages that a stage stands on. */
function beginningOf(
  source: NeedsSource,
  stage: Stage,
  target: Platform,
): { readonly image: string } & Pick<NeededImage, 'platform' | 'use'> {
  const words = expandFrom(source, stage.from, { args: stageArgs(source, stage, target), target });
  const earlier = findBaseStage(source.kubefile, words.image, stage.index);
  if (earlier === undefined) return { ...words, use: imageUse(source, stage, target) };
  return beginningOf(source, earlier, target);
}

/** Undefined for what no store has: nothing, a directory, a layout. */
function imageFor({ buildContexts }: NeedsSource['options'], image: string): string | undefined {
  if (image.toLowerCase() === 'scratch') return undefined;
  const context = buildContexts.get(contextKey(image));
  if (context === undefined) return image;
  return context.kind === 'image' ? context.reference : undefined;
}

/** The platform whose shell is not there, if it is not. */
async function shellsLackedBy(
  job: Job,
  bases: BaseImages,
  { image, platform, use }: { readonly image: string | undefined } & Pick<NeededImage, 'platform' | 'use'>,
): Promise<Platform[]> {
  if (image === undefined) return [platform];
  const base = await bases.get(image, platform, use);
  await ensureRootfs(job, base);
  return hasProgram(job.store.snapshots.trees(base.chain), SHELL) ? [] : [base.platform];
}
