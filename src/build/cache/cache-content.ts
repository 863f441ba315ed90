/** A cache as a manifest with its config and layers. */
import { storeContent } from '../../layer/image-content.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, digestOfDiffId, type DiffId } from '../../oci/digest.ts';
import { buildManifest } from '../../oci/manifest.ts';
import { MEDIA_TYPES, typeInFamily } from '../../oci/media-types.ts';
import { once } from '../../transfer/once.ts';
import type { LayerPacker, LayerPacking } from '../../transfer/pack-layer.ts';
import type { Job } from '../options.ts';
import { CACHE_CONFIG_TYPE, formatCache, type CachedLayer, type StepRecord } from './cache-document.ts';
import type { FoundRecord } from './read-records.ts';

export interface CacheContent {
  readonly root: Descriptor;
  readonly source: ContentSource;
  /** Steps. */
  readonly count: number;
}

/** What is in the place where the cache goes. */
export interface EarlierCache {
  readonly records: readonly FoundRecord[];
  readonly source: ContentSource;
}

/** A failed build after the other adds to a cache; what is older goes. */
const MOST_RECORDS = 1000;

/** Makes the content of one cache as often as it grows; each layer is packed once. */
export class CacheContents {
  readonly #job: Job;
  readonly #packing: LayerPacking | undefined;
  readonly #stored: ContentSource;
  readonly #layers = new Map<DiffId, Descriptor>();
  #packer: LayerPacker | undefined;

  constructor(job: Job, packing: LayerPacking | undefined) {
    this.#job = job;
    this.#packing = packing?.kind === 'none' ? undefined : packing;
    this.#stored = storeContent(job.store);
  }

  /** The two documents are the cache's own; the layers are those of the store, packed as they are wanted. */
  async of(records: readonly StepRecord[], earlier?: EarlierCache): Promise<CacheContent> {
    const keys = new Set(records.map(({ key }) => key));
    const room = Math.max(0, MOST_RECORDS - keys.size);
    const others = (earlier?.records ?? []).filter(({ key }) => !keys.has(key)).slice(0, room);
    const layers = new Map<DiffId, Descriptor>();
    for (const { layer } of records)
      if (layer !== undefined) layers.set(layer.diffId, await this.#layer(layer));
    for (const { layer, descriptor } of others)
      if (layer !== undefined && descriptor !== undefined && !layers.has(layer.diffId))
        layers.set(layer.diffId, descriptor);
    const order = new Map([...layers.keys()].map((diffId, index) => [diffId, index]));
    const whole = others.filter(({ layer }) => layer === undefined || order.has(layer.diffId));
    const text = Buffer.from(formatCache([...records, ...whole], ({ diffId }) => order.get(diffId) ?? -1));
    const config = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(text), size: text.length };
    const manifest = buildManifest({ config, layers: [...layers.values()] });
    const own = new Map([
      [config.digest, text],
      [manifest.descriptor.digest, manifest.bytes],
    ]);
    const source: ContentSource = {
      read: (descriptor) => {
        const bytes = own.get(descriptor.digest);
        return bytes === undefined ? this.#read(descriptor, earlier) : once(bytes);
      },
    };
    return { root: manifest.descriptor, source, count: keys.size };
  }

  async #layer(layer: CachedLayer): Promise<Descriptor> {
    const known = this.#layers.get(layer.diffId);
    if (known !== undefined) return known;
    const descriptor = await this.#packed(descriptorOf(layer));
    this.#layers.set(layer.diffId, descriptor);
    return descriptor;
  }

  async #packed(layer: Descriptor): Promise<Descriptor> {
    const packing = this.#packing;
    if (packing === undefined) return layer;
    const { store, report, signal } = this.#job;
    const { LayerPacker } = await import('../../transfer/pack-layer.ts');
    const scratch = (): string => store.makeDirectory('packed');
    this.#packer ??= new LayerPacker(this.#stored, { known: store.packed, scratch, report, signal });
    const mediaType = typeInFamily(layer.mediaType, 'oci', packing.kind) ?? layer.mediaType;
    return { mediaType, ...(await this.#packer.pack(layer, packing)) };
  }

  #read(descriptor: Descriptor, earlier: EarlierCache | undefined): AsyncIterable<Uint8Array> {
    const own = [...this.#layers.values()].some(({ digest }) => digest === descriptor.digest);
    if (!own && earlier !== undefined) return earlier.source.read(descriptor);
    return this.#packer?.read(descriptor) ?? this.#stored.read(descriptor);
  }
}

const descriptorOf = ({ diffId, size }: CachedLayer): Descriptor => ({
  mediaType: MEDIA_TYPES.ociLayer,
  digest: digestOfDiffId(diffId),
  size,
});
