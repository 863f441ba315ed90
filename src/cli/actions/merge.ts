/** `merge`: sealer's. */
import { writeManifest, writeRoot, type ImageOptions } from '../../build/assemble.ts';
import { platformsInStore, type BaseImage } from '../../build/base-image.ts';
import { BaseImages } from '../../build/base-images.ts';
import { mergeAnnotations, mergeImages } from '../../build/merge-images.ts';
import { ArchBuildError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import type { Store } from '../../store/store.ts';
import { platformsFlag } from '../architectures.ts';
import type { MergeFlags } from '../transfer-flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';

const NOTHING_ADDED: ImageOptions = {
  annotations: {},
  labels: {},
  unset: { environment: [], labels: [] },
  sourceDateEpoch: undefined,
};

export async function merge(
  globals: Globals,
  [first, ...others]: readonly [string, ...string[]],
  flags: MergeFlags,
): Promise<void> {
  if (flags.tag.length === 0) throw new ArchBuildError('USAGE', 'name the result with -t');
  requireRoot(globals);
  const tags = flags.tag.map(fullName);
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals, 'quiet'), signal: globals.signal };
  const options = {
    pull: 'missing',
    insecure: flags.insecure,
    offline: globals.offline,
    reach: 'exact',
  } as const;
  const bases = new BaseImages(job, options);
  const names = [first, ...others];
  const platforms = platformsToMerge(store, names, platformsFlag(flags.platform));
  const manifests: Descriptor[] = [];
  for (const platform of platforms) {
    const image = await bases.get(first, platform);
    const above: BaseImage[] = [];
    for (const name of others) above.push(await bases.get(name, platform));
    const state = mergeImages(platform, [image, ...above]);
    const annotations = mergeAnnotations([image, ...above]);
    manifests.push(writeManifest(store, state, { platform, options: { ...NOTHING_ADDED, annotations } }));
  }
  const root = writeRoot(store, manifests, {});
  await store.images.put(root, tags);
  process.stdout.write(`${root.digest}\n`);
}

/** The images' own, without a wish: the same for all of them that are here. Throws USAGE, IMAGE_NOT_FOUND. */
function platformsToMerge(
  store: Store,
  names: readonly string[],
  wanted: readonly Platform[],
): readonly Platform[] {
  if (wanted.length > 0) return wanted;
  const sets = names.flatMap((name) => {
    const root = store.images.find(fullName(name))?.root;
    return root === undefined ? [] : [{ name, platforms: platformsInStore(store, root) }];
  });
  const [one, ...others] = sets;
  if (one === undefined) {
    throw new ArchBuildError(
      'USAGE',
      'none of the images is in the store, so their platforms are not known',
      {
        hint: 'name the platforms with --platform',
      },
    );
  }
  const textOf = (platforms: readonly Platform[]): string => platforms.map(formatPlatform).sort().join(', ');
  const odd = others.find(({ platforms }) => textOf(platforms) !== textOf(one.platforms));
  if (odd === undefined) return one.platforms;
  throw new ArchBuildError(
    'USAGE',
    `${one.name} is for ${textOf(one.platforms)}, ${odd.name} for ${textOf(odd.platforms)}`,
    { hint: 'name the platforms to merge with --platform' },
  );
}
