/** Small images for tests of the store: layers as committed snapshots or as blobs, configs, manifests, indexes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import {
  chainIdsOf,
  diffIdOfDigest,
  digestOf,
  digestOfDiffId,
  type ChainId,
  type DiffId,
} from '../../src/oci/digest.ts';
import { emptyImageConfig, formatImageConfig } from '../../src/oci/image-config.ts';
import { buildIndex, buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import type { Platform } from '../../src/oci/platform.ts';
import type { Store } from '../../src/store/store.ts';

export const diffIdOf = (content: string): DiffId => diffIdOfDigest(digestOf(content));

/** A stack of snapshots, one file each, base first; the chain. */
export function addSnapshots(store: Store, contents: readonly string[]): ChainId[] {
  const diffIds = contents.map(diffIdOf);
  const chain = chainIdsOf(diffIds);
  for (const [index, content] of contents.entries()) {
    const staged = store.makeDirectory('commit');
    mkdirSync(join(staged, 'fs'));
    writeFileSync(join(staged, 'fs', 'file'), content);
    const parent = chain[index - 1];
    const layer = { diffId: diffIdOf(content), size: content.length, includeRoot: false };
    store.snapshots.commit(staged, parent === undefined ? layer : { ...layer, parent }, {
      regenerable: true,
    });
  }
  return chain;
}

export interface ImageParts {
  /** Layers, base first, by what is in them. */
  readonly layers: readonly string[];
  /** How the layers are kept: as blobs (pulled), or as snapshots that can be made into the blob again (built). */
  readonly kept?: 'blobs' | 'snapshots';
  readonly platform?: Platform;
}

/** Config and manifest, and the layers; the manifest's descriptor. */
export function addImage(store: Store, { layers, kept = 'snapshots', platform }: ImageParts): Descriptor {
  const diffIds = layers.map(diffIdOf);
  if (kept === 'snapshots') addSnapshots(store, layers);
  else for (const layer of layers) store.blobs.writeDocument(Buffer.from(layer));
  const config = formatImageConfig({
    ...emptyImageConfig(platform ?? { os: 'linux', architecture: 'amd64' }),
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const manifest = buildManifest({
    config: {
      mediaType: MEDIA_TYPES.ociConfig,
      digest: store.blobs.writeDocument(config),
      size: config.length,
    },
    layers: layers.map((content) => ({
      mediaType: MEDIA_TYPES.ociLayer,
      digest: digestOfDiffId(diffIdOf(content)),
      size: Buffer.byteLength(content),
    })),
  });
  store.blobs.writeDocument(manifest.bytes);
  return platform === undefined ? manifest.descriptor : { ...manifest.descriptor, platform };
}

/** An index over images; its descriptor. */
export function addIndex(store: Store, manifests: readonly Descriptor[]): Descriptor {
  const index = buildIndex(manifests);
  store.blobs.writeDocument(index.bytes);
  return index.descriptor;
}
