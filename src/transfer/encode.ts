/**
 * Images in another encoding: layers packed otherwise, media types of the other family, indexes without what is not
 * there. Only what changes gets a new digest; configs, and with them the ids of images, stay.
 */
import { ArchBuildError } from '../errors.ts';
import { kindOfPacker, type Packing } from '../layer/compress.ts';
import type { ContentSink } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseDocument, type Index, type Manifest } from '../oci/manifest.ts';
import {
  familyOf,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isManifestType,
  layerCompression,
  typeInFamily,
  type Family,
} from '../oci/media-types.ts';
import { rebuildIndex, rebuildManifest } from '../oci/rebuild.ts';
import type { PackedLayer, PackedLayers } from '../store/packed-layers.ts';
import { lackingVariant, variantEntry } from './compression-variants.ts';
import type { ImageSet } from './image-set.ts';
import { once } from './once.ts';
import { LayerPacker, type LayerPacking, type PackingJob } from './pack-layer.ts';
import { readDocument } from './verified-stream.ts';

export interface Encoding {
  /** How layers are packed; as they are, without it. */
  readonly packing?: LayerPacking;
  /** Packed layers stay as they are: only plain ones get the packing. */
  readonly plainOnly?: boolean;
  /** A plain layer that is there already, packed in any way, stays as it is there. */
  readonly there?: Pick<ContentSink, 'has'>;
  /** An index gets, besides every image, the same packed so, unless it has it; other images are refused. */
  readonly also?: readonly Packing[];
  /** The media types; without it those the image has, but for what only OCI can say. */
  readonly family?: Family;
  /** Indexes name only the manifests that are there. */
  readonly complete?: boolean;
}

/**
 * The same images when nothing is to change. Throws USAGE where only an index will do, what the source throws, and
 * what packing throws.
 */
export async function encodeImages(set: ImageSet, encoding: Encoding, job: PackingJob): Promise<ImageSet> {
  const encoder = new ImageEncoder(encoding, {
    set,
    job,
    packer: new LayerPacker(set.content, job),
    made: new Map(),
  });
  const images = [];
  for (const image of set.images) {
    if (encoding.also !== undefined && !isIndexType(image.root.mediaType)) throw needsList(image);
    images.push({ ...image, root: await encoder.document(image.root) });
  }
  return { content: encoder, images, select: (children) => encoder.select(children) };
}

const needsList = ({ references, root }: ImageSet['images'][number]): ArchBuildError =>
  new ArchBuildError(
    'USAGE',
    `${references[0] ?? root.digest} is one image: a list is what has several compressions`,
    { hint: 'make one with `arch-build manifest create`, or choose one compression with --compression' },
  );

/** What encoders of the same images in several encodings have in common. */
interface Shared {
  readonly set: ImageSet;
  readonly job: PackingJob;
  readonly packer: LayerPacker;
  /** Documents, by digest. */
  readonly made: Map<Digest, Buffer>;
}

class ImageEncoder {
  readonly #encoding: Encoding;
  readonly #shared: Shared;
  readonly #set: ImageSet;
  readonly #job: PackingJob;
  readonly #packer: LayerPacker;
  readonly #made: Map<Digest, Buffer>;
  readonly #done = new Map<Digest, Descriptor>();

  constructor(encoding: Encoding, shared: Shared) {
    this.#encoding = encoding;
    this.#shared = shared;
    this.#set = shared.set;
    this.#job = shared.job;
    this.#packer = shared.packer;
    this.#made = shared.made;
  }

  read(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    const made = this.#made.get(descriptor.digest);
    if (made !== undefined) return once(made);
    return this.#packer.read(descriptor) ?? this.#set.content.read(descriptor);
  }

  async select(children: readonly Descriptor[]): Promise<readonly Descriptor[]> {
    const { select } = this.#set;
    if (select === undefined) return children;
    const there = new Set(await select(children.filter(({ digest }) => !this.#made.has(digest))));
    return children.filter((child) => this.#made.has(child.digest) || there.has(child));
  }

  /** The document's new descriptor; platform and annotations stay. */
  async document(descriptor: Descriptor): Promise<Descriptor> {
    const { mediaType, digest } = descriptor;
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return descriptor;
    const known = this.#done.get(digest);
    if (known !== undefined) return { ...descriptor, ...known };
    const document = parseDocument(await readDocument(this.#set.content, descriptor), mediaType);
    const made =
      document.kind === 'index'
        ? await this.#index(descriptor, document.index)
        : await this.#manifest(descriptor, document.manifest);
    this.#done.set(digest, { mediaType: made.mediaType, digest: made.digest, size: made.size });
    return { ...descriptor, ...made };
  }

  async #index(descriptor: Descriptor, index: Index): Promise<Descriptor> {
    const there = this.#set.select === undefined ? index.manifests : await this.#set.select(index.manifests);
    if (there.length === 0 && index.manifests.length > 0)
      throw new ArchBuildError('BLOB_MISSING', `nothing of the index ${descriptor.digest} is there`);
    const children: Descriptor[] = [];
    for (const child of there) children.push(await this.document(child));
    const pointed = children.map((child) => this.#pointed(child));
    const manifests = [...pointed, ...(await this.#variants(there))];
    const family = this.#familyOfIndex(descriptor, manifests);
    const isWhole = there.length === index.manifests.length || this.#encoding.complete !== true;
    const isSame = manifests.every((child, position) => child.digest === there[position]?.digest);
    if (isSame && isWhole && family === familyOf(descriptor.mediaType)) return descriptor;
    return this.#keep(rebuildIndex(index, { manifests, family }));
  }

  /** What `also` adds. */
  async #variants(there: readonly Descriptor[]): Promise<Descriptor[]> {
    const added: Descriptor[] = [];
    for (const packing of this.#encoding.also ?? []) {
      const encoder = new ImageEncoder({ packing, family: 'oci' }, this.#shared);
      for (const entry of lackingVariant(there, packing.kind)) {
        const variant = variantEntry(await encoder.document(entry), packing.kind);
        if (variant.digest !== entry.digest) added.push(variant);
      }
    }
    return added;
  }

  /** One zstd layer somewhere makes a manifest an OCI one, and then the index around it has to be one, too. */
  #familyOfIndex({ mediaType }: Descriptor, manifests: readonly Descriptor[]): Family {
    if (manifests.some((child) => familyOf(child.mediaType) === 'oci')) return 'oci';
    return this.#encoding.family ?? familyOf(mediaType) ?? 'oci';
  }

  /** BuildKit's attestations name the manifest they are about. */
  #pointed(child: Descriptor): Descriptor {
    const about = child.annotations?.[ABOUT];
    const moved = about === undefined ? undefined : this.#done.get(about as Digest);
    if (moved === undefined) return child;
    return { ...child, annotations: { ...child.annotations, [ABOUT]: moved.digest } };
  }

  async #manifest(descriptor: Descriptor, manifest: Manifest): Promise<Descriptor> {
    if (!isConfigType(manifest.config.mediaType)) return descriptor; // no image: nothing of it is ours to change
    const found: Descriptor[] = [];
    for (const layer of manifest.layers) found.push(await this.#found(layer));
    const family = this.#familyOfManifest(descriptor, found);
    const layers: Descriptor[] = [];
    for (const layer of found) layers.push(await this.#layer(layer, family));
    const isSame = layers.every(
      ({ digest, mediaType }, position) =>
        digest === manifest.layers[position]?.digest && mediaType === manifest.layers[position].mediaType,
    );
    if (isSame && family === familyOf(descriptor.mediaType)) return descriptor;
    if (family === 'docker' && manifest.annotations !== undefined) {
      const lost = Object.keys(manifest.annotations).join(', ');
      this.#job.report?.({ type: 'warning', text: `a docker manifest has no annotations: ${lost} left out` });
    }
    return this.#keep(rebuildManifest(manifest, { layers, family }));
  }

  #familyOfManifest({ mediaType }: Descriptor, layers: readonly Descriptor[]): Family {
    const after = layers.map((layer) => this.#packingOf(layer)?.kind ?? layerCompression(layer.mediaType));
    if (after.includes('zstd')) return 'oci';
    return this.#encoding.family ?? familyOf(mediaType) ?? 'oci';
  }

  async #layer(layer: Descriptor, family: Family): Promise<Descriptor> {
    const packing = this.#packingOf(layer);
    const mediaType = typeInFamily(layer.mediaType, family, packing?.kind) ?? layer.mediaType;
    if (packing === undefined) return { ...layer, mediaType };
    const { data: _data, urls: _urls, ...rest } = layer;
    return { ...rest, mediaType, ...(await this.#packer.pack(layer, packing)) };
  }

  /** A plain layer as it is there already, packed: best as it is wanted. */
  async #found(layer: Descriptor): Promise<Descriptor> {
    const { there, family, packing } = this.#encoding;
    if (there === undefined || this.#packingOf(layer) === undefined) return layer;
    const variants = packedVariants(this.#job.known, layer)
      .filter(({ kind }) => family !== 'docker' || kind !== 'zstd') // only OCI has a name for it
      .sort((one, other) => Number(other.kind === packing?.kind) - Number(one.kind === packing?.kind));
    for (const { kind, digest, size } of variants) {
      const known = familyOf(layer.mediaType) ?? 'oci';
      const mediaType = typeInFamily(layer.mediaType, kind === 'zstd' ? 'oci' : known, kind);
      if (mediaType === undefined) continue;
      const { data: _data, urls: _urls, ...rest } = layer;
      const packed = { ...rest, mediaType, digest, size };
      if (await there.has(packed)) return packed;
    }
    return layer;
  }

  /** Undefined for a layer whose bytes stay. */
  #packingOf({ mediaType }: Descriptor): LayerPacking | undefined {
    const { packing, plainOnly = false } = this.#encoding;
    const kind = layerCompression(mediaType);
    const stays =
      packing === undefined ||
      kind === undefined ||
      kind === packing.kind ||
      isForeignLayerType(mediaType) ||
      (plainOnly && kind !== 'none');
    return stays ? undefined : packing;
  }

  #keep({ bytes, descriptor }: { readonly bytes: Buffer; readonly descriptor: Descriptor }): Descriptor {
    this.#made.set(descriptor.digest, bytes);
    return descriptor;
  }
}

/** What a plain layer has become before. */
function packedVariants(known: PackedLayers, { mediaType, digest }: Descriptor): PackedVariant[] {
  if (layerCompression(mediaType) !== 'none') return [];
  return known.variantsOf(digest).flatMap(({ packer, ...packed }) => {
    const kind = kindOfPacker(packer);
    return kind === undefined ? [] : [{ kind, ...packed }];
  });
}

type PackedVariant = PackedLayer & { readonly kind: Packing['kind'] };

const ABOUT = 'vnd.docker.reference.digest';
