/** What `inspect` and `history` look at: an image of the store, or of any other place. */
import type { Platform } from '../oci/platform.ts';
import { describeImage, type ImageDetails, type ImageDocuments } from '../store/image-details.ts';
import type { StoredImage } from '../store/images.ts';
import type { Store } from '../store/store.ts';
import type { DocumentsWanted } from '../transfer/read-documents.ts';

export interface InspectedImage extends AsyncDisposable {
  readonly image: StoredImage;
  /** At least those that are wanted. */
  documents(wanted: DocumentsWanted): Promise<ImageDocuments>;
  /** A store that has all content of these platforms, for as long as the image is open. */
  storeWith(platforms: ImageDetails['platforms']): Promise<Store>;
}

/** All its platforms, or those that can be the wanted one. */
export async function describeInspected(
  inspected: InspectedImage,
  wanted: Platform | undefined,
): Promise<ImageDetails> {
  return describeImage(await inspected.documents(wanted ?? 'all'), inspected.image, wanted);
}
