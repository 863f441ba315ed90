/** `inspect`, `history`. */
import { ArchBuildError } from '../../errors.ts';
import { parseDocument, type Index } from '../../oci/manifest.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { describeImage, pickPlatform, type PlatformImage } from '../../store/image-details.ts';
import { findBuildRecord } from '../../store/build-records.ts';
import type { Store } from '../../store/store.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import { wantsJson, type HistoryFlags, type InspectFlags, type PlatformFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { describeInspected, type InspectedImage } from '../inspected-image.ts';
import { openInspected } from '../open-inspected.ts';
import { formatBytes } from '../reporter.ts';
import { requireRoot } from '../require-root.ts';
import { formatAge, formatTable } from '../table.ts';

export async function inspect(globals: Globals, name: string, flags: InspectFlags): Promise<void> {
  if (flags.format === 'sealer') requireRoot(globals); // layers may have to be unpacked
  await using store = await storeFor(globals);
  await using inspected = await openInspected(globals, store, { name, flags });
  if (flags.raw === true) process.stdout.write(await rawDocument(inspected, flags));
  else if (flags.format === 'sealer') await printSealer(inspected, flags, globals.signal);
  else printJson(await documentOf(store, inspected, { ...flags, format: flags.format }));
}

/** Of what the name stands for, or one platform's manifest. */
async function rawDocument(inspected: InspectedImage, flags: PlatformFlags): Promise<Buffer> {
  const wanted = platformFlag(flags);
  const documents = await inspected.documents(wanted ?? 'root');
  if (wanted === undefined) return documents.readDocument(inspected.image.root.digest);
  const { descriptor } = pickPlatform(describeImage(documents, inspected.image, wanted), wanted);
  return documents.readDocument(descriptor.digest);
}

/** The manifest list, which is YAML as JSON is, and then each platform's Image. */
async function printSealer(
  inspected: InspectedImage,
  flags: PlatformFlags,
  signal: AbortSignal,
): Promise<void> {
  const wanted = platformFlag(flags);
  const details = await describeInspected(inspected, wanted);
  const platforms = wanted === undefined ? details.platforms : [pickPlatform(details, wanted)];
  const store = await inspected.storeWith(platforms);
  const { sealerDocuments } = await import('../../deploy/sealer-documents.ts'); // it writes YAML
  const { formatSealerMetadata } = await import('../../cluster/sealer-metadata.ts');
  const documents = await sealerDocuments({ store, signal }, { image: details.image, platforms });
  process.stdout.write(`${formatSealerMetadata(documents.metadata, 'store')}\n`);
  for (const { text } of documents.platforms) process.stdout.write(`---\n${text}`);
}

type DocumentFormat = Exclude<InspectFlags['format'], 'sealer'>;

async function documentOf(
  store: Store,
  inspected: InspectedImage,
  flags: PlatformFlags & { readonly format: DocumentFormat },
): Promise<unknown> {
  const wanted = platformFlag(flags);
  switch (flags.format) {
    case 'json':
      return everything(store, inspected, wanted);
    case 'config':
      return pickPlatform(await describeInspected(inspected, wanted), wanted).config;
    case 'manifest':
      return pickPlatform(await describeInspected(inspected, wanted), wanted).manifest;
    case 'index':
      return indexOf(inspected);
  }
}

async function everything(
  { layout }: Store,
  inspected: InspectedImage,
  wanted: Platform | undefined,
): Promise<object> {
  const details = await describeInspected(inspected, wanted);
  const picked = wanted === undefined ? details.platforms : [pickPlatform(details, wanted)];
  const { image, index, missing } = details;
  return {
    name: image.name ?? null,
    digest: image.root.digest,
    mediaType: image.root.mediaType,
    annotations: index?.annotations ?? {},
    partial: missing.length > 0,
    absent: missing.map(formatPlatform),
    emulation: findBuildRecord(layout, image.root.digest)?.['emulation'] ?? null,
    index: index ?? null,
    platforms: picked.map(platformJson),
  };
}

async function indexOf(inspected: InspectedImage): Promise<Index> {
  const { digest, mediaType } = inspected.image.root;
  const document = parseDocument((await inspected.documents('root')).readDocument(digest), mediaType);
  if (document.kind === 'index') return document.index;
  throw new ArchBuildError('DOCUMENT_INVALID', 'the image has no index: it is a single manifest');
}

const platformJson = ({ platform, descriptor, manifest, config, size }: PlatformImage): object => ({
  platform: formatPlatform(platform),
  digest: descriptor.digest,
  created: config.created ?? null,
  size,
  layers: manifest.layers.map(({ mediaType, digest, size: bytes }, at) => ({
    mediaType,
    digest,
    diffId: config.rootfs.diff_ids[at] ?? null,
    size: bytes,
  })),
  annotations: manifest.annotations ?? {},
  manifest,
  config,
});

export async function history(globals: Globals, name: string, flags: HistoryFlags): Promise<void> {
  await using store = await storeFor(globals);
  await using inspected = await openInspected(globals, store, { name, flags });
  const wanted = platformFlag(flags);
  const { config, manifest } = pickPlatform(await describeInspected(inspected, wanted), wanted);
  let layer = 0;
  const steps = (config.history ?? []).map((entry) => {
    const descriptor = entry.empty_layer === true ? undefined : manifest.layers[layer++];
    return { ...entry, layer: descriptor?.digest ?? null, size: descriptor?.size ?? 0 };
  });
  if (wantsJson(flags)) {
    printJson(steps);
    return;
  }
  const rows = steps
    .reverse()
    .map(({ created, created_by = '', size, comment = '' }) => [
      formatAge(created, Date.now()),
      formatBytes(size),
      created_by.replace(/\s+/g, ' ').slice(0, 100),
      comment,
    ]);
  process.stdout.write(formatTable(['CREATED', 'SIZE', 'CREATED BY', 'COMMENT'], rows));
}
