/** An image outside the store to be looked at: only its documents are read, unless somebody asks for its layers. */
import { storeSink } from '../store/content-sink.ts';
import { openStore, type Store } from '../store/store.ts';
import { copyGraph } from '../transfer/copy.ts';
import { onlyImage } from '../transfer/image-choice.ts';
import type { ImageSource } from '../transfer/image-set.ts';
import { readDocuments } from '../transfer/read-documents.ts';
import { parsePlace } from '../transfer/transports/places.ts';
import { storeTransport } from '../transfer/transports/store.ts';
import { controlOf } from '../transfer/transfer-job.ts';
import type { TransportContext } from '../transfer/transports/transport.ts';
import type { Globals } from './globals.ts';
import type { InspectedImage } from './inspected-image.ts';
import { contextFor, openPlace } from './places.ts';
import type { RegistryFlags } from './transfer-flags.ts';

/** The caller disposes it. Throws USAGE for a place with several images, and what opening a place throws. */
export async function openElsewhere(
  globals: Globals,
  store: Store,
  { name, flags }: { readonly name: string; readonly flags: RegistryFlags },
): Promise<InspectedImage> {
  const context = contextFor(globals, store, flags);
  const source = await openPlace(globals, parsePlace(name, storeTransport), context);
  try {
    return inspectedIn(source, name, context);
  } catch (error) {
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

/** Throws USAGE where there is not exactly one image. */
function inspectedIn(source: ImageSource, text: string, context: TransportContext): InspectedImage {
  const { references, root } = onlyImage(source.images, text);
  let passing: Store | undefined;
  return {
    image: { name: references[0], root },
    documents: (wanted) => readDocuments(source, root, wanted),
    storeWith: async (platforms) => {
      // One of its own, so that looking at an image adds nothing to the store.
      passing ??= await openStore(context.store.makeDirectory('inspected'));
      const ends = { from: source.content, to: storeSink(passing) };
      for (const { descriptor } of platforms) await copyGraph(descriptor, ends, controlOf(context));
      return passing;
    },
    [Symbol.asyncDispose]: async () => {
      await passing?.[Symbol.asyncDispose]();
      await source[Symbol.asyncDispose]();
    },
  };
}
