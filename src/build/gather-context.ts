/** `gather`: the container images that a directory names, without a build: listed, or brought into the store. */
import { clusterFiles } from '../cluster/find/cluster-files.ts';
import { findImages, type FoundImages } from '../cluster/find/find-images.ts';
import { gatherError } from '../cluster/gather/gather-error.ts';
import { fetchImages, identifyImages, type IdentifiedImage } from '../cluster/gather/gather-images.ts';
import { refuseCollisions } from '../cluster/gather/registry-files.ts';
import { ImageSources } from '../cluster/gather/image-sources.ts';
import type { Platform } from '../oci/platform.ts';
import { openContext } from './context.ts';
import { readFindOptions } from './gather-lists.ts';
import { readLock, writeLock } from './gather-lock.ts';
import type { BuildOptions, GatherOptions, Job } from './options.ts';

export interface ContextGather extends Pick<BuildOptions, 'context' | 'pull' | 'offline' | 'insecure'> {
  readonly gather: GatherOptions;
  readonly platforms: readonly Platform[];
}

/** What is named, with the places that cannot be read. Throws CONTEXT, GATHER. */
export async function listImages(options: Pick<ContextGather, 'context' | 'gather'>): Promise<FoundImages> {
  const { tree } = openContext(options.context, {});
  return findImages(clusterFiles(tree), await readFindOptions(options, options.gather));
}

/** Brings them into the store for the platforms, and writes the lock. Throws GATHER about all that is wrong at once. */
export async function gatherContext(job: Job, options: ContextGather): Promise<IdentifiedImage[]> {
  const { gather, platforms, pull, offline, insecure } = options;
  const { images, problems } = await listImages(options);
  const wanted = images.map((image) => ({ ...image, platforms }));
  const lock = readLock(gather);
  await using sources = await ImageSources.open({ ...job, words: gather.sources, pull, offline, insecure });
  const { identified, failures } = await identifyImages(job, wanted, {
    sources,
    lock,
    locked: gather.locked,
  });
  if (failures.length + problems.length > 0) throw gatherError(failures, images.length, problems);
  refuseCollisions(identified, gather.names);
  await fetchImages(job, identified, () => true);
  for (const { name, root, reference } of identified)
    await job.store.images.put(root, reference.digest === undefined ? [name] : []);
  writeLock(gather, identified, lock);
  return identified;
}
