/** What a stage is after some of its steps: a value; every step returns the next one. */
import { createHash } from 'node:crypto';
import { chainIdOf, digestOfDiffId, type ChainId } from '../oci/digest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { environmentOf, type ContainerConfig, type ImageConfig } from '../oci/image-config.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import type { Platform } from '../oci/platform.ts';
import type { BaseOrigin } from './base-image.ts';
import type { CachedLayer, StepRecord } from './cache/cache-document.ts';
import { inheritedCluster, type ClusterImage } from './cluster-image.ts';
import type { Variables } from './scope.ts';

export interface StageState {
  readonly platform: Platform;
  readonly config: ImageConfig;
  /** Base first, as in the manifest. */
  readonly layers: readonly Descriptor[];
  /** The chainID after each layer. */
  readonly chain: readonly ChainId[];
  /** ENV and ARG together. */
  readonly variables: Variables;
  /** ARGs of this stage: the history of RUN says what they are, whoever gave the value. */
  readonly declaredArgs: readonly string[];
  /** This stage has its own CMD, which a later ENTRYPOINT must not clear. */
  readonly cmdSet: boolean;
  /** The image the stage, or the one it stands on, began with. */
  readonly origin?: BaseOrigin | undefined;
  /** What its steps, and those of the stages it began with, made. */
  readonly made: readonly StepRecord[];
  /** kubefile/v2: what a cluster is told. */
  readonly cluster?: ClusterImage | undefined;
  /** Full names of the container images that were gathered for it. */
  readonly containerImages?: readonly string[];
}

const HISTORY_COMMENT = 'arch-build';

export function containerConfigOf(state: StageState): ContainerConfig {
  return state.config.config ?? {};
}

/**
 * A stage at its beginning: its base image's config and layers, and the ARGs of its base when that is a stage. There
 * the last writer has won; here ENV goes before them.
 */
export function beginStage(
  platform: Platform,
  base: {
    readonly config: ImageConfig;
    readonly layers: readonly Descriptor[];
    readonly chain: readonly ChainId[];
    readonly variables?: Variables;
    readonly origin?: BaseOrigin | undefined;
    readonly made?: readonly StepRecord[];
    readonly cluster?: ClusterImage | undefined;
  },
): StageState {
  const { created: _created, ...config } = base.config; // set once, at the end
  return {
    platform,
    config,
    layers: base.layers,
    chain: base.chain,
    variables: new Map([...(base.variables ?? []), ...environmentOf(config)]),
    declaredArgs: [],
    cmdSet: false,
    origin: base.origin,
    made: base.made ?? [],
    cluster: inheritedCluster(base.cluster),
  };
}

export function withContainerConfig(state: StageState, change: Partial<ContainerConfig>): StageState {
  return { ...state, config: { ...state.config, config: { ...state.config.config, ...change } } };
}

export interface StepResult {
  /** RFC 3339. */
  readonly created: string;
  readonly createdBy: string;
  /** The layer the step added, if it changed anything. */
  readonly snapshot?: CachedLayer;
}

/** The state after a step: one history entry, and a layer when there is one. */
export function withStep(state: StageState, { created, createdBy, snapshot }: StepResult): StageState {
  const entry = { created, created_by: createdBy, comment: HISTORY_COMMENT };
  const history = [
    ...(state.config.history ?? []),
    snapshot === undefined ? { ...entry, empty_layer: true } : entry,
  ];
  if (snapshot === undefined) return { ...state, config: { ...state.config, history } };
  const { diffId, size } = snapshot;
  const diffIds = [...state.config.rootfs.diff_ids, diffId];
  return {
    ...state,
    config: { ...state.config, history, rootfs: { type: 'layers', diff_ids: diffIds } },
    layers: [...state.layers, { mediaType: MEDIA_TYPES.ociLayer, digest: digestOfDiffId(diffId), size }],
    chain: [...state.chain, chainIdOf(state.chain.at(-1), diffId)],
  };
}

/** A short digest of the config so far, for the keys of steps that add no layer. */
export function configFingerprint(state: StageState): string {
  return createHash('sha256').update(JSON.stringify(state.config)).digest('hex');
}
