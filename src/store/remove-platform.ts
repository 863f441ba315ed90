/** One platform of an image goes, the image stays: its index, and with it its digest, is what it was. */
import { ArchBuildError } from '../errors.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { describeImage, pickPlatform } from './image-details.ts';
import { factsOr } from './document-facts.ts';
import type { StoredImage } from './images.ts';
import type { Store } from './store.ts';

/**
 * Under all names of the image, which lacks the platform from then on; without the last one the image goes as well.
 * What only this platform needed goes with the next prune. Throws PLATFORM_NOT_FOUND, and STORE when another image
 * has the same manifest.
 */
export async function removePlatform(store: Store, image: StoredImage, wanted: Platform): Promise<void> {
  const details = describeImage(store.blobs, image);
  const { descriptor } = pickPlatform(details, wanted);
  if (details.platforms.length === 1) {
    await store.images.remove(({ root }) => root.digest === image.root.digest);
    return;
  }
  const other = store.images
    .list()
    .find(
      ({ root }) => root.digest !== image.root.digest && names(store, { root, digest: descriptor.digest }),
    );
  if (other !== undefined) {
    const name = other.name ?? other.root.digest;
    throw new ArchBuildError('STORE', `${formatPlatform(wanted)} is a part of ${name}, too`, {
      hint: `remove it there first: arch-build rmi ${name}`,
    });
  }
  store.blobs.remove(descriptor.digest);
}

/** Is the manifest with the digest this image, or one of its platforms? */
function names(
  { facts }: Store,
  { root, digest }: { readonly root: StoredImage['root']; readonly digest: string },
): boolean {
  if (root.digest === digest) return true;
  const found = factsOr(() => facts.of(root), undefined);
  const children = found?.kind === 'index' ? found.children : [];
  return children.some((child) => child === digest);
}
