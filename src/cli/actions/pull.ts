/** `pull`. */
import { offlineError } from '../../build/offline-error.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../../oci/reference.ts';
import { KitImages } from '../../transfer/kit-images.ts';
import { pullImage, type TransferJob } from '../../transfer/pull.ts';
import { platformFlag } from '../architectures.ts';
import type { PullFlags } from '../flags.ts';
import { reporterFor, storeFor, type Globals } from '../globals.ts';

export async function pull(globals: Globals, names: readonly string[], flags: PullFlags): Promise<void> {
  await using store = await storeFor(globals);
  const job = { store, report: reporterFor(globals), signal: globals.signal };
  const platform = platformFlag(flags);
  for (const name of names) {
    const root = globals.offline
      ? await bringFromKit(job, name, platform)
      : await pullImage(job, name, {
          insecure: flags.insecure,
          ...(platform === undefined ? {} : { platforms: [platform] }),
        });
    process.stdout.write(`${root.digest}\n`);
  }
}

/** All platforms the kit has, unless one is wanted. Throws OFFLINE for what it lacks. */
async function bringFromKit(
  job: TransferJob,
  text: string,
  wanted: Platform | undefined,
): Promise<Descriptor> {
  const name = formatReference(withDefaultTag(parseReference(text)));
  const kit = KitImages.open();
  let root: Descriptor | undefined;
  for (const platform of wanted === undefined ? (kit?.platformsOf(name) ?? []) : [wanted])
    root = await kit?.bring(job, name, platform);
  if (root !== undefined) return root;
  throw offlineError(`pulling ${name}${wanted === undefined ? '' : ` for ${formatPlatform(wanted)}`}`);
}
