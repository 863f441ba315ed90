/** Opens what `inspect` and `history` are pointed at. */
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
    image: store.images.get(name),
    documents: () => Promise.resolve(store.blobs),
    storeWith: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
