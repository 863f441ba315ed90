/** `images`, `tag`, `rmi`. */
import { ArchBuildError } from '../../errors.ts';
import type { Platform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import { describeImage, pickPlatform } from '../../store/image-details.ts';
import { summarizeImage } from '../../store/image-summary.ts';
import type { StoredImage } from '../../store/images.ts';
import { prune } from '../../store/prune.ts';
import { removePlatform } from '../../store/remove-platform.ts';
import { openStore } from '../../store/store.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import { wantsJson, type ImagesFlags, type PlatformFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { imageFilter } from '../image-filter.ts';
import { idLines, imageRow, imagesTable } from '../images-text.ts';

export async function images(globals: Globals, flags: ImagesFlags): Promise<void> {
  await using store = await storeFor(globals);
  const present = store.blobs.present();
  const isWanted = imageFilter(flags.filter, store);
  const all = store.images
    .list()
    .map((image) => summarizeImage(store.facts, image, present))
    .filter(isWanted);
  store.facts.save();
  if (flags.quiet === true) process.stdout.write(idLines(all, flags));
  else if (wantsJson(flags)) printJson(all.map(imageRow));
  else process.stdout.write(imagesTable(all, flags));
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
    wanted === undefined ? stored.root : pickPlatform(describeImage(store.blobs, stored), wanted).descriptor;
  await store.images.put(root, names.map(fullName));
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
