/** Records of mounts: kept while somebody makes them or the kernel has them, else swept. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ChainId, Digest } from '../../src/oci/digest.ts';
import { mountIdOf, mountNameOf } from '../../src/store/mount-records.ts';
import { prune } from '../../src/store/prune.ts';
import { openStore } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';

const RECORD = {
  kind: 'rootfs',
  image: 'docker.io/library/x:1',
  digest: `sha256:${'a'.repeat(64)}` as Digest,
  platforms: ['linux/arm64'],
  writable: false,
  target: '/mnt',
  chain: [`sha256:${'b'.repeat(64)}` as ChainId],
} as const;

it('a record is there as long as it is being made, and gone when no mount came of it', async () => {
  await using scratch = await openScratch();
  await using store = await openStore(scratch.path('store'));
  const made = store.mounts.create(RECORD, (directory) => writeFileSync(join(directory, 'part'), 'x'));
  expect(readFileSync(join(made.directory, 'part'), 'utf8')).toBe('x');
  store.mounts.sweep();
  expect(store.mounts.list()).toEqual([{ ...RECORD, id: made.record.id }]);
  made[Symbol.dispose]();
  store.mounts.sweep();
  expect(store.mounts.list()).toEqual([]);
  expect(readdirSync(store.layout.mounts)).toEqual([]);
});

it('pruning keeps what is being mounted', async () => {
  await using scratch = await openScratch();
  await using store = await openStore(scratch.path('store'), 'exclusive');
  const commit = (digit: string): ChainId => {
    const staged = store.makeDirectory('layer');
    const layer = { diffId: `sha256:${digit.repeat(64)}` as never, size: 1, includeRoot: false };
    return store.snapshots.commit(staged, layer, { regenerable: false }).chainId;
  };
  const [mounted, other] = [commit('1'), commit('2')];
  using _made = store.mounts.create({ ...RECORD, chain: [mounted] }, () => undefined);
  await prune(store, { cache: true, unnamed: true, dryRun: false });
  expect([store.snapshots.has(mounted), store.snapshots.has(other)]).toEqual([true, false]);
});

it('a mount is known by its name', () => {
  expect(mountIdOf(mountNameOf({ id: '0123456789ab' }))).toBe('0123456789ab');
  expect(mountIdOf('overlay')).toBeUndefined();
});
