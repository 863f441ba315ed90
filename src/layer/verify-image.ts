/**
 * Everything that can be checked about an image without running it: every blob is read, every document parsed, every
 * layer unpacked in thought. Problems are collected, so that one look shows them all.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, type DiffId } from '../oci/digest.ts';
import { CONFIG_LIMIT_BYTES, parseImageConfig, type ImageConfig } from '../oci/image-config.ts';
import { MANIFEST_LIMIT_BYTES, parseDocument, type Index, type Manifest } from '../oci/manifest.ts';
import {
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
} from '../oci/media-types.ts';
import { formatPlatform } from '../oci/platform.ts';
import { verifyConfig, verifyContent, verifyIndex, verifyManifest, type Problem } from '../oci/verify.ts';
import { verifyBlob, verifyLayer, type VerifiedLayer } from './verify-layer.ts';

/** Beyond these an image is an attack on whoever reads it. */
const LIMITS = { depth: 8, descriptors: 50_000 } as const;

/** No problem is thrown; what says nothing about the image is: IO, NETWORK, TOOL_MISSING and the like. */
export async function verifyImage(source: ContentSource, root: Descriptor): Promise<Problem[]> {
  const verification = new Verification(source);
  await verification.visit(root, { name: '', depth: 0 });
  return verification.problems;
}

interface Place {
  /** The platform so far, for people. */
  readonly name: string;
  /** How many indexes are above. */
  readonly depth: number;
}

class Verification {
  readonly problems: Problem[] = [];
  readonly #source: ContentSource;
  /** Documents by media type and digest. Loops cannot be: a document would have to hold its own digest. */
  readonly #visited = new Set<string>();
  /** Layers and other blobs: many manifests may share one. */
  readonly #blobs = new Map<string, VerifiedLayer>();
  #descriptors = 0;

  constructor(source: ContentSource) {
    this.#source = source;
  }

  async visit(descriptor: Descriptor, place: Place): Promise<void> {
    const { mediaType, digest } = descriptor;
    const isDocument = isIndexType(mediaType) || isManifestType(mediaType);
    const where = label(
      isIndexType(mediaType) ? 'index' : isDocument ? 'manifest' : 'content',
      descriptor,
      place,
    );
    if (!isDocument) {
      await this.#blob(descriptor, where);
      return;
    }
    if (place.depth >= LIMITS.depth) {
      this.#report('index-depth', where, `nested more than ${LIMITS.depth} deep`);
      return;
    }
    if (this.#visited.has(`${mediaType} ${digest}`)) return;
    this.#visited.add(`${mediaType} ${digest}`);
    const bytes = await this.#document(descriptor, where, MANIFEST_LIMIT_BYTES);
    const document = bytes && this.#parsed(where, () => parseDocument(bytes, mediaType));
    if (document?.kind === 'index') await this.#index(descriptor, document.index, { ...place, where });
    if (document?.kind === 'manifest')
      await this.#manifest(descriptor, document.manifest, { ...place, where });
  }

  async #index(descriptor: Descriptor, index: Index, place: Place & { where: string }): Promise<void> {
    this.problems.push(...verifyIndex({ descriptor, index }, place.where));
    this.#descriptors += index.manifests.length;
    if (this.#descriptors > LIMITS.descriptors) {
      this.#report('index-size', place.where, `more than ${LIMITS.descriptors} manifests`);
      return;
    }
    for (const entry of index.manifests) {
      const name = entry.platform === undefined ? place.name : formatPlatform(entry.platform);
      await this.visit(entry, { name, depth: place.depth + 1 });
    }
  }

  async #manifest(
    descriptor: Descriptor,
    manifest: Manifest,
    place: Place & { where: string },
  ): Promise<void> {
    this.problems.push(...verifyManifest({ descriptor, manifest }, place.where));
    const config = await this.#config(descriptor, manifest, place);
    for (const [index, layer] of manifest.layers.entries()) {
      const where = label(`layer ${index + 1}`, layer, place);
      if (!isConfigType(manifest.config.mediaType) || !isLayerType(layer.mediaType)) {
        await this.#blob(layer, where);
        continue;
      }
      await this.#layer(layer, { where, expected: config?.rootfs.diff_ids[index] });
    }
  }

  /** The config of a runnable image; other artifacts' are content to carry. */
  async #config(
    descriptor: Descriptor,
    manifest: Manifest,
    place: Place & { where: string },
  ): Promise<ImageConfig | undefined> {
    const where = label('config', manifest.config, place);
    if (!isConfigType(manifest.config.mediaType)) {
      await this.#blob(manifest.config, where);
      return undefined;
    }
    const bytes = await this.#document(manifest.config, where, CONFIG_LIMIT_BYTES);
    const config = bytes && this.#parsed(where, () => parseImageConfig(bytes));
    if (config === undefined) return undefined;
    const platform = place.depth === 0 ? undefined : descriptor.platform;
    this.problems.push(...verifyConfig({ manifest, config, platform }, where));
    return config;
  }

  async #layer(
    layer: Descriptor,
    { where, expected }: { readonly where: string; readonly expected: DiffId | undefined },
  ): Promise<void> {
    const algorithm = expected === undefined ? 'sha256' : algorithmOf(expected);
    const { diffId } = await this.#once(
      `${algorithm} ${layer.mediaType} ${layer.digest} ${layer.size}`,
      layer,
      {
        where,
        verify: () => verifyLayer(this.#source, layer, { where, algorithm }),
      },
    );
    if (expected === undefined || diffId === undefined || diffId === expected) return;
    this.#report('layer-diff-id', where, `the tar inside is ${diffId}, the config says ${expected}`);
  }

  async #blob(descriptor: Descriptor, where: string): Promise<void> {
    await this.#once(`${descriptor.digest} ${descriptor.size}`, descriptor, {
      where,
      verify: async () => ({
        problems: await verifyBlob(this.#source, descriptor, where),
        diffId: undefined,
      }),
    });
  }

  async #once(
    key: string,
    descriptor: Descriptor,
    { where, verify }: { readonly where: string; readonly verify: () => Promise<VerifiedLayer> },
  ): Promise<VerifiedLayer> {
    const known = this.#blobs.get(key);
    if (known !== undefined) return known;
    const found = await this.#unlessMissing(descriptor, where, verify);
    const verified = found ?? { problems: [], diffId: undefined };
    this.#blobs.set(key, verified);
    this.problems.push(...verified.problems);
    return verified;
  }

  /** The whole bytes of a document, when they are what the descriptor says. */
  async #document(descriptor: Descriptor, where: string, limit: number): Promise<Buffer | undefined> {
    if (descriptor.size > limit) {
      this.#report('content-size', where, `${descriptor.size} bytes, more than the ${limit} a reader takes`);
      return undefined;
    }
    const bytes = await this.#unlessMissing(descriptor, where, () => readUpTo(this.#source, descriptor));
    if (bytes === undefined) return undefined;
    const problems = verifyContent({ descriptor, bytes }, where);
    this.problems.push(...problems);
    return problems.length === 0 ? bytes : undefined;
  }

  /** Layers that are not distributed may be missing: their bytes are at the URLs of the descriptor. */
  async #unlessMissing<T>(
    descriptor: Descriptor,
    where: string,
    read: () => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ArchBuildError) || error.code !== 'BLOB_MISSING') throw error;
      if (!isForeignLayerType(descriptor.mediaType)) this.#report('content-missing', where, error.message);
      return undefined;
    }
  }

  #parsed<T>(where: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof ArchBuildError)) throw error;
      this.#report('document', where, error.message);
      return undefined;
    }
  }

  #report(rule: string, where: string, message: string): void {
    this.problems.push({ rule, where, message });
  }
}

function label(kind: string, { digest }: Descriptor, { name }: Pick<Place, 'name'>): string {
  return `${name === '' ? '' : `${name} `}${kind} ${digest}`;
}

/** One chunk more than promised is enough to see that it is too long. */
async function readUpTo(source: ContentSource, descriptor: Descriptor): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source.read(descriptor)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > descriptor.size) break;
  }
  return Buffer.concat(chunks);
}
