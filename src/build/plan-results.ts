/** What a plan says of what comes after the last step: container images, the audit, outputs, names, caches. */
import type { Place } from '../cluster/find/image-mention.ts';
import type { Kubefile } from '../kubefile/instruction.ts';
import { describeCache, type CacheSource, type CacheTarget } from './cache/cache-options.ts';
import { listImages } from './gather-context.ts';
import { isGatherWanted } from './gather-step.ts';
import type { AuditOptions, BuildOptions, GatherOptions } from './options.ts';
import type { Output } from './output/output.ts';

export interface ResultPlan {
  /** Not there when nothing is gathered. */
  readonly gather?: GatherPlan;
  readonly audit?: AuditOptions;
  readonly outputs: readonly OutputPlan[];
  readonly tags: readonly string[];
  readonly caches: {
    readonly from: readonly string[];
    readonly to: readonly CachePlan[];
  };
}

/** An output as a value: without the way to deliver it. */
export type OutputPlan = {
  [Type in Output['type']]: Omit<Extract<Output, { type: Type }>, 'deliver'>;
}[Output['type']];

export interface CachePlan {
  /** `inline`: the image itself. */
  readonly to: string;
  readonly mode?: 'min' | 'max';
}

/**
 * What is gathered is what the results name, and those are not there yet. What the context and the lists name is
 * known: it is gathered as far as steps copy it to where images are looked for.
 */
export interface GatherPlan extends GatherOptions {
  readonly images: readonly PlannedImage[];
  readonly problems: readonly (Place & { readonly message: string })[];
}

/** As `gather --list` has them. */
interface PlannedImage {
  readonly name: string;
  /** It has credentials of its own. */
  readonly private?: true;
  readonly places: readonly Place[];
}

/** Throws CONTEXT, and GATHER for a list that cannot be read, as the build would. */
export async function planResults(kubefile: Kubefile, options: BuildOptions): Promise<ResultPlan> {
  const { gather, audit, outputs, tags, cacheFrom, cacheTo } = options;
  const isCluster = kubefile.dialect !== 'dockerfile';
  return {
    ...(gather !== undefined &&
      isGatherWanted(kubefile, gather) && { gather: await planGather(options, gather) }),
    ...(audit !== undefined && isCluster && { audit }),
    outputs: outputs.map(withoutDelivery),
    tags,
    caches: { from: cacheFrom.map(placeOf), to: cacheTo.map(planCache) },
  };
}

async function planGather(options: BuildOptions, gather: GatherOptions): Promise<GatherPlan> {
  const { images, problems } = await listImages({ ...options, gather });
  return {
    ...gather,
    images: images.map(({ name, credentials, places }) => ({
      name,
      ...(credentials !== undefined && { private: true }),
      places,
    })),
    problems: problems.map(({ place, message }) => ({ ...place, message })),
  };
}

function withoutDelivery(output: Output): OutputPlan {
  if (!('deliver' in output)) return output;
  const { deliver: _, ...rest } = output;
  return rest;
}

const placeOf = (cache: CacheSource): string => `${cache.type} ${describeCache(cache)}`;

function planCache(target: CacheTarget): CachePlan {
  if (target.type === 'inline') return { to: 'inline' };
  return { to: placeOf(target), mode: target.mode };
}
