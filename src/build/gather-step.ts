/** After the last step: the container images that the results name, each resolved once, as one more layer each. */
import { clusterFiles } from '../cluster/find/cluster-files.ts';
import { findImages, type FoundImage, type FoundImages } from '../cluster/find/find-images.ts';
import { gatherError } from '../cluster/gather/gather-error.ts';
import {
  fetchImages,
  identifyImages,
  selectManifests,
  type IdentifiedImage,
  type NamedImage,
} from '../cluster/gather/gather-images.ts';
import type { ImageSources } from '../cluster/gather/image-sources.ts';
import { formatImageLock, type ImageLock } from '../cluster/gather/lock-file.ts';
import { refuseCollisions, registryFiles } from '../cluster/gather/registry-files.ts';
import { findStored, hasBlob, readRecord } from '../cluster/gather/registry-tree.ts';
import type { Kubefile } from '../kubefile/instruction.ts';
import { storeContent } from '../layer/image-content.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { loadGraph } from '../transfer/content-graph.ts';
import { ensureRootfs } from './base-image.ts';
import type { PlatformBuild, PlatformState } from './build-platform.ts';
import { cacheKeyOf } from './cache-key.ts';
import { runCached } from './cached-step.ts';
import { writeGatherLayer } from './gather-layer.ts';
import { readFindOptions } from './gather-lists.ts';
import { readLock, writeLock } from './gather-lock.ts';
import type { GatherOptions } from './options.ts';
import type { StageState } from './stage-state.ts';

/** What sealer calls the layer. */
const CREATED_BY = 'rootfs cache';

type GatherBuild = Pick<PlatformBuild, 'job' | 'options' | 'kubefile' | 'steps'>;

/** The same states when nothing is to be gathered. Throws GATHER about everything that is wrong at once. */
export async function gatherStep(
  build: GatherBuild,
  states: readonly PlatformState[],
): Promise<readonly PlatformState[]> {
  const { gather } = build.options;
  if (gather === undefined || !isGatherWanted(build.kubefile, gather)) return states;
  const results = await lookInto(build, gather, states);
  const images = wantedOf(results);
  const problems = distinct(results.flatMap(({ found }) => found.problems));
  if (images.length === 0 && problems.length === 0) return states;
  const lock = readLock(gather);
  const known = build.options.pull === 'always' ? [] : results;
  const { absent, present } = split(images, known, gather);
  await using sources = await openSources(build, gather);
  const { identified, failures } = await identifyImages(build.job, absent, {
    sources,
    lock,
    locked: gather.locked,
  });
  if (failures.length + problems.length > 0) throw gatherError(failures, images.length, problems);
  const all = [...identified, ...present];
  for (const result of results) checkCollisions(result, all, gather);
  const layered = await addLayers(build, gather, { results, identified });
  const finished = layered.map(({ platform, state }) => ({
    platform,
    state: { ...state, containerImages: namesFor(all, platform) },
  }));
  writeLock(gather, all, lock);
  return finished;
}

const namesFor = (images: readonly NamedImage[], platform: Platform): string[] =>
  images.flatMap(({ name, platforms }) => (platforms.includes(platform) ? [name] : [])).sort();

/** Kubefiles make cluster images; a Dockerfile's result is one when the user brings a list of images for it. */
export const isGatherWanted = ({ dialect }: Kubefile, { imageLists }: GatherOptions): boolean =>
  dialect !== 'dockerfile' || imageLists.length > 0;

interface Result extends PlatformState {
  readonly tree: MergedTree;
  readonly found: FoundImages;
  /** What the layers below have gathered: read when it is asked for, once. */
  readonly record: () => ImageLock;
}

async function lookInto(
  { job, options }: GatherBuild,
  gather: GatherOptions,
  states: readonly PlatformState[],
): Promise<Result[]> {
  const lists = await readFindOptions(options, gather);
  const results: Result[] = [];
  for (const { platform, state } of states) {
    await ensureRootfs(job, state);
    const tree = new MergedTree(job.store.snapshots.trees(state.chain));
    const found = await findImages(clusterFiles(tree), lists);
    let record: ImageLock | undefined;
    results.push({ platform, state, tree, found, record: () => (record ??= readRecord(tree, platform)) });
  }
  return results;
}

/** Each name once, with the platforms and the places that want it. */
function wantedOf(results: readonly Result[]): NamedImage[] {
  const wanted = new Map<string, FoundImage & { platforms: Platform[] }>();
  for (const { platform, found } of results) {
    for (const image of found.images) {
      const known = wanted.get(image.name);
      const places = [...(known?.places ?? []), ...image.places];
      const platforms = [...(known?.platforms ?? []), platform];
      wanted.set(image.name, { ...image, places: distinct(places), platforms });
    }
  }
  return [...wanted.keys()].sort().flatMap((name) => wanted.get(name) ?? []);
}

const distinct = <Value>(values: readonly Value[]): Value[] => [
  ...new Map(values.map((value) => [JSON.stringify(value), value])).values(),
];

/** What the base images have gathered already, the same for every platform that wants it, stays as it is. */
function split(
  images: readonly NamedImage[],
  results: readonly Result[],
  gather: GatherOptions,
): { absent: NamedImage[]; present: IdentifiedImage[] } {
  const absent: NamedImage[] = [];
  const present: IdentifiedImage[] = [];
  for (const image of images) {
    const stored = storedImage(image, results, gather);
    if (stored === undefined) absent.push(image);
    else present.push(stored);
  }
  return { absent, present };
}

function storedImage(
  image: NamedImage,
  results: readonly Result[],
  { names: policy }: GatherOptions,
): IdentifiedImage | undefined {
  const manifests = new Map<string, Digest>();
  let root: Descriptor | undefined;
  for (const platform of image.platforms) {
    const result = results.find((each) => each.platform === platform);
    if (result === undefined || isOfAnotherRegistry(image, result)) return undefined;
    const stored = findStored(result.tree, { reference: image.reference, platform, policy });
    if (stored === undefined || (root !== undefined && root.digest !== stored.root.digest)) return undefined;
    root = stored.root;
    for (const [text, digest] of stored.manifests) manifests.set(text, digest);
  }
  if (root === undefined) return undefined;
  return {
    ...image,
    root,
    manifests,
    content: () => Promise.reject(new TypeError(`${image.name} is there`)),
  };
}

/** The record tells registries apart that the storage does not; without one the storage is believed. */
const isOfAnotherRegistry = ({ name }: NamedImage, { record }: Result): boolean =>
  record().size > 0 && !record().has(name);

/** What the layers below have counts too. */
function checkCollisions(
  { found, record }: Result,
  images: readonly IdentifiedImage[],
  { names }: GatherOptions,
): void {
  const own = new Set(found.images.map(({ name }) => name));
  const claims = images.filter(({ name }) => own.has(name));
  const below = [...record()]
    .filter(([name]) => !own.has(name))
    .map(([name, { root }]) => ({ name, root, reference: parseReference(name) }));
  refuseCollisions([...below, ...claims], names);
}

/** What reads archives and speaks to registries is loaded when a name has been found. */
async function openSources({ job, options }: GatherBuild, gather: GatherOptions): Promise<ImageSources> {
  const { ImageSources } = await import('../cluster/gather/image-sources.ts');
  const { pull, offline, insecure } = options;
  return ImageSources.open({ ...job, words: gather.sources, pull, offline, insecure });
}

interface Gathered {
  readonly results: readonly Result[];
  readonly identified: readonly IdentifiedImage[];
}

/** Content is fetched when the first platform's layer is not in the cache. */
async function addLayers(
  build: GatherBuild,
  gather: GatherOptions,
  { results, identified }: Gathered,
): Promise<PlatformState[]> {
  let fetched: Promise<void> | undefined;
  const fetch = (): Promise<void> =>
    (fetched ??= fetchImages(build.job, identified, (blob, { platforms }) =>
      results.some(({ tree, platform }) => platforms.includes(platform) && !hasBlob(tree, blob)),
    ));
  const finished: PlatformState[] = [];
  for (const { platform, state } of results) {
    const images = identified.filter(({ platforms }) => platforms.includes(platform));
    const place = { platform, state, images, fetch };
    finished.push({ platform, state: images.length === 0 ? state : await addLayer(build, gather, place) });
  }
  return finished;
}

interface LayerPlace extends PlatformState {
  readonly images: readonly IdentifiedImage[];
  readonly fetch: () => Promise<void>;
}

async function addLayer(
  build: GatherBuild,
  { names }: GatherOptions,
  { platform, state, images, fetch }: LayerPlace,
): Promise<StageState> {
  const record = recordOf(images, platform);
  const text = formatPlatform(platform);
  const key = cacheKeyOf({
    platform: text,
    parent: state.chain.at(-1),
    instruction: ['GATHER', names],
    context: [['#images', formatImageLock(record)]],
  });
  const count = images.length === 1 ? 'one container image' : `${images.length} container images`;
  // What --cache-to exports is what steps made: images come from registries, which are their own cache.
  const context = {
    ...build,
    waitFor: <T>(other: Promise<T>) => other,
    imported: () => Promise.resolve(undefined),
    exported: () => undefined,
  };
  return runCached(context, state, {
    name: { platform: text, stage: 'registry', index: 1, total: 1 },
    text: `gather ${count}`,
    createdBy: CREATED_BY,
    key,
    make: async () => {
      await fetch();
      const files = registryFiles(await withGraphs(build, images, platform), names);
      return writeGatherLayer(build, state, { platform, files, images: record });
    },
  });
}

async function withGraphs(
  { job }: GatherBuild,
  images: readonly IdentifiedImage[],
  platform: Platform,
): Promise<Parameters<typeof registryFiles>[0]> {
  const content = storeContent(job.store);
  const graphs = images.map(async (image) => {
    const select = selectManifests({ ...image, platforms: [platform] });
    return { ...image, graph: await loadGraph(content, [image.root], select) };
  });
  return Promise.all(graphs);
}

/** What of the images is about one platform. */
function recordOf(images: readonly IdentifiedImage[], platform: Platform): ImageLock {
  const text = formatPlatform(platform);
  return new Map(
    images.map(({ name, root, manifests }) => {
      const digest = manifests.get(text);
      return [name, { root, manifests: new Map(digest === undefined ? [] : [[text, digest]]) }];
    }),
  );
}
