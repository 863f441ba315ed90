import { describe, expect, it } from 'vitest';
import { scratchImage } from '../../src/build/base-image.ts';
import {
  beginStage,
  configFingerprint,
  withContainerConfig,
  withStep,
  type StageState,
} from '../../src/build/stage-state.ts';
import { chainIdsOf, type ChainId, type DiffId } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { Snapshot } from '../../src/store/snapshots.ts';

const platform = parsePlatform('linux/amd64');
const diffId = (digit: string): DiffId => `sha256:${digit.repeat(64)}` as DiffId;
const snapshot = (digit: string): Snapshot => ({
  chainId: 'unused' as ChainId,
  diffId: diffId(digit),
  size: 7,
  includeRoot: false,
});
const created = '2024-01-01T00:00:00.000Z';

/** The three lists that have to agree (H3). */
function expectConsistent({ config, layers, chain }: StageState): void {
  const layered = (config.history ?? []).filter(({ empty_layer }) => empty_layer !== true);
  expect(layered).toHaveLength(layers.length);
  expect(config.rootfs.diff_ids).toHaveLength(layers.length);
  expect(chain).toEqual(chainIdsOf(config.rootfs.diff_ids));
  expect(layers.map(({ digest }) => String(digest))).toEqual(config.rootfs.diff_ids);
}

describe('a stage', () => {
  it('begins with the variables of its base and without its creation time', () => {
    const base = scratchImage(platform);
    const state = beginStage(platform, {
      ...base,
      config: { ...base.config, created: '2001-01-01T00:00:00Z', config: { Env: ['A=1', 'B', 'A=2'] } },
    });
    expect(Object.fromEntries(state.variables)).toEqual({ A: '2', B: '' });
    expect(state.config).not.toHaveProperty('created');
    expect(state).toMatchObject({ layers: [], chain: [], cmdSet: false });
  });

  it('keeps history, diffIDs, layers and chain in step', () => {
    let state = beginStage(platform, scratchImage(platform));
    state = withStep(state, { created, createdBy: 'ENV a=b' });
    state = withStep(state, { created, createdBy: 'RUN a', snapshot: snapshot('1') });
    state = withStep(state, { created, createdBy: 'RUN nothing' });
    state = withStep(state, { created, createdBy: 'COPY a b', snapshot: snapshot('2') });
    expectConsistent(state);
    expect(state.config.history?.map((entry) => entry.empty_layer)).toEqual([
      true,
      undefined,
      true,
      undefined,
    ]);
    expect(state.config.history?.[1]).toEqual({ created, created_by: 'RUN a', comment: 'arch-build' });
    expect(state.layers.map(({ mediaType, size }) => [mediaType, size])).toEqual([
      ['application/vnd.oci.image.layer.v1.tar', 7],
      ['application/vnd.oci.image.layer.v1.tar', 7],
    ]);
  });

  it('is a value: a step leaves the state before it alone', () => {
    const before = beginStage(platform, scratchImage(platform));
    const copy = structuredClone(before);
    withStep(withContainerConfig(before, { User: 'u' }), {
      created,
      createdBy: 'x',
      snapshot: snapshot('3'),
    });
    expect(before).toEqual(copy);
  });

  it('has a fingerprint of its config', () => {
    const state = beginStage(platform, scratchImage(platform));
    const changed = withContainerConfig(state, { User: 'u' });
    expect(configFingerprint(state)).not.toBe(configFingerprint(changed));
    expect(configFingerprint(changed)).toBe(configFingerprint(withContainerConfig(state, { User: 'u' })));
  });
});
