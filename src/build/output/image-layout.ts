/** The result as an OCI image layout. */
import { existsSync } from 'node:fs';
import type { Built } from './built.ts';
import type { Output } from './output.ts';
import { packedImage } from './packed-image.ts';
import { openStaging } from './staging.ts';

/** A new layout is there whole or not at all; one that is there already gets one more image, its index last. */
export async function writeLayout(
  built: Built,
  output: Extract<Output, { readonly type: 'layout' }>,
): Promise<void> {
  const { copyGraph } = await import('../../transfer/copy.ts'); // most builds have no such output
  const { OciLayout } = await import('../../transfer/oci-layout.ts');
  const { directory } = output;
  const { content, image } = await packedImage(built, output);
  const fill = async (place: string): Promise<void> => {
    const layout = await OciLayout.create(place);
    const { report, signal } = built.job;
    await copyGraph(image.root, { from: content, to: layout }, { report, signal });
    await layout.addImage(image);
  };
  if (existsSync(directory)) return fill(directory);
  await using staging = openStaging(directory);
  await fill(staging.directory);
  staging.commit();
}
