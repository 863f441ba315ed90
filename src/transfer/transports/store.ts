/** `store:NAME`: an image of the local store; with nothing behind the colon, a store takes what it is given by its names. */
import { storeContent } from '../../layer/image-content.ts';
import type { ContentSource } from '../../oci/content.ts';
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { storeSink } from '../../store/content-sink.ts';
import type { Store } from '../../store/store.ts';
import { copyGraph, type CopyEnds } from '../copy.ts';
import { onlyImage } from '../image-choice.ts';
import { selectionOf, type ImageSet } from '../image-set.ts';
import { isRangeSource } from '../registry-source.ts';
import { resumedPull } from '../resumed-pull.ts';
import { controlOf, type TransferJob } from '../transfer-job.ts';
import type { Place, Transport } from './transport.ts';

/** As many as the connections to one host of a registry. */
const BLOBS_AT_ONCE = 6;

export const storeTransport: Transport = {
  prefix: 'store:',
  syntax: 'store:NAME',
  place: (rest, text) => storePlace(rest, text),
};

export function storePlace(name: string, text: string): Place {
  return {
    text,
    traits: { keepsIndex: true },
    open: ({ store }) => {
      const image = store.images.get(name);
      const references = image.name === undefined ? [] : [image.name];
      return Promise.resolve({
        ...storeSet(store),
        images: [{ references, root: image.root }],
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    },
    write: (set, context) => writeToStore(set, name === '' ? undefined : { name, text }, context),
  };
}

/** What a store has, without naming anything of it. An index may name platforms that were never pulled. */
const storeSet = (store: Store): ImageSet => ({
  content: storeContent(store),
  images: [],
  select: (children) => children.filter(({ digest }) => store.blobs.has(digest)),
});

/** All content before the first name; under the names the images have, unless one is given. */
export async function writeToStore(
  set: ImageSet,
  named: { readonly name: string; readonly text: string } | undefined,
  job: TransferJob,
): Promise<void> {
  const { store } = job;
  const images =
    named === undefined
      ? set.images
      : [
          {
            root: onlyImage(set.images, named.text).root,
            references: [formatReference(withDefaultTag(parseReference(named.name)))],
          },
        ];
  const options = { ...controlOf(job), ...selectionOf(set), concurrency: BLOBS_AT_ONCE };
  for (const { root } of images) await copyGraph(root, endsOf(set.content, job), options);
  for (const { root, references } of images) await store.images.put(root, references);
}

/** What can be asked for the rest of a blob is. */
function endsOf(content: ContentSource, { store, report }: TransferJob): CopyEnds {
  if (isRangeSource(content)) return resumedPull(content, store, report);
  return { from: content, to: storeSink(store) };
}
