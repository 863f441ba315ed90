/** `inspect`, `history`. */
import { ArchBuildError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatPlatform } from '../../oci/platform.ts';
import {
  describeImage,
  pickPlatform,
  type ImageDetails,
  type PlatformImage,
} from '../../store/image-details.ts';
import { findBuildRecord } from '../../store/build-records.ts';
import type { Store } from '../../store/store.ts';
import { printJson } from '../answer.ts';
import { platformFlag } from '../architectures.ts';
import { wantsJson, type InspectFlags, type ListFlags, type PlatformFlags } from '../flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { formatBytes } from '../reporter.ts';
import { requireRoot } from '../require-root.ts';
import { formatAge, formatTable } from '../table.ts';

export async function inspect(globals: Globals, name: string, flags: InspectFlags): Promise<void> {
  if (flags.format === 'sealer') requireRoot(globals); // layers may have to be unpacked
  await using store = await storeFor(globals);
  const details = describeImage(store, store.images.get(name));
  if (flags.raw === true) process.stdout.write(store.blobs.readDocument(rawDigest(details, flags)));
  else if (flags.format === 'sealer') await printSealer({ store, signal: globals.signal }, details, flags);
  else printJson(documentOf(store, details, { ...flags, format: flags.format }));
}

/** Of what the name stands for, or of one platform's manifest. */
function rawDigest(details: ImageDetails, flags: InspectFlags): Digest {
  const wanted = platformFlag(flags);
  return wanted === undefined ? details.image.root.digest : pickPlatform(details, wanted).descriptor.digest;
}

/** The manifest list, which is YAML as JSON is, and then each platform's Image. */
async function printSealer(
  job: { readonly store: Store; readonly signal: AbortSignal },
  details: ImageDetails,
  flags: PlatformFlags,
): Promise<void> {
  const wanted = platformFlag(flags);
  const platforms = wanted === undefined ? details.platforms : [pickPlatform(details, wanted)];
  const { sealerDocuments } = await import('../../deploy/sealer-documents.ts'); // it writes YAML
  const { formatSealerMetadata } = await import('../../cluster/sealer-metadata.ts');
  const documents = await sealerDocuments(job, { image: details.image, platforms });
  process.stdout.write(`${formatSealerMetadata(documents.metadata, 'store')}\n`);
  for (const { text } of documents.platforms) process.stdout.write(`---\n${text}`);
}

type DocumentFormat = Exclude<InspectFlags['format'], 'sealer'>;

function documentOf(
  { layout }: Store,
  details: ImageDetails,
  flags: PlatformFlags & { readonly format: DocumentFormat },
): unknown {
  const wanted = platformFlag(flags);
  switch (flags.format) {
    case 'json': {
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
    case 'config':
      return pickPlatform(details, wanted).config;
    case 'manifest':
      return pickPlatform(details, wanted).manifest;
    case 'index':
      if (details.index === undefined)
        throw new ArchBuildError('DOCUMENT_INVALID', 'the image has no index: it is a single manifest');
      return details.index;
  }
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

export async function history(
  globals: Globals,
  name: string,
  flags: PlatformFlags & ListFlags,
): Promise<void> {
  await using store = await storeFor(globals);
  const { config, manifest } = pickPlatform(
    describeImage(store, store.images.get(name)),
    platformFlag(flags),
  );
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
