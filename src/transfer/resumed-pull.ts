/**
 * A registry and a store as the two ends of one copy, in which a blob that an earlier run has begun is gone on with:
 * what is there is read again for its digest, the rest comes from the registry.
 */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { storeSink } from '../store/content-sink.ts';
import type { PartialBlob } from '../store/partial-blobs.ts';
import type { Store } from '../store/store.ts';
import { StartAnewError } from './registry-errors.ts';
import type { RangeSource } from './registry-source.ts';

/** Smaller ones come again in less time than it takes to ask for their rest. Bytes. */
const WORTH_KEEPING = 1 << 20;

/** For one copy; `to` has to be the sink of what `from` gives. */
export function resumedPull(
  registry: RangeSource,
  store: Store,
  report?: Reporter,
): { readonly from: ContentSource; readonly to: ContentSink } {
  const held = new Map<Digest, PartialBlob>();
  const sink = storeSink(store);
  store.partials.sweep('stale');
  return {
    from: { read: (descriptor) => readWith(registry, descriptor, held) },
    to: {
      has: async (descriptor) => sink.has(descriptor),
      write: async (descriptor, data) => {
        using partial = descriptor.size < WORTH_KEEPING ? undefined : store.partials.claim(descriptor);
        if (partial === undefined) {
          await sink.write(descriptor, data);
          return;
        }
        if (partial.have > 0) report?.({ type: 'info', text: resumption(descriptor, partial.have) });
        held.set(descriptor.digest, partial);
        try {
          await partial.fill(descriptor, data);
        } catch (error) {
          throw partial.have > 0 ? onceMore(error) : error;
        } finally {
          held.delete(descriptor.digest);
        }
      },
    },
  };
}

/** Begins only when the sink asks for the first chunk, and so after it has claimed what there is. */
async function* readWith(
  registry: RangeSource,
  descriptor: Descriptor,
  held: ReadonlyMap<Digest, PartialBlob>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const partial = held.get(descriptor.digest);
  if (partial === undefined) {
    yield* registry.read(descriptor);
    return;
  }
  const { have } = partial;
  yield* partial.read();
  if (have < descriptor.size) yield* registry.readFrom(descriptor, have);
}

/** What was kept may have been damaged since: it is gone now, and the registry deserves a try from the beginning. */
function onceMore(error: unknown): unknown {
  if (!(error instanceof ArchBuildError) || error.code !== 'DIGEST_MISMATCH') return error;
  return new StartAnewError(error);
}

function resumption({ digest, size }: Descriptor, have: number): string {
  return `going on with ${digest.slice(0, 19)} at ${Math.floor((have / size) * 100)} %`;
}
