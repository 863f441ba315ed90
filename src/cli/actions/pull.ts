/** `pull`. */
import { offlineError } from '../../build/offline-error.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { fullName } from '../../oci/reference.ts';
import { copyImages } from '../../transfer/copy-images.ts';
import { KitImages } from '../../transfer/kit-images.ts';
import { pullImage } from '../../transfer/pull.ts';
import { parsePlace } from '../../transfer/transports/places.ts';
import { registryTransport } from '../../transfer/transports/registry.ts';
import { storePlace } from '../../transfer/transports/store.ts';
import type { TransportContext } from '../../transfer/transports/transport.ts';
import { namesTransport } from '../../transfer/transports/words.ts';
import { platformsFlag } from '../architectures.ts';
import type { PullFlags } from '../transfer-flags.ts';
import { storeFor, type Globals } from '../globals.ts';
import { contextFor } from '../places.ts';

export async function pull(globals: Globals, names: readonly string[], flags: PullFlags): Promise<void> {
  await using store = await storeFor(globals);
  const context = contextFor(globals, store, flags);
  const platforms = platformsFlag(flags.platform);
  for (const name of names) {
    for (const digest of await pullOne(globals, name, { context, platforms }))
      process.stdout.write(`${digest}\n`);
  }
}

interface Wanted {
  readonly context: TransportContext;
  readonly platforms: readonly Platform[];
}

async function pullOne(globals: Globals, name: string, { context, platforms }: Wanted): Promise<Digest[]> {
  const from = parsePlace(name, registryTransport);
  if (from.registry === undefined) {
    const images = await copyImages({ from, to: storePlace('', '') }, { platforms }, context);
    return images.map(({ root }) => root.digest);
  }
  const reference = name.slice(namesTransport(name) ? registryTransport.prefix.length : 0);
  if (globals.offline) return [await bringFromKit(context, reference, platforms)];
  const { digest } = await pullImage(context, reference, { ...context.registry, platforms });
  return [digest];
}

/** All platforms the kit has, unless some are wanted. Throws OFFLINE for what it lacks. */
async function bringFromKit(
  context: TransportContext,
  text: string,
  wanted: readonly Platform[],
): Promise<Digest> {
  const name = fullName(text);
  const kit = KitImages.open();
  let digest: Digest | undefined;
  for (const platform of wanted.length === 0 ? (kit?.platformsOf(name) ?? []) : wanted) {
    digest = (await kit?.bring(context, name, platform))?.digest;
    if (digest === undefined) break;
  }
  if (digest !== undefined) return digest;
  const suffix = wanted.length === 0 ? '' : ` for ${wanted.map(formatPlatform).join(', ')}`;
  throw offlineError(`pulling ${name}${suffix}`);
}
