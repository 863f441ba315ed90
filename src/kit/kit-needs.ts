/** Which images a kit has to have: what the Kubefile names, what the user names, what the context lists. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BaseImages } from '../build/base-image.ts';
import { findOutsideNeeds, type NeedsSource } from '../build/outside-needs.ts';
import { atLocation } from '../errors.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import type { KitImage } from './kit-content.ts';

/** The list of container images that cluster images carry. */
const IMAGE_LIST = 'manifests/imageList';

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
  const take = async (name: string, platform: Platform): Promise<void> => {
    const key = `${name} ${formatPlatform(platform)}`;
    if (!found.has(key)) found.set(key, { name, platform, root: await bases.resolve(name, platform) });
  };
  for (const { name, platform, location } of findOutsideNeeds(needs.source).images) {
    try {
      await take(name, platform);
    } catch (error) {
      throw atLocation(error, location);
    }
  }
  for (const text of [...needs.extra, ...listedImages(needs.context)]) {
    const name = formatReference(withDefaultTag(parseReference(text)));
    for (const platform of needs.source.options.platforms) await take(name, platform);
  }
  return [...found.values()];
}

/** One reference a line; blank lines and comments do not count. */
function listedImages(context: string): string[] {
  const path = join(context, IMAGE_LIST);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
}
