/** The result as an OCI image layout. */
import { existsSync } from 'node:fs';
import { storeContent } from '../../layer/image-content.ts';
import type { Built } from './built.ts';
import type { Output } from './output.ts';
import { openStaging } from './staging.ts';

/** A new layout is there whole or not at all; one that is there already gets one more image, its index last. */
export async function writeLayout(
  { job, root, tags }: Built,
  { directory, names }: Extract<Output, { readonly type: 'layout' }>,
): Promise<void> {
  const { copyGraph } = await import('../../transfer/copy.ts'); // most builds have no such output
  const { OciLayout } = await import('../../transfer/oci-layout.ts');
  const fill = async (place: string): Promise<void> => {
    const layout = await OciLayout.create(place);
    const { report, signal } = job;
    await copyGraph(root, { from: storeContent(job.store), to: layout }, { report, signal });
    await layout.addImage({ root, references: names.length === 0 ? tags : names });
  };
  if (existsSync(directory)) return fill(directory);
  await using staging = openStaging(directory);
  await fill(staging.directory);
  staging.commit();
}
