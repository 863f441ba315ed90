/** Brings an image of a registry into the store, under its name. */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import type { Store } from '../store/store.ts';
import { copyGraph } from './copy.ts';
import { MirroredSource } from './mirrored-source.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryOptions } from './registry-options.ts';
import { routesOf, withRoutes } from './registry-routes.ts';
import { resolveForPlatform, selectPlatforms } from './resolve-image.ts';
import { resumedPull } from './resumed-pull.ts';

/** For whom the work is done. */
export interface TransferJob {
  readonly store: Store;
  readonly report?: Reporter;
  readonly signal?: AbortSignal;
}

export interface PullOptions extends Omit<RegistryOptions, 'report' | 'signal'> {
  /** Only these; every one must exist. All there are by default. */
  readonly platforms?: readonly Platform[];
}

/**
 * Returns what the name means: an index keeps its digest even when only some of its platforms were brought.
 * Throws IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND naming what exists, REFERENCE_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK…
 */
export async function pullImage(
  { store, report, signal }: TransferJob,
  name: string,
  { platforms, ...registry }: PullOptions = {},
): Promise<Descriptor> {
  const reference = withDefaultTag(parseReference(name));
  const control = {
    ...(report === undefined ? {} : { report }),
    ...(signal === undefined ? {} : { signal }),
  };
  const routes = await routesOf(reference, 'pull', registry);
  await using client = new RegistryClient(withRoutes({ ...registry, ...control }, routes));
  const source = new MirroredSource(client, routes);
  const root = await source.resolve(reference);
  report?.({ type: 'info', text: `pulling ${formatReference(reference)} (${root.digest})` });
  for (const platform of platforms ?? []) await checkPlatform({ source, root, name }, platform);
  const select = platforms === undefined ? {} : { select: selectPlatforms(platforms) };
  await copyGraph(root, resumedPull(source, store, report), { ...control, ...select });
  // A digest names itself; a tag beside it may by now mean something else.
  await store.images.put(root, reference.digest === undefined ? [formatReference(reference)] : []);
  return root;
}

async function checkPlatform(
  { source, root, name }: { source: ContentSource; root: Descriptor; name: string },
  platform: Platform,
): Promise<void> {
  try {
    await resolveForPlatform(source, root, platform);
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'PLATFORM_NOT_FOUND') throw error;
    const details = error.hint === undefined ? {} : { hint: error.hint };
    throw new ArchBuildError(error.code, `${name} is not available for ${formatPlatform(platform)}`, details);
  }
}
