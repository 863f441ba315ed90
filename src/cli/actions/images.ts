/** `images`, `tag`, `rmi`. */
import { ArchBuildError } from '../../errors.ts';
import { formatPlatform, matchesPlatform, type Platform } from '../../oci/platform.ts';
import { familiarReference, formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { describeImage, pickPlatform, type ImageDetails } from '../../store/image-details.ts';
import type { StoredImage } from '../../store/images.ts';
import { prune } from '../../store/prune.ts';
import { openStore, type Store } from '../../store/store.ts';
import { writeIndex } from '../../store/write-index.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import { wantsJson, type ImagesFlags, type PlatformFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { formatBytes } from '../reporter.ts';
import { formatAge, formatTable, shortDigest } from '../table.ts';

export async function images(globals: Globals, flags: ImagesFlags): Promise<void> {
  await using store = await storeFor(globals);
  const all = store.images.list().map((image) => describeImage(store, image));
  if (wantsJson(flags)) {
    printJson(all.map(jsonRow));
    return;
  }
  const digest = (text: string): string => (flags.trunc ? shortDigest(text) : text);
  const rows = all.flatMap((details) => tableRows(details, digest));
  process.stdout.write(formatTable(['NAME', 'TAG', 'PLATFORM', 'DIGEST', 'CREATED', 'SIZE'], rows));
}

function nameAndTag({ name }: StoredImage): [string, string] {
  if (name === undefined) return ['<none>', '<none>'];
  const { tag = '', ...reference } = parseReference(name);
  return [familiarReference(reference), tag];
}

/** Of an index that is here in part, each row says so. */
function tableRows(
  { image, platforms, missing }: ImageDetails,
  digest: (text: string) => string,
): string[][] {
  const [name, tag] = nameAndTag(image);
  const part = missing.length === 0 ? '' : ` (${platforms.length} of ${platforms.length + missing.length})`;
  return platforms.map(({ platform, config, size }) => [
    name,
    tag,
    formatPlatform(platform) + part,
    digest(image.root.digest),
    formatAge(config.created, Date.now()),
    formatBytes(size),
  ]);
}

function jsonRow({ image, platforms, missing }: ImageDetails): object {
  return {
    name: image.name ?? null,
    digest: image.root.digest,
    mediaType: image.root.mediaType,
    missing: missing.map(formatPlatform),
    platforms: platforms.map(({ platform, descriptor, manifest, config, size }) => ({
      platform: formatPlatform(platform),
      digest: descriptor.digest,
      config: manifest.config.digest,
      created: config.created ?? null,
      size,
      layers: manifest.layers.length,
    })),
  };
}

export async function tag(
  globals: Globals,
  { image, names }: { readonly image: string; readonly names: readonly string[] },
  flags: PlatformFlags,
): Promise<void> {
  await using store = await storeFor(globals);
  const wanted = platformFlag(flags);
  const stored = store.images.get(image);
  const root =
    wanted === undefined ? stored.root : pickPlatform(describeImage(store, stored), wanted).descriptor;
  await store.images.put(
    root,
    names.map((name) => formatReference(withDefaultTag(parseReference(name)))),
  );
}

/** Names are removed at once; content goes when no other command is using the store, else with the next prune. */
export async function remove(
  globals: Globals,
  names: readonly string[],
  flags: PlatformFlags,
): Promise<void> {
  await removeNames(globals, names, platformFlag(flags));
  try {
    await using store = await openStore(globals.root, 'exclusive', { waitMs: 0 });
    await prune(store, { cache: false, unnamed: false, dryRun: false });
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'STORE_BUSY') throw error; // the next prune will do it
  }
}

async function removeNames(
  globals: Globals,
  names: readonly string[],
  wanted: Platform | undefined,
): Promise<void> {
  await using store = await storeFor(globals);
  const found = names.map((name) => store.images.get(name)); // all or none
  for (const image of found) {
    if (wanted === undefined) await store.images.remove((each) => isSame(each, image));
    else await removePlatform(store, image, wanted);
    process.stdout.write(`${image.name ?? image.root.digest}\n`);
  }
}

const isSame = (a: StoredImage, b: StoredImage): boolean =>
  a.name === b.name && a.root.digest === b.root.digest;

/** The image without one platform: a smaller index under the same name; without the last one, no image. */
async function removePlatform(store: Store, image: StoredImage, wanted: Platform): Promise<void> {
  const details = describeImage(store, image);
  pickPlatform(details, wanted);
  const rest = (details.index?.manifests ?? []).filter(
    ({ platform }) => platform === undefined || !matchesPlatform(wanted, platform),
  );
  if (rest.length === 0) {
    await store.images.remove((each) => isSame(each, image));
    return;
  }
  if (image.name === undefined)
    throw new ArchBuildError('USAGE', 'an image without a name is removed as a whole');
  const root = writeIndex(store, rest);
  await store.images.put(root, [image.name]);
  await store.images.remove(({ name, root: old }) => name === undefined && old.digest === image.root.digest);
}
