/**
 * Layers in another packing than the source has them. What comes out is learned by packing once, into a file that is
 * read when its turn comes; a layer that the store remembers is packed only when somebody really reads it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reporter } from '../events.ts';
import { compress, packerName, type Packing } from '../layer/compress.ts';
import { decompress } from '../layer/decompress.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import type { PackedLayer, PackedLayers } from '../store/packed-layers.ts';
import { verified } from './verified-stream.ts';

/** How a layer's tar is wanted. */
export type LayerPacking = Packing | { readonly kind: 'none' };

export interface PackingJob {
  /** What is known from earlier. */
  readonly known: PackedLayers;
  /** A directory for packed layers, made when the first one is needed. */
  readonly scratch: () => string;
  readonly report?: Reporter;
  readonly signal?: AbortSignal;
}

export class LayerPacker {
  readonly #source: ContentSource;
  readonly #job: PackingJob;
  readonly #packed = new Map<Digest, () => AsyncIterable<Uint8Array>>();
  #directory: string | undefined;

  constructor(source: ContentSource, job: PackingJob) {
    this.#source = source;
    this.#job = job;
  }

  /** Digest and size of the layer in its new packing. Throws what the source throws, LAYER_INVALID, TOOL_MISSING. */
  async pack(layer: Descriptor, packing: LayerPacking): Promise<PackedLayer> {
    const packer = packing.kind === 'none' ? 'none' : packerName(packing);
    const again = (): AsyncIterable<Uint8Array> => this.#stream(layer, packing);
    const known = this.#job.known.find(layer.digest, packer);
    if (known !== undefined) {
      if (!this.#packed.has(known.digest)) this.#packed.set(known.digest, again);
      return known;
    }
    this.#job.report?.({
      type: 'info',
      text: `packing layer ${layer.digest.slice(0, 19)} (${packing.kind})`,
    });
    const { path, ...packed } = await this.#stage(again());
    this.#job.known.put(layer.digest, packer, packed);
    this.#packed.set(packed.digest, () => createReadStream(path, { highWaterMark: READ_SIZE }));
    return packed;
  }

  /** The bytes of a layer that `pack` described; undefined for any other. */
  read({ digest }: Descriptor): AsyncIterable<Uint8Array> | undefined {
    return this.#packed.get(digest)?.();
  }

  async *#stream(layer: Descriptor, packing: LayerPacking): AsyncGenerator<Uint8Array, void, undefined> {
    const { data } = await decompress(verified(layer, this.#source.read(layer)));
    yield* packing.kind === 'none' ? data : compress(data, packing);
  }

  async #stage(data: AsyncIterable<Uint8Array>): Promise<PackedLayer & { readonly path: string }> {
    this.#directory ??= this.#job.scratch();
    const path = join(this.#directory, randomBytes(16).toString('hex'));
    const hash = createHash('sha256');
    let size = 0;
    await using file = await open(path, 'wx');
    for await (const chunk of data) {
      this.#job.signal?.throwIfAborted();
      hash.update(chunk);
      size += chunk.length;
      await file.writeFile(chunk); // appends: the position moves on
    }
    return { path, size, digest: parseDigest(`sha256:${hash.digest('hex')}`) };
  }
}

const READ_SIZE = 1 << 20;
