/** Opens what `inspect` and `history` are pointed at. */
import { statSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import type { StoredImage } from '../store/images.ts';
import type { Store } from '../store/store.ts';
import { namesTransport } from '../transfer/transports/words.ts';
import type { Globals } from './globals.ts';
import type { InspectedImage } from './inspected-image.ts';
import type { RegistryFlags } from './transfer-flags.ts';

interface Named {
  readonly name: string;
  readonly flags: RegistryFlags;
}

/**
 * A word without a transport is a name of the store. The caller disposes it, before the store.
 * Throws IMAGE_NOT_FOUND, USAGE for a place with several images, and what opening a place throws.
 */
export async function openInspected(
  globals: Globals,
  store: Store,
  { name, flags }: Named,
): Promise<InspectedImage> {
  if (namesTransport(name)) {
    const { openElsewhere } = await import('./elsewhere-image.ts'); // it can speak to registries
    return openElsewhere(globals, store, { name, flags });
  }
  return {
    image: storedImage(store, name),
    documents: () => Promise.resolve(store.blobs),
    storeWith: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** `verify` takes a path as it is; here it takes a word in front, which is told. */
function storedImage(store: Store, name: string): StoredImage {
  try {
    return store.images.get(name);
  } catch (error) {
    const found = statSync(name, { throwIfNoEntry: false });
    if (!(error instanceof ArchBuildError) || found === undefined) throw error;
    throw new ArchBuildError(error.code, error.message, {
      hint: `what is at that path is ${found.isDirectory() ? 'oci' : 'oci-archive'}:${name}`,
    });
  }
}
