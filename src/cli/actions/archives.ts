/** `save`, `load`. */
import { resolve } from 'node:path';
import { hostPlatform } from '../../emulation/host.ts';
import { ArchBuildError } from '../../errors.ts';
import { storeContent } from '../../layer/image-content.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { storeSink } from '../../store/content-sink.ts';
import { describeImage, pickPlatform } from '../../store/image-details.ts';
import type { Store } from '../../store/store.ts';
import { copyGraph } from '../../transfer/copy.ts';
import { dockerArchive } from '../../transfer/docker-archive.ts';
import { openImageArchive } from '../../transfer/image-archive.ts';
import type { NamedImage } from '../../transfer/image-list.ts';
import { ociArchive } from '../../transfer/oci-archive.ts';
import { writeOutputFile } from '../../transfer/output-file.ts';
import { platformFlag } from '../architectures.ts';
import type { LoadFlags, SaveFlags } from '../flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';

export async function save(globals: Globals, names: readonly string[], flags: SaveFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  const images = mergeNames(names.map((name) => chooseImage(store, name, flags)));
  const content = storeContent(store);
  const preferredPlatform = platformFlag(flags) ?? hostPlatform();
  const select = presentChildren(store);
  const archive =
    flags.format === 'docker'
      ? dockerArchive(content, images)
      : ociArchive(content, images, { preferredPlatform, select });
  await writeArchive(archive, flags.output);
}

/** An index may name platforms that were never pulled. */
const presentChildren =
  (store: Store) =>
  <T extends { readonly digest: Parameters<Store['blobs']['has']>[0] }>(children: readonly T[]): T[] =>
    children.filter(({ digest }) => store.blobs.has(digest));

function chooseImage(store: Store, name: string, flags: SaveFlags): NamedImage {
  const image = store.images.get(name);
  const references = image.name === undefined ? [] : [image.name];
  const wanted = platformFlag(flags);
  if (wanted === undefined && flags.format === 'oci') return { references, root: image.root };
  const details = describeImage(store, image);
  if (flags.format === 'docker' && wanted === undefined && details.platforms.length > 1) {
    const there = details.platforms.map(({ platform }) => formatPlatform(platform)).join(', ');
    throw new ArchBuildError('USAGE', `a docker archive holds one platform, ${name} has ${there}`, {
      hint: 'choose one with --platform, or save with --format oci',
    });
  }
  return { references, root: pickPlatform(details, wanted).descriptor };
}

/** Two names of one image are one image with two names. */
function mergeNames(images: readonly NamedImage[]): NamedImage[] {
  const merged = new Map<string, NamedImage>();
  for (const image of images) {
    const before = merged.get(image.root.digest)?.references ?? [];
    merged.set(image.root.digest, {
      root: image.root,
      references: [...new Set([...before, ...image.references])],
    });
  }
  return [...merged.values()];
}

/** To a file, whole or not at all, or to standard output. Throws USAGE for a terminal. */
export async function writeArchive(
  archive: AsyncIterable<Uint8Array>,
  output: string | undefined,
): Promise<void> {
  if (output !== undefined && output !== '-') return writeOutputFile(resolve(output), archive);
  if (output === undefined && process.stdout.isTTY) {
    throw new ArchBuildError('USAGE', 'an archive is not for a terminal', {
      hint: 'name a file with -o, or redirect the output',
    });
  }
  for await (const chunk of archive) {
    if (!process.stdout.write(chunk)) await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

export async function load(globals: Globals, { input }: LoadFlags): Promise<void> {
  requireRoot(globals);
  await using store = await storeFor(globals);
  await using archive = await openImageArchive(resolve(input), store.makeDirectory('load'));
  const report = reporterFor(globals, 'quiet');
  for (const { root } of archive.images) {
    const options = { report, signal: globals.signal, select: archive.selectPresent };
    await copyGraph(root, { from: archive, to: storeSink(store) }, options);
  }
  for (const { root, references } of archive.images) {
    await store.images.put(root, references);
    process.stdout.write(
      references.length === 0
        ? `${root.digest}\n`
        : references.map((name) => `${name} ${root.digest}\n`).join(''),
    );
  }
}
