/** What was built, as an output wants it: under its names, its layers packed as it says. */
import { hostPlatform } from '../../emulation/host.ts';
import { storeContent } from '../../layer/image-content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { ImageSet } from '../../transfer/image-set.ts';
import type { NamedImage } from '../../transfer/image-list.ts';
import type { TransportContext } from '../../transfer/transports/transport.ts';
import type { Built } from './built.ts';
import type { Output } from './output.ts';

type ImageOutput = Extract<Output, { readonly names: readonly string[] }>;

export interface PackedImage extends ImageSet {
  readonly image: NamedImage;
}

/** `root` is all that was built, unless it says what of it. Its digest is another one where layers were packed. */
export async function packedImage(
  built: Built,
  output: ImageOutput,
  root: Descriptor = built.root,
): Promise<PackedImage> {
  const image = { root, references: output.names.length === 0 ? built.tags : output.names };
  const { store, report, signal } = built.job;
  const plain = { content: storeContent(store), images: [image] };
  if (!('encoding' in output)) return { ...plain, image };
  const { encodeImages } = await import('../../transfer/encode.ts'); // most builds have no such output
  const job = { known: store.packed, scratch: () => store.makeDirectory('packed'), report, signal };
  const set = await encodeImages(plain, output.encoding, job);
  const [packed = image] = set.images;
  if (packed.root.digest !== root.digest)
    report({
      type: 'info',
      text: `packed for --output type=${output.type} the image is ${packed.root.digest}`,
    });
  return { ...set, image: packed };
}

export const contextOf = ({ job: { store, report, signal }, insecure }: Built): TransportContext => ({
  store,
  report,
  signal,
  registry: { insecure },
  preferredPlatform: hostPlatform(),
});
