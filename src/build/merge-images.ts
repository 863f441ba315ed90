/**
 * Several images as one, as sealer merges them: the layers of all, one after the other, as if each image had been built
 * on the one before. A layer that is there already is not added again.
 */
import type { Descriptor } from '../oci/descriptor.ts';
import { chainIdsOf, type DiffId } from '../oci/digest.ts';
import {
  environmentOf,
  withEnvironment,
  type ContainerConfig,
  type HistoryEntry,
  type ImageConfig,
} from '../oci/image-config.ts';
import type { Platform } from '../oci/platform.ts';
import type { BaseImage } from './base-image.ts';
import { INLINE_ANNOTATION } from './cache/cache-document.ts';
import {
  EXTENSION_ANNOTATION,
  IMAGES_ANNOTATION,
  parseContainerImages,
  type ClusterImage,
} from './cluster-image.ts';
import { beginStage, type StageState } from './stage-state.ts';

/** All for the same platform, the lowest first. */
export function mergeImages(
  platform: Platform,
  [first, ...others]: readonly [BaseImage, ...BaseImage[]],
): StageState {
  const merged = others.reduce<BaseImage>(mergeTwo, first);
  const containerImages = [first, ...others].flatMap(({ annotations }) => {
    const text = annotations?.[IMAGES_ANNOTATION];
    return text === undefined ? [] : parseContainerImages(text);
  });
  return {
    ...beginStage(platform, merged),
    cluster: merged.cluster,
    containerImages: [...new Set(containerImages)].sort(),
  };
}

/** What is told of the merged image itself is told anew, or is not true of it. */
const NOT_KEPT = new Set([
  EXTENSION_ANNOTATION,
  IMAGES_ANNOTATION,
  INLINE_ANNOTATION,
  'org.opencontainers.image.base.name',
  'org.opencontainers.image.base.digest',
]);

/** Those of all manifests; where two say something else, the upper one counts. */
export const mergeAnnotations = (images: readonly BaseImage[]): Record<string, string> =>
  Object.fromEntries(
    images
      .flatMap(({ annotations = {} }) => Object.entries(annotations))
      .filter(([name]) => !NOT_KEPT.has(name)),
  );

interface Step {
  readonly entry: HistoryEntry;
  readonly layer?: { readonly descriptor: Descriptor; readonly diffId: DiffId };
}

function mergeTwo(below: BaseImage, above: BaseImage): BaseImage {
  const known = new Set(below.config.rootfs.diff_ids);
  const added = stepsOf(above).filter(({ layer }) => layer === undefined || !known.has(layer.diffId));
  const steps = [...stepsOf(below), ...added];
  const layers = steps.flatMap(({ layer }) => (layer === undefined ? [] : [layer]));
  const diffIds = layers.map(({ diffId }) => diffId);
  const config = {
    ...mergeConfigs(below.config, above.config),
    history: steps.map(({ entry }) => entry),
    rootfs: { type: 'layers', diff_ids: diffIds },
  } as const;
  return {
    config,
    layers: layers.map(({ descriptor }) => descriptor),
    chain: chainIdsOf(diffIds),
    cluster: mergeClusters(below.cluster, above.cluster),
  };
}

/** A layer without a word of its own in the history gets one, so that the two lists stay in step. */
function stepsOf({ config, layers }: BaseImage): Step[] {
  const left = layers.map((descriptor, index) => ({ descriptor, diffId: config.rootfs.diff_ids[index] }));
  const take = (entry: HistoryEntry): Step => {
    const layer = entry.empty_layer === true ? undefined : left.shift();
    return layer?.diffId === undefined ? { entry } : { entry, layer: { ...layer, diffId: layer.diffId } };
  };
  const told = (config.history ?? []).map(take);
  return [...told, ...[...left].map(() => take({}))];
}

function mergeConfigs(below: ImageConfig, above: ImageConfig): ImageConfig {
  const [one, other]: readonly ContainerConfig[] = [below.config ?? {}, above.config ?? {}];
  const maps = (['Labels', 'ExposedPorts', 'Volumes'] as const).flatMap((key) => {
    const both = { ...one?.[key], ...other?.[key] };
    return Object.keys(both).length === 0 ? [] : [[key, both] as const];
  });
  const { Env: _env, ...rest } = other ?? {};
  const config = { ...below, ...above, config: { ...one, ...rest, ...Object.fromEntries(maps) } };
  return withEnvironment(config, environmentOf(above));
}

/** Of applications with the same name the upper one counts; what is launched is launched in the order of the images. */
function mergeClusters(
  below: ClusterImage | undefined,
  above: ClusterImage | undefined,
): ClusterImage | undefined {
  if (below === undefined || above === undefined) return below ?? above;
  const applications = new Map(
    [...below.applications, ...above.applications].map((application) => [application.name, application]),
  );
  const union = (one: readonly string[], other: readonly string[]): string[] => [
    ...new Set([...one, ...other]),
  ];
  return {
    type: below.type,
    applications: [...applications.values()],
    env: { ...below.env, ...above.env },
    launch: {
      cmds: union(below.launch.cmds, above.launch.cmds),
      apps: union(below.launch.apps, above.launch.apps),
    },
  };
}
