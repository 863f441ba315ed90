/** The images of a kit: an OCI layout and the lock that transfer/kit-images.ts reads on the other side. */
import { storeContent } from '../layer/image-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, encodedOf, type Digest } from '../oci/digest.ts';
import { buildIndex } from '../oci/manifest.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { Store } from '../store/store.ts';
import { loadGraph } from '../transfer/content-graph.ts';
import { indexEntries } from '../transfer/image-list.ts';
import { formatLock, KIT_FOLDER, LOCK_FILE, type LockedImage } from '../transfer/kit-images.ts';
import { LAYOUT_FILE } from '../transfer/oci-layout.ts';
import { once } from '../transfer/once.ts';
import { tarText, type TarFile } from '../transfer/tar-writer.ts';
import { verified } from '../transfer/verified-stream.ts';

export interface KitImage {
  /** Full name. */
  readonly name: string;
  readonly platform: Platform;
  /** In the store. */
  readonly root: Descriptor;
  /** Of its manifest for the platform. */
  readonly manifest: Digest;
}

/** Of each image the platforms named, and no other. Throws what reading the store throws. */
export async function kitFiles(store: Store, wantedImages: readonly KitImage[]): Promise<TarFile[]> {
  const images = [...wantedImages].sort(byNameAndPlatform);
  const source = storeContent(store);
  const lock: Record<string, Record<string, LockedImage>> = {};
  const wanted = new Set(images.map(({ manifest }) => manifest));
  for (const { name, platform, root, manifest } of images)
    (lock[name] ??= {})[formatPlatform(platform)] = { root, manifest };
  const roots = [...new Map(images.map(({ root }) => [root.digest, root])).values()];
  const select = (children: readonly Descriptor[]): Descriptor[] =>
    children.filter(({ digest }) => wanted.has(digest));
  const graph = await loadGraph(source, roots, select);
  const blobs = [
    ...graph.documents.map(({ descriptor, bytes }) => blobFile(descriptor, () => once(bytes))),
    ...graph.blobs.map((blob) => blobFile(blob, () => verified(blob, source.read(blob)))),
  ];
  const named = roots.map((root) => ({
    root,
    references: [
      ...new Set(images.filter(({ root: { digest } }) => digest === root.digest).map(({ name }) => name)),
    ],
  }));
  return [
    ...blobs,
    tarText(`${KIT_FOLDER}/index.json`, buildIndex(indexEntries(named)).bytes.toString()),
    tarText(`${KIT_FOLDER}/oci-layout`, LAYOUT_FILE),
    tarText(`${KIT_FOLDER}/${LOCK_FILE}`, formatLock(lock)),
  ];
}

const blobFile = ({ digest, size }: Descriptor, data: TarFile['data']): TarFile => ({
  path: `${KIT_FOLDER}/blobs/${algorithmOf(digest)}/${encodedOf(digest)}`,
  size,
  data,
});

function byNameAndPlatform(one: KitImage, other: KitImage): number {
  const keys = [one, other].map(({ name, platform }) => `${name} ${formatPlatform(platform)}`);
  return (keys[0] ?? '') < (keys[1] ?? '') ? -1 : 1;
}
