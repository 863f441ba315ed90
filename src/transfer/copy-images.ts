/** From any place to any other: open, choose platforms, encode as the destination wants it, write. */
import { ArchBuildError } from '../errors.ts';
import type { Family } from '../oci/media-types.ts';
import type { Platform } from '../oci/platform.ts';
import { packingOf, type Packing } from '../layer/compress.ts';
import { reportAbsent } from './absent-platforms.ts';
import { encodeImages, type Encoding } from './encode.ts';
import type { NamedImage } from './image-list.ts';
import type { ImageSet } from './image-set.ts';
import { narrow, singlePlatform } from './narrow.ts';
import type { LayerPacking } from './pack-layer.ts';
import { controlOf } from './transfer-job.ts';
import type { Look, Place, Traits, TransportContext } from './transports/transport.ts';

/** What a user may say about a copy. */
export interface CopyChoices {
  /** All there are, without. */
  readonly platforms?: readonly Platform[];
  /** Every layer is packed so; without it the destination's habit applies to plain layers. */
  readonly packing?: LayerPacking;
  /** But for layers that are packed otherwise already, in the source or in the destination. */
  readonly keepsPacked?: boolean;
  /** Besides, of the images of an index. */
  readonly also?: readonly Packing[];
  readonly family?: Family;
}

/**
 * Returns the images as they are in the destination: their digests are others than the source's where something was
 * encoded anew. Throws what reading, choosing and writing throw.
 */
export async function copyImages(
  { from, to }: { readonly from: Place; readonly to: Place },
  choices: CopyChoices,
  context: TransportContext,
): Promise<readonly NamedImage[]> {
  await using source = await from.open(context);
  await to.reach?.(source, context);
  await using there = choices.keepsPacked === true ? await to.look?.(context) : undefined;
  const set = await prepareImages(source, { ...choices, traits: to.traits, there }, context);
  await to.write(set, context);
  return set.images;
}

/** The images with the platforms and in the encoding that somebody wants. */
export async function prepareImages(
  source: ImageSet,
  { traits, there, ...choices }: CopyChoices & { readonly traits: Traits; readonly there?: Look | undefined },
  context: TransportContext,
): Promise<ImageSet> {
  const { platforms = [] } = choices;
  if (platforms.length === 0) await reportAbsent(source, context.report);
  const keepsIndex = traits.keepsIndex === true;
  const some = await narrow(source, { platforms, keepsIndex, ...controlOf(context) });
  const narrowed = traits.single === true ? await singlePlatform(some, 'the destination') : some;
  const encoding = { ...encodingFor(choices, traits), ...(there && { there }) };
  if (Object.keys(encoding).length === 0) return narrowed;
  return encodeImages(narrowed, encoding, {
    known: context.store.packed,
    scratch: () => context.store.makeDirectory('packed'),
    ...controlOf(context),
  });
}

function encodingFor(choices: CopyChoices, traits: Traits): Encoding {
  const { platforms = [], packing, keepsPacked, also, family } = choices;
  if (packing !== undefined && traits.unpacked !== undefined)
    throw new ArchBuildError('USAGE', `${traits.unpacked}: nothing packs them`);
  const complete = traits.complete === true || (platforms.length > 0 && traits.keepsIndex !== true);
  return {
    ...(packing === undefined ? {} : { packing, ...(keepsPacked === true ? { plainOnly: true } : {}) }),
    ...(packing !== undefined || traits.packs === undefined
      ? {}
      : { packing: packingOf(traits.packs), plainOnly: true }),
    ...(also === undefined ? {} : { also }),
    ...(family === undefined ? {} : { family }),
    ...(complete ? { complete } : {}),
  };
}
