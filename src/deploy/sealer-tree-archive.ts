/**
 * What sealer v0.8 saves: each layer as a folder named by its id, each platform's Image document, and at the end
 * `Metadata`, the list of the platforms. A layer that platforms share is in the archive once.
 */
import { describeImage } from '../store/image-details.ts';
import { storeSink } from '../store/content-sink.ts';
import { formatSealerMetadata } from '../cluster/sealer-metadata.ts';
import { ArchBuildError } from '../errors.ts';
import { encodeGoHeader } from '../layer/go-tar-header.ts';
import { sealerLayerBlocks } from '../layer/sealer-layer.ts';
import { BLOCK, paddingOf } from '../layer/tar-format.ts';
import { encodedOf } from '../oci/digest.ts';
import { copyGraph } from '../transfer/copy.ts';
import { onlyImage } from '../transfer/image-choice.ts';
import type { ImageSet } from '../transfer/image-set.ts';
import { controlOf, type TransferJob } from '../transfer/transfer-job.ts';
import { sealerDocuments } from './sealer-documents.ts';

/** The image comes into the store first, where it is not. Throws USAGE for several images, or one without a name. */
export async function* sealerTreeArchive(
  { content, images, select }: ImageSet,
  job: TransferJob,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { root, references } = onlyImage(images, 'an archive of sealer');
  const [name] = references;
  if (name === undefined)
    throw new ArchBuildError(
      'USAGE',
      'sealer keeps the name of an image in its archive, and this one has none',
    );
  const { store } = job;
  const signal = job.signal ?? new AbortController().signal;
  const options = { ...controlOf(job), ...(select === undefined ? {} : { select }) };
  await copyGraph(root, { from: content, to: storeSink(store) }, options);
  const { platforms, metadata, owners } = await sealerDocuments(
    { store, signal },
    describeImage(store.blobs, { name, root }),
  );
  const written = new Set<string>();
  for (const { image, id, text, snapshots } of platforms) {
    for (const [index, { id: layer }] of image.layers.entries()) {
      signal.throwIfAborted();
      const [folder, snapshot] = [encodedOf(layer), snapshots[index]];
      if (snapshot === undefined || written.has(folder)) continue;
      written.add(folder);
      yield* sealerLayerBlocks(store.layout.snapshotTree(snapshot), { owners, folder });
    }
    yield* textFile(`${id}.yaml`, text);
  }
  yield* textFile('Metadata', formatSealerMetadata(metadata, 'archive'));
  yield Buffer.alloc(2 * BLOCK);
}

function* textFile(path: string, text: string): Generator<Buffer, void, undefined> {
  const data = Buffer.from(text);
  const owner = { uid: 0, gid: 0, user: 'root', group: 'root' };
  yield encodeGoHeader({ path, type: '0', mode: 0o644, ...owner, size: data.length, mtime: 0 });
  yield data;
  yield Buffer.alloc(paddingOf(data.length));
}
