/** `--cache-to`: what the steps of a build made, for other stores: one manifest for all platforms. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { storeContent } from '../../layer/image-content.ts';
import type { ContentSource } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, digestOfDiffId, encodedOf } from '../../oci/digest.ts';
import { buildManifest, parseManifest } from '../../oci/manifest.ts';
import { isManifestType, MEDIA_TYPES, typeInFamily } from '../../oci/media-types.ts';
import { once } from '../../transfer/once.ts';
import type { OciLayout } from '../../transfer/oci-layout.ts';
import type { LayerPacking } from '../../transfer/pack-layer.ts';
import type { Job } from '../options.ts';
import { writing } from '../output/writing.ts';
import { CACHE_CONFIG_TYPE, formatCache, type CachedLayer, type StepRecord } from './cache-document.ts';
import { describeCache, type CacheMode, type CacheTarget } from './cache-options.ts';

export interface CacheExport {
  readonly job: Job;
  readonly records: Readonly<Record<CacheMode, readonly StepRecord[]>>;
  readonly insecure: readonly string[];
}

type OwnTarget = Exclude<CacheTarget, { readonly type: 'inline' }>;

/** Throws what a target throws, unless its errors are to be ignored. */
export async function exportCaches(cache: CacheExport, targets: readonly CacheTarget[]): Promise<void> {
  for (const target of targets) {
    if (target.type === 'inline') continue; // the manifests have it already
    try {
      await exportCache(cache, target);
    } catch (error) {
      cache.job.signal.throwIfAborted();
      if (!target.ignoreError || !(error instanceof ArchBuildError)) throw error;
      const text = `the cache ${describeCache(target)} cannot be written: ${error.message}`;
      cache.job.report({ type: 'warning', text });
    }
  }
}

async function exportCache({ job, records, insecure }: CacheExport, target: OwnTarget): Promise<void> {
  const { root, source, count } = await cacheContent(job, records[target.mode], target.packing);
  job.report({ type: 'info', text: `writing the cache ${describeCache(target)}: ${count} steps` });
  const { report, signal } = job;
  if (target.type === 'local') {
    await writing(target.directory, () => writeLayout(job, target, { root, source }));
    return;
  }
  const { pushImage } = await import('../../transfer/push.ts');
  await pushImage(source, { root, name: target.reference }, { insecure, report, signal });
}

interface CacheContent {
  readonly root: Descriptor;
  readonly source: ContentSource;
}

/** The two documents are the cache's own; the layers are those of the store, packed as they are wanted. */
async function cacheContent(
  job: Job,
  records: readonly StepRecord[],
  packing: LayerPacking | undefined,
): Promise<CacheContent & { readonly count: number }> {
  const layers = new Map<string, Descriptor>();
  for (const { layer } of records) if (layer !== undefined) layers.set(layer.diffId, descriptorOf(layer));
  const order = [...layers.keys()];
  const text = Buffer.from(formatCache(records, ({ diffId }) => order.indexOf(diffId)));
  const config = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(text), size: text.length };
  const stored = storeContent(job.store);
  const { descriptors, read } = await packedLayers(job, { stored, layers: [...layers.values()], packing });
  const manifest = buildManifest({ config, layers: descriptors });
  const own = new Map<string, Buffer>([
    [config.digest, text],
    [manifest.descriptor.digest, manifest.bytes],
  ]);
  const source: ContentSource = {
    read: (descriptor) => {
      const bytes = own.get(descriptor.digest);
      return bytes === undefined ? read(descriptor) : once(bytes);
    },
  };
  return { root: manifest.descriptor, source, count: new Set(records.map(({ key }) => key)).size };
}

interface PackedLayers {
  readonly descriptors: readonly Descriptor[];
  readonly read: ContentSource['read'];
}

async function packedLayers(
  { store, report, signal }: Job,
  {
    stored,
    layers,
    packing,
  }: {
    readonly stored: ContentSource;
    readonly layers: readonly Descriptor[];
    readonly packing: LayerPacking | undefined;
  },
): Promise<PackedLayers> {
  if (packing === undefined || packing.kind === 'none')
    return { descriptors: layers, read: (descriptor) => stored.read(descriptor) };
  const { LayerPacker } = await import('../../transfer/pack-layer.ts');
  const scratch = (): string => store.makeDirectory('packed');
  const packer = new LayerPacker(stored, { known: store.packed, scratch, report, signal });
  const descriptors: Descriptor[] = [];
  for (const layer of layers) {
    const mediaType = typeInFamily(layer.mediaType, 'oci', packing.kind) ?? layer.mediaType;
    descriptors.push({ mediaType, ...(await packer.pack(layer, packing)) });
  }
  return { descriptors, read: (descriptor) => packer.read(descriptor) ?? stored.read(descriptor) };
}

const descriptorOf = ({ diffId, size }: CachedLayer): Descriptor => ({
  mediaType: MEDIA_TYPES.ociLayer,
  digest: digestOfDiffId(diffId),
  size,
});

/** The index changes last; layers that no cache of the layout names any more go then. */
async function writeLayout(
  { report, signal }: Job,
  { directory, tag }: Extract<OwnTarget, { readonly type: 'local' }>,
  { root, source }: CacheContent,
): Promise<void> {
  const { copyGraph } = await import('../../transfer/copy.ts');
  const { OciLayout } = await import('../../transfer/oci-layout.ts');
  const layout = await OciLayout.create(directory);
  await requireCaches(layout, directory);
  await copyGraph(root, { from: source, to: layout }, { report, signal });
  await layout.replaceImage({ references: [`docker.io/library/cache:${tag}`], root });
  await dropUnused(layout, directory);
}

/** What is removed from a layout must not be somebody's image. */
async function requireCaches(layout: OciLayout, directory: string): Promise<void> {
  const { readDocument } = await import('../../transfer/verified-stream.ts');
  for (const { root } of await layout.images()) {
    const isCache =
      isManifestType(root.mediaType) &&
      parseManifest(await readDocument(layout, root)).config.mediaType === CACHE_CONFIG_TYPE;
    if (isCache) continue;
    throw new ArchBuildError(
      'ARCHIVE_INVALID',
      `${directory} is an image layout with other content than caches`,
      {
        hint: 'name another directory with dest=',
      },
    );
  }
}

async function dropUnused(layout: OciLayout, directory: string): Promise<void> {
  const { loadGraph } = await import('../../transfer/content-graph.ts');
  const roots = (await layout.images()).map(({ root }) => root);
  const { documents, blobs } = await loadGraph(layout, roots);
  const used = [...documents.map(({ descriptor }) => descriptor), ...blobs];
  const names = new Set(used.map(({ digest }) => encodedOf(digest)));
  const folder = join(directory, 'blobs/sha256');
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (/^[0-9a-f]{64}$/.test(name) && !names.has(name)) rmSync(join(folder, name), { force: true });
}
