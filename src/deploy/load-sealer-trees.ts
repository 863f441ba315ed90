/**
 * An archive of sealer v0.8 as images: its layers become snapshots of the store, its documents configs and manifests.
 * Nothing is named here; what is read twice, or stands on another layer for another platform, is there once for each.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeManifest, writeRoot } from '../build/assemble.ts';
import { scratchImage } from '../build/base-image.ts';
import { EMPTY_CLUSTER } from '../build/cluster-image.ts';
import { beginStage, withStep, type StageState } from '../build/stage-state.ts';
import { parseSealerImage, type SealerImage } from '../cluster/sealer-image.ts';
import { parseSealerMetadata, type SealerManifest } from '../cluster/sealer-metadata.ts';
import { ArchBuildError } from '../errors.ts';
import { applyLayer } from '../layer/apply-layer.ts';
import { storeContent } from '../layer/image-content.ts';
import { unpackSealerTrees, type SealerTrees } from '../layer/sealer-trees.ts';
import { hashLayer, readLayer } from '../layer/write-layer.ts';
import {
  chainIdOf,
  diffIdOfDigest,
  encodedOf,
  type ChainId,
  type DiffId,
  type Digest,
} from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { normalizePlatform } from '../oci/platform.ts';
import type { Snapshot } from '../store/snapshots.ts';
import type { Store } from '../store/store.ts';
import { overlayNamespace } from '../sys/identity.ts';
import type { ArchiveFile } from '../transfer/archive-file.ts';
import type { ImageArchive, TreeArchiveOpener } from '../transfer/image-archive.ts';
import { fullReference, type NamedImage } from '../transfer/image-list.ts';
import { formatRemarks, SEALER_ANNOTATION } from './sealer-annotation.ts';

/** For `openImageArchive`. Throws ARCHIVE_INVALID, DOCUMENT_INVALID, LAYER_INVALID. */
export const sealerTreesOpener =
  (store: Store): TreeArchiveOpener =>
  async (file) =>
    archiveIn(store, file, await readImages(store, file));

function archiveIn(store: Store, file: ArchiveFile, images: readonly NamedImage[]): ImageArchive {
  const has = ({ digest }: Descriptor): boolean =>
    store.blobs.has(digest) || store.snapshots.layerRecord(diffIdOfDigest(digest)) !== undefined;
  return {
    format: 'sealer',
    images,
    has,
    selectPresent: (children) => children.filter(has),
    read: (descriptor) => storeContent(store).read(descriptor),
    [Symbol.asyncDispose]: async () => file[Symbol.asyncDispose](),
  };
}

async function readImages(store: Store, file: ArchiveFile): Promise<NamedImage[]> {
  const trees = await unpackSealerTrees(file.stream(), () => store.makeDirectory('load'));
  const layers = new StagedLayers(store, trees.layers);
  const images: NamedImage[] = [];
  for (const [name, manifests] of Object.entries(parseSealerMetadata(documentOf(trees, 'Metadata')))) {
    const reference = fullReference(name);
    if (reference === undefined)
      throw new ArchBuildError('ARCHIVE_INVALID', `${JSON.stringify(name)} in Metadata is not a name`);
    const platforms: Descriptor[] = [];
    for (const manifest of manifests) {
      const image = parseSealerImage(documentOf(trees, `${manifest.id}.yaml`));
      platforms.push(await writePlatform(store, layers, { image, manifest }));
    }
    images.push({ references: [reference], root: writeRoot(store, platforms, {}) });
  }
  return images;
}

function documentOf({ documents }: SealerTrees, name: string): string {
  const text = documents.get(name);
  if (text === undefined) throw new ArchBuildError('ARCHIVE_INVALID', `the archive has no ${name}`);
  return text;
}

async function writePlatform(
  store: Store,
  layers: StagedLayers,
  { image, manifest }: { readonly image: SealerImage; readonly manifest: SealerManifest },
): Promise<Descriptor> {
  const platform = normalizePlatform(image.platform);
  const created = Number.isNaN(Date.parse(manifest.created)) ? EPOCH : manifest.created;
  let state: StageState = beginStage(platform, scratchImage(platform));
  for (const { id, type, value } of image.layers) {
    const createdBy = type === 'BASE' ? value : `${type} ${value}`;
    const snapshot = await layers.commit(id, state.chain.at(-1));
    state = withStep(state, { created, createdBy, snapshot });
  }
  const cmds = [...image.commands.parent, ...image.commands.current];
  const type = image.isApplication ? 'app-installer' : EMPTY_CLUSTER.type;
  const remarks = formatRemarks(image);
  const options = {
    annotations: remarks === undefined ? {} : { [SEALER_ANNOTATION]: remarks },
    labels: image.labels,
    unset: { environment: [], labels: [] },
    sourceDateEpoch: Math.floor(Date.parse(created) / 1000), // for an image without layers
  };
  const cluster = { ...EMPTY_CLUSTER, type, launch: { cmds, apps: [] } };
  return writeManifest(store, { ...state, cluster }, { platform, options });
}

const EPOCH = '1970-01-01T00:00:00Z';

interface Placed {
  readonly diffId: DiffId;
  readonly size: number;
  readonly chainId: ChainId;
}

/** Layers that were unpacked; the first chain that has one takes its directory, others get a copy. */
class StagedLayers {
  readonly #store: Store;
  readonly #staged: ReadonlyMap<string, string>;
  readonly #placed = new Map<Digest, Placed>();

  constructor(store: Store, staged: ReadonlyMap<string, string>) {
    this.#store = store;
    this.#staged = staged;
  }

  /** Throws ARCHIVE_INVALID for a layer that the archive does not have. */
  async commit(id: Digest, parent: ChainId | undefined): Promise<Snapshot> {
    const { snapshots } = this.#store;
    const placed = this.#placed.get(id);
    const on = parent === undefined ? {} : { parent };
    if (placed !== undefined) {
      const { diffId, size } = placed;
      const chainId = chainIdOf(parent, diffId);
      if (snapshots.has(chainId)) return snapshots.get(chainId);
      const layer = { diffId, size, includeRoot: false, ...on };
      return snapshots.commit(await this.#copyOf(placed), layer, { regenerable: true });
    }
    const directory = this.#staged.get(encodedOf(id));
    if (directory === undefined)
      throw new ArchBuildError('ARCHIVE_INVALID', `the archive does not have ${id}`);
    const { diffId, size } = await hashLayer(join(directory, 'fs'), { includeRoot: false });
    const layer = { diffId, size, includeRoot: false, ...on };
    const snapshot = snapshots.commit(directory, layer, { regenerable: true });
    this.#placed.set(id, { diffId, size, chainId: snapshot.chainId });
    return snapshot;
  }

  async #copyOf({ chainId }: Placed): Promise<string> {
    const staged = this.#store.makeDirectory('load');
    const target = join(staged, 'fs');
    mkdirSync(target, { mode: 0o755 });
    const tar = readLayer(this.#store.layout.snapshotTree(chainId), { includeRoot: false });
    await applyLayer(tar, target, { lowers: [], overlay: overlayNamespace() });
    return staged;
  }
}
