/** `oci:DIR[:TAG|@DIGEST]`: an OCI image layout directory, in which images have tags. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { copyGraph } from '../copy.ts';
import { chosenImages, renamed, splitPath } from '../image-choice.ts';
import { presentIn, selectionOf, type ImageSet } from '../image-set.ts';
import { OciLayout } from '../oci-layout.ts';
import { controlOf, type Control } from '../transfer-job.ts';
import type { Transport } from './transport.ts';

export const layoutTransport: Transport = {
  prefix: 'oci:',
  syntax: 'oci:DIR[:TAG]',
  place: (rest, text) => {
    const { path, name } = splitPath(rest, text);
    return {
      text,
      traits: {},
      open: async () => {
        const layout = await OciLayout.open(resolve(path));
        const images = chosenImages(await layout.images(), { name, text });
        return {
          content: layout,
          images,
          select: presentIn(layout),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        };
      },
      write: (set, context) =>
        writeLayout({ ...set, images: renamed(set.images, { name, text }) }, path, context),
    };
  },
};

async function writeLayout(set: ImageSet, path: string, job: Control): Promise<void> {
  await mkdir(resolve(path), { recursive: true });
  const layout = await OciLayout.create(resolve(path));
  const options = { ...controlOf(job), ...selectionOf(set) };
  for (const { root } of set.images) await copyGraph(root, { from: set.content, to: layout }, options);
  for (const image of set.images) await layout.addImage(image);
}
