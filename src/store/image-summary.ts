/** An image of the store in one line a platform, for listings: from the facts of its documents, not the documents. */
import type { Digest } from '../oci/digest.ts';
import type { PresentBlobs } from './blobs.ts';
import type { FactsOfDocuments, ManifestFacts } from './document-facts.ts';
import type { StoredImage } from './images.ts';

export interface PlatformSummary {
  /** Formatted. */
  readonly platform: string;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Undefined when the image has this platform and the store does not. */
  readonly facts: ManifestFacts | undefined;
}

export interface ImageSummary {
  readonly image: StoredImage;
  readonly platforms: readonly PlatformSummary[];
  /** Some platform of the image is not in the store. */
  readonly isPartial: boolean;
}

/** `present` are the blobs there are. Throws BLOB_MISSING, DOCUMENT_INVALID, DIGEST_MISMATCH for a damaged image. */
export function summarizeImage(
  facts: FactsOfDocuments,
  image: StoredImage,
  present: PresentBlobs,
): ImageSummary {
  const root = facts.of(image.root);
  if (root === undefined) return { image, platforms: [], isPartial: false };
  const platforms =
    root.kind === 'manifest'
      ? [{ platform: root.platform, digest: image.root.digest, facts: root }]
      : root.children.flatMap((digest, at) => {
          const platform = root.platforms[at] ?? '';
          return platform === '' ? [] : [childSummary(facts, { platform, digest }, present)];
        });
  return { image, platforms, isPartial: platforms.some((each) => each.facts === undefined) };
}

function childSummary(
  facts: FactsOfDocuments,
  { platform, digest }: Omit<PlatformSummary, 'facts'>,
  present: PresentBlobs,
): PlatformSummary {
  const found = present.has(digest) ? facts.ofManifest(digest) : undefined;
  return found?.kind === 'manifest'
    ? { platform: found.platform, digest, facts: found }
    : { platform, digest, facts: undefined };
}
