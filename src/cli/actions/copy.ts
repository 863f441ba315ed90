/** `copy`, `push`. */
import { sealerTreesTransport } from '../../deploy/sealer-place.ts';
import { ArchBuildError } from '../../errors.ts';
import { packingOf, type Packing } from '../../layer/compress.ts';
import { copyImages, type CopyChoices } from '../../transfer/copy-images.ts';
import type { LayerPacking } from '../../transfer/pack-layer.ts';
import { parsePlace } from '../../transfer/transports/places.ts';
import { registryTransport } from '../../transfer/transports/registry.ts';
import { storeTransport } from '../../transfer/transports/store.ts';
import type { Place } from '../../transfer/transports/transport.ts';
import { platformsFlag } from '../architectures.ts';
import type { CopyFlags, EncodingFlags } from '../transfer-flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { contextFor, requireReach } from '../places.ts';
import { requireRoot } from '../require-root.ts';

export async function copy(
  globals: Globals,
  { source, destination }: { readonly source: string; readonly destination: string },
  flags: CopyFlags,
): Promise<void> {
  const placeOf = (text: string): Place => parsePlace(text, storeTransport, [sealerTreesTransport]);
  await copyPlaces(globals, { from: placeOf(source), to: placeOf(destination) }, flags);
}

export async function push(
  globals: Globals,
  { image, name }: { readonly image: string; readonly name: string },
  flags: CopyFlags,
): Promise<void> {
  const from = parsePlace(image, storeTransport);
  await copyPlaces(globals, { from, to: parsePlace(name, registryTransport) }, flags);
}

async function copyPlaces(
  globals: Globals,
  places: { readonly from: Place; readonly to: Place },
  flags: CopyFlags,
): Promise<void> {
  if (flags.all === true && flags.platform.length > 0)
    throw new ArchBuildError('USAGE', '--all and --platform contradict each other');
  for (const place of [places.from, places.to]) requireReach(globals, place);
  requireRoot(globals);
  const choices: CopyChoices = {
    platforms: platformsFlag(flags.platform),
    ...packingFlag(flags),
    ...forceFlag(flags),
    ...addedPackings(flags),
    ...(flags.format === undefined ? {} : { family: flags.format }),
  };
  await using store = await storeFor(globals);
  const images = await copyImages(places, choices, contextFor(globals, store, flags));
  for (const { root } of images) process.stdout.write(`${root.digest}\n`);
}

/** Without `--compression` only plain layers are packed: there is nothing to force. */
function forceFlag({ compression, forceCompression }: CopyFlags): { keepsPacked?: boolean } {
  if (forceCompression === false) return { keepsPacked: true };
  if (forceCompression !== true || compression !== undefined) return {};
  throw new ArchBuildError('USAGE', '--force-compression needs --compression', {
    hint: 'write --compression gzip or --compression zstd',
  });
}

function addedPackings({ addCompression }: CopyFlags): { also?: readonly Packing[] } {
  if (addCompression.length === 0) return {};
  const also = [...new Set(addCompression)].map((kind) => {
    if (kind === 'gzip' || kind === 'zstd') return packingOf(kind);
    throw new ArchBuildError('USAGE', `--add-compression is gzip or zstd, not ${JSON.stringify(kind)}`);
  });
  return { also };
}

/** What `--compression` says. Throws USAGE for a level without a kind, or one that the kind does not have. */
export function packingFlag({ compression, compressionLevel }: EncodingFlags): { packing?: LayerPacking } {
  if (compression === 'none') {
    if (compressionLevel === undefined) return { packing: { kind: 'none' } };
    throw new ArchBuildError('USAGE', '--compression none has no level');
  }
  if (compression !== undefined) return { packing: packingOf(compression, compressionLevel) };
  if (compressionLevel === undefined) return {};
  throw new ArchBuildError('USAGE', '--compression-level needs --compression', {
    hint: 'write --compression gzip or --compression zstd',
  });
}
