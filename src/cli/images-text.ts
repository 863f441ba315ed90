/** What `images` prints: rows of a table, ids, or data. Pure. */
import { familiarReference, parseReference } from '../oci/reference.ts';
import type { ImageSummary, PlatformSummary } from '../store/image-summary.ts';
import type { StoredImage } from '../store/images.ts';
import type { ImagesFlags } from './flags.ts';
import { formatBytes } from './reporter.ts';
import { formatAge, formatTable, shortDigest } from './table.ts';

/** One row for each platform the store has; with --platforms also for those it lacks. */
export function imagesTable(images: readonly ImageSummary[], flags: ImagesFlags): string {
  const shown = (digest: string): string => (flags.trunc ? shortDigest(digest) : digest);
  const wanted = ({ facts }: PlatformSummary): boolean => flags.platforms === true || facts !== undefined;
  const now = Date.now();
  const rows = images.flatMap(({ image, platforms }) => {
    const names = nameAndTag(image);
    const root = shown(image.root.digest);
    const part = partOf(platforms);
    return platforms
      .filter(wanted)
      .map(({ platform, digest, facts }) => [
        ...names,
        facts === undefined ? platform : platform + part,
        root,
        ...(flags.digests === true ? [shown(digest)] : []),
        formatAge(facts?.created, now),
        facts === undefined ? 'absent' : formatBytes(facts.size),
      ]);
  });
  const manifest = flags.digests === true ? ['MANIFEST'] : [];
  return formatTable(['NAME', 'TAG', 'PLATFORM', 'DIGEST', ...manifest, 'CREATED', 'SIZE'], rows);
}

/** Of an image that is here in part, how much of it is. */
function partOf(platforms: readonly PlatformSummary[]): string {
  const here = platforms.filter(({ facts }) => facts !== undefined).length;
  return here === platforms.length ? '' : ` (${here} of ${platforms.length})`;
}

function nameAndTag({ name }: StoredImage): [string, string] {
  if (name === undefined) return ['<none>', '<none>'];
  const { tag = '', ...reference } = parseReference(name);
  return [familiarReference(reference), tag];
}

/** Each image once, however many names it has. */
export function idLines(images: readonly ImageSummary[], { trunc }: ImagesFlags): string {
  const digests = new Set(images.map(({ image }) => image.root.digest));
  return [...digests].map((digest) => `${trunc ? shortDigest(digest) : digest}\n`).join('');
}

export function imageRow({ image, platforms, isPartial }: ImageSummary): object {
  return {
    name: image.name ?? null,
    digest: image.root.digest,
    mediaType: image.root.mediaType,
    partial: isPartial,
    absent: platforms.filter(({ facts }) => facts === undefined).map(({ platform }) => platform),
    platforms: platforms.flatMap(({ platform, digest, facts }) =>
      facts === undefined
        ? []
        : [
            {
              platform,
              digest,
              config: facts.children[0] ?? null,
              created: facts.created ?? null,
              size: facts.size,
              layers: facts.children.length - 1,
            },
          ],
    ),
  };
}
