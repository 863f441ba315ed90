/** `push`. */
import { ArchBuildError } from '../../errors.ts';
import { storeContent } from '../../layer/image-content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { parseReference } from '../../oci/reference.ts';
import { describeImage, pickPlatform } from '../../store/image-details.ts';
import type { Store } from '../../store/store.ts';
import { writeIndex } from '../../store/write-index.ts';
import { mountSources } from '../../transfer/mount-sources.ts';
import { pushImage } from '../../transfer/push.ts';
import { platformFlag } from '../architectures.ts';
import type { PushFlags } from '../flags.ts';
import { reporterFor, requireNetwork, storeFor, type Globals } from '../globals.ts';
import { requireRoot } from '../require-root.ts';

export async function push(
  globals: Globals,
  { image, name }: { readonly image: string; readonly name: string },
  flags: PushFlags,
): Promise<void> {
  requireNetwork(globals, `pushing to ${parseReference(name).domain}`);
  requireRoot(globals);
  await using store = await storeFor(globals);
  const root = rootToPush(store, image, flags);
  const options = {
    insecure: flags.insecure,
    report: reporterFor(globals),
    signal: globals.signal,
    mountSources: await mountSources(store, root, name),
  };
  await pushImage(storeContent(store), { root, name }, options);
  process.stdout.write(`${root.digest}\n`);
}

/** A registry takes no index whose manifests it lacks: platforms the store does not have are left out of it. */
function rootToPush(store: Store, image: string, flags: PushFlags): Descriptor {
  const details = describeImage(store, store.images.get(image));
  const wanted = platformFlag(flags);
  if (wanted !== undefined) return pickPlatform(details, wanted).descriptor;
  if (details.index === undefined) return details.image.root;
  const present = details.index.manifests.filter(({ digest }) => store.blobs.has(digest));
  if (present.length === details.index.manifests.length) return details.image.root;
  if (present.length === 0)
    throw new ArchBuildError('IMAGE_NOT_FOUND', `the store has no platform of ${image}`);
  return writeIndex(store, present);
}
