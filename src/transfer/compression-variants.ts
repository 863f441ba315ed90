/**
 * An index with the same image in several compressions, as buildah and podman know it: those who know zstd choose the
 * entry with the annotation, everybody else takes the first of a platform, which has none.
 */
import { ZSTD_LAYERS } from '../oci/annotations.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isManifestType } from '../oci/media-types.ts';
import { matchesPlatform } from '../oci/platform.ts';
import type { Packing } from '../layer/compress.ts';

type Kind = Packing['kind'];

const kindOf = ({ annotations }: Descriptor): Kind =>
  annotations?.[ZSTD_LAYERS] === 'true' ? 'zstd' : 'gzip';

/** The images, one per platform, that the index does not have in this compression. */
export function lackingVariant(entries: readonly Descriptor[], kind: Kind): Descriptor[] {
  const images = entries.filter(
    ({ mediaType, platform }) => isManifestType(mediaType) && platform?.os !== 'unknown',
  );
  const there = images.filter((entry) => kindOf(entry) === kind);
  return images.filter(
    (entry, index) =>
      !there.some((other) => isSame(entry, other)) &&
      !images.slice(0, index).some((other) => isSame(entry, other)),
  );
}

function isSame({ digest, platform: one }: Descriptor, other: Descriptor): boolean {
  if (one === undefined || other.platform === undefined) return digest === other.digest;
  return matchesPlatform(one, other.platform) && matchesPlatform(other.platform, one);
}

/** The entry of an image that is packed so. */
export function variantEntry(entry: Descriptor, kind: Kind): Descriptor {
  const { annotations: { [ZSTD_LAYERS]: _kind, ...others } = {}, ...rest } = entry;
  const annotations = kind === 'zstd' ? { ...others, [ZSTD_LAYERS]: 'true' } : others;
  return Object.keys(annotations).length === 0 ? rest : { ...rest, annotations };
}
