/**
 * Which platforms an index names that a place does not have. Places say so beside the image, so that nobody takes it for
 * damage: a layout and an archive in the entry of `index.json`, a `dir:` in a file.
 */
import type { Reporter } from '../events.ts';
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseIndex } from '../oci/manifest.ts';
import { isIndexType } from '../oci/media-types.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { NamedImage } from './image-list.ts';
import { presentIn, type ImageSet } from './image-set.ts';
import { readDocument } from './verified-stream.ts';

/** The image with what is said of it now, whatever was said before. */
export function withAbsent(
  { absent: _before, ...image }: NamedImage,
  absent: string | undefined,
): NamedImage {
  return absent === undefined ? image : { ...image, absent };
}

/** By commas; undefined when all children are there. */
export function absentNames(index: Buffer, there: readonly Descriptor[]): string | undefined {
  const digests = new Set(there.map(({ digest }) => digest));
  const absent = parseIndex(index).manifests.filter(({ digest }) => !digests.has(digest));
  const names = absent.map(({ platform, digest }) =>
    platform === undefined ? digest : formatPlatform(platform),
  );
  return names.length === 0 ? undefined : names.join(',');
}

/** As `absentNames` for what a place has of a root. */
export async function absentIn(
  content: ContentSource & Pick<ContentSink, 'has'>,
  root: Descriptor,
): Promise<string | undefined> {
  if (!isIndexType(root.mediaType) || !(await content.has(root))) return undefined;
  const index = await readDocument(content, root);
  return absentNames(index, await presentIn(content)(parseIndex(index).manifests));
}

/** Warns of images that their place calls partial, and that still are. */
export async function reportAbsent(
  { content, images, select }: ImageSet,
  report: Reporter | undefined,
): Promise<void> {
  for (const { root, references, tags = [], absent: said } of images) {
    if (said === undefined || !isIndexType(root.mediaType)) continue;
    const index = await readDocument(content, root);
    const children = parseIndex(index).manifests;
    const absent = absentNames(index, select === undefined ? children : await select(children));
    if (absent === undefined) continue;
    const text = `${references[0] ?? tags[0] ?? root.digest} is here in part, without ${absent}`;
    report?.({ type: 'warning', text });
  }
}
