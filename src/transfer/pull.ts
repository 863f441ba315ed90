/** Brings an image of a registry into the store, under its name. */
import type { Descriptor } from '../oci/descriptor.ts';
import type { Reach } from '../oci/platform-choice.ts';
import type { Platform } from '../oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../oci/reference.ts';
import { onlyImage } from './image-choice.ts';
import { narrow } from './narrow.ts';
import type { RegistryOptions } from './registry-options.ts';
import { controlOf, type TransferJob } from './transfer-job.ts';
import { openRepository } from './transports/registry.ts';
import { writeToStore } from './transports/store.ts';

export interface PullOptions extends Omit<RegistryOptions, 'report' | 'signal'> {
  /** Only these; for every one there must be a manifest that serves it. All there are by default. */
  readonly platforms?: readonly Platform[];
  /** What may serve a platform that is not there; by default all that its machines run. */
  readonly reach?: Reach;
}

/**
 * Returns what the name means: an index keeps its digest even when only some of its platforms were brought.
 * Throws IMAGE_NOT_FOUND, PLATFORM_NOT_FOUND naming what exists, REFERENCE_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK…
 */
export async function pullImage(
  job: TransferJob,
  name: string,
  { platforms = [], reach = 'machine', ...registry }: PullOptions = {},
): Promise<Descriptor> {
  const reference = withDefaultTag(parseReference(name));
  await using source = await openRepository(name, { ...job, registry });
  const { root } = onlyImage(source.images, name);
  job.report?.({ type: 'info', text: `pulling ${formatReference(reference)} (${root.digest})` });
  const set = await narrow(source, { platforms, reach, keepsIndex: true, ...controlOf(job) });
  await writeToStore(set, undefined, job);
  return root;
}
