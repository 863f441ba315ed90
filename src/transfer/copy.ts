/**
 * Every movement of an image is this one function. Blobs first, then manifests, then indexes: whoever sees a document
 * in the sink finds all it names there too (but for children of an index that were not selected).
 */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { ContentSink, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isConfigType, isLayerType } from '../oci/media-types.ts';
import { mapConcurrently } from './concurrency.ts';
import { loadGraph, type ChildSelection } from './content-graph.ts';
import { once } from './once.ts';
import { retrying } from './registry-retry.ts';
import { isRangeSource } from './registry-source.ts';

export interface CopyEnds {
  readonly from: ContentSource;
  readonly to: ContentSink;
}

export interface CopyOptions {
  readonly report?: Reporter;
  /** Ends the copy with INTERRUPTED at the next chunk. */
  readonly signal?: AbortSignal;
  /** Which children of each index to copy; all by default. */
  readonly select?: ChildSelection;
  /** Blobs at once; 3 by default. */
  readonly concurrency?: number;
}

const DEFAULT_CONCURRENCY = 3;
/** Progress is reported about this often. Bytes. */
const REPORT_EVERY = 1 << 20;

/**
 * Copies what is below `root` and the sink does not have. Sinks verify what they are given; when this throws, the sink
 * may have more blobs than before, but no document whose content is missing.
 */
export async function copyGraph(
  root: Descriptor,
  { from, to }: CopyEnds,
  options: CopyOptions = {},
): Promise<void> {
  throwIfAborted(options.signal);
  const graph = await loadGraph(from, [root], options.select);
  await mapConcurrently(
    graph.blobs,
    options.concurrency ?? DEFAULT_CONCURRENCY,
    async (descriptor, stopped) => {
      throwIfAborted(options.signal);
      if (await to.has(descriptor)) return;
      await retrying(options, async () =>
        to.write(descriptor, observed(descriptor, streamOf(from, descriptor), { ...options, stopped })),
      );
    },
  );
  for (const { descriptor, bytes } of graph.documents) {
    throwIfAborted(options.signal);
    if (!(await to.has(descriptor))) await to.write(descriptor, once(bytes));
  }
}

/** As it comes: a sink takes nothing before it has looked at all of it, and starts anew where it has to. */
const streamOf = (from: ContentSource, descriptor: Descriptor): AsyncIterable<Uint8Array> =>
  isRangeSource(from) ? from.readFrom(descriptor, 0) : from.read(descriptor);

async function* observed(
  { mediaType, digest, size }: Descriptor,
  data: AsyncIterable<Uint8Array>,
  { report, signal, stopped }: CopyOptions & { readonly stopped: () => boolean },
): AsyncGenerator<Uint8Array, void, undefined> {
  const role = isLayerType(mediaType) ? 'layer' : isConfigType(mediaType) ? 'config' : mediaType;
  const progress = (bytes: number): void =>
    report?.({ type: 'transfer', what: role, digest, bytes, total: size });
  let bytes = 0;
  let reported = 0;
  progress(0);
  for await (const chunk of data) {
    throwIfAborted(signal);
    if (stopped())
      throw new ArchBuildError('INTERRUPTED', 'the transfer was given up because of another error');
    yield chunk;
    bytes += chunk.length;
    if (bytes - reported >= REPORT_EVERY && bytes < size) progress((reported = bytes));
  }
  progress(size);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new ArchBuildError('INTERRUPTED', 'the transfer was interrupted', { cause: signal.reason });
}
