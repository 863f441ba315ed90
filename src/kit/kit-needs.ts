/** Which images a kit has to have: what the Kubefile names, what the user names, what the context lists. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseImages, FoundImage, ImageUse } from '../build/base-images.ts';
import { findOutsideNeeds, type NeedsSource } from '../build/outside-needs.ts';
import { IMAGE_LIST } from '../cluster/find/find-images.ts';
import { findInImageList } from '../cluster/find/image-list.ts';
import { atLocation } from '../errors.ts';
import { parseTrigger } from '../kubefile/parse.ts';
import { imageWordsOf } from '../kubefile/select-stages.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { fullName } from '../oci/reference.ts';
import type { KitImage } from './kit-content.ts';

export interface KitNeeds {
  readonly source: NeedsSource;
  /** Host path of the build context. */
  readonly context: string;
  /** Further references, for every platform of the build. */
  readonly extra: readonly string[];
}

/** Brings them all into the store. Throws what `BaseImages` throws, with the place in the Kubefile. */
export async function collectImages(bases: BaseImages, needs: KitNeeds): Promise<KitImage[]> {
  const found = new Map<string, KitImage>();
  const take = async (name: string, wanted: Platform, use?: ImageUse): Promise<FoundImage> => {
    const image = await bases.get(name, wanted, use);
    const { root, platform, origin } = image;
    found.set(`${name} ${formatPlatform(platform)}`, { name, platform, root, manifest: origin.digest });
    return image;
  };
  for (const { name, platform, use, by, location } of findOutsideNeeds(needs.source).images) {
    try {
      const { config } = await take(name, platform, use);
      if (by !== 'FROM') continue;
      for (const text of imagesOfTriggers(needs.source, config.config?.OnBuild ?? []))
        for (const target of needs.source.options.platforms) await take(fullName(text), target, 'content');
    } catch (error) {
      throw atLocation(error, location);
    }
  }
  for (const text of [...needs.extra, ...listedImages(needs.context)]) {
    const name = fullName(text);
    for (const platform of needs.source.options.platforms) await take(name, platform);
  }
  return [...found.values()];
}

/** `ONBUILD COPY --from=IMAGE` of a base image; what a variable stands for there, only the build knows. */
function imagesOfTriggers({ kubefile }: NeedsSource, triggers: readonly string[]): string[] {
  const words = triggers.flatMap((text) =>
    imageWordsOf(parseTrigger(text, `ONBUILD of the base of ${kubefile.file}`)),
  );
  const stages = new Set(kubefile.stages.flatMap(({ name, index }) => [name ?? '', String(index)]));
  return words.filter((word) => !word.includes('$') && !stages.has(word.toLowerCase()));
}

function listedImages(context: string): string[] {
  const path = join(context, IMAGE_LIST);
  if (!existsSync(path)) return [];
  return findInImageList(readFileSync(path, 'utf8'), path).mentions.map(({ text }) => text);
}
