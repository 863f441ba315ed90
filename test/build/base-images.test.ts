/** What a name means: one image for all platforms of a build, whatever becomes of the tag meanwhile. */
import { expect, it, vi } from 'vitest';
import { BaseImages, type ExpectedImage } from '../../src/build/base-images.ts';
import type { PullPolicy } from '../../src/build/options.ts';
import type { BuildEvent } from '../../src/events.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { FakeRegistry } from '../transfer/fake-registry.ts';
import { addImage, addIndex } from '../transfer/memory-content.ts';

const [AMD64, ARM64] = [parsePlatform('linux/amd64'), parsePlatform('linux/arm64')];
const BOTH = ['linux/amd64', 'linux/arm64'];

interface Bench extends AsyncDisposable {
  readonly registry: FakeRegistry;
  readonly store: Store;
  readonly name: string;
  bases(expected?: readonly ExpectedImage[], pull?: PullPolicy): BaseImages;
  readonly warnings: readonly string[];
  /** Every answer for the tag moves it to the next of these. */
  moveTag(...roots: Descriptor[]): void;
}

async function openBench(): Promise<Bench> {
  const scratch = await openScratch('bases');
  const registry = await FakeRegistry.start();
  const store = await openStore(scratch.path('store'));
  const warnings: string[] = [];
  const report = (event: BuildEvent): void => {
    if (event.type === 'warning') warnings.push(event.text);
  };
  const job = { store, report, signal: new AbortController().signal };
  return {
    registry,
    store,
    warnings,
    name: `${registry.host}/app:1`,
    bases: (expected = [], pull = 'missing') =>
      new BaseImages(job, { pull, insecure: [], offline: false }, { expected, kit: undefined }),
    moveTag: (...roots) => {
      registry.behaviours.push(({ url = '' }) => {
        const next = url.endsWith('/manifests/1') ? roots.shift() : undefined;
        if (next !== undefined) registry.tags.set('1', next);
        return false;
      });
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

const indexWith = ({ registry }: Bench, text: string): Descriptor =>
  addIndex(registry.content, BOTH, { files: { which: text } });

const topLayers = async (bases: BaseImages, name: string): Promise<(string | undefined)[]> =>
  (await Promise.all([AMD64, ARM64].map((platform) => bases.get(name, platform)))).map(
    ({ layers }) => layers.at(-1)?.digest,
  );

it.each(['missing', 'always'] as const)(
  'asks once, and gives every platform the same image: --pull %s',
  async (pull) => {
    await using bench = await openBench();
    const [one, two] = [indexWith(bench, 'one'), indexWith(bench, 'two')];
    bench.moveTag(one, two);
    const { name } = bench;
    const bases = bench.bases(
      [AMD64, ARM64].map((platform) => ({ name, platform, use: 'base' as const })),
      pull,
    );
    const [amd64, arm64] = await topLayers(bases, name);
    expect(amd64).toBe(arm64);
    expect(bench.registry.asked('/manifests/1')).toHaveLength(1);
    expect(bench.store.images.find(name)?.root.digest).toBe(one.digest);
  },
);

it('fetches a platform that nobody expected from what the name meant before', async () => {
  await using bench = await openBench();
  bench.moveTag(indexWith(bench, 'one'), indexWith(bench, 'two'));
  const bases = bench.bases();
  const first = await bases.get(bench.name, AMD64);
  const second = await bases.get(bench.name, ARM64);
  expect(first.layers.at(-1)?.digest).toBe(second.layers.at(-1)?.digest);
  expect(bench.registry.asked('/manifests/1')).toHaveLength(1);
});

it('does not put a platform of the store beside one of the registry', async () => {
  await using bench = await openBench();
  const { name } = bench;
  bench.registry.tags.set('1', indexWith(bench, 'old'));
  await bench.bases().get(name, AMD64); // the store has one of two platforms now
  bench.registry.tags.set('1', indexWith(bench, 'new'));
  const bases = bench.bases([AMD64, ARM64].map((platform) => ({ name, platform, use: 'base' as const })));
  const [amd64, arm64] = await topLayers(bases, name);
  expect(amd64).toBe(arm64);
});

it('says which platform is missing, of an image that exists for one', async () => {
  await using bench = await openBench();
  const { name } = bench;
  bench.registry.tags.set('1', addImage(bench.registry.content, 'linux/amd64'));
  const bases = bench.bases([AMD64, ARM64].map((platform) => ({ name, platform, use: 'base' as const })));
  const error = { code: 'PLATFORM_NOT_FOUND', message: expect.stringContaining('linux/arm64') as string };
  await expect(bases.get(name, AMD64)).rejects.toMatchObject(error);
});

it('takes the host’s platform of an image that exists for one, where it is only copied from', async () => {
  await using bench = await openBench();
  const { name, store } = bench;
  const root = addImage(bench.registry.content, 'linux/amd64');
  bench.registry.tags.set('1', root);
  const bases = bench.bases();
  const found = await bases.get(name, ARM64, 'content');
  expect([found.platform, found.root.digest]).toEqual([AMD64, root.digest]);
  expect(bench.warnings).toEqual([
    `${name} is not there for linux/arm64: linux/amd64 is taken, because it is only copied from`,
  ]);
  expect([bases.has(name, ARM64, 'content'), bases.has(name, ARM64)]).toEqual([true, false]);
  expect(store.images.find(name)?.root.digest).toBe(root.digest);
  await expect(bench.bases().get(name, ARM64)).rejects.toMatchObject({ code: 'PLATFORM_NOT_FOUND' });
});

it('takes no other platform of an image that exists for the wanted one, but not here', async () => {
  await using bench = await openBench();
  const { name } = bench;
  bench.registry.tags.set('1', indexWith(bench, 'both'));
  await bench.bases().get(name, AMD64);
  const never = bench.bases([], 'never');
  expect(never.has(name, ARM64, 'content')).toBe(false);
  await expect(never.get(name, ARM64, 'content')).rejects.toMatchObject({ code: 'BLOB_MISSING' });
});

it.each([
  ['an index', BOTH],
  ['a single image', ['linux/arm64']],
] as const)(
  'reads the documents of %s once for a platform, however many places name it',
  async (_what, platforms) => {
    await using bench = await openBench();
    const { content, tags } = bench.registry;
    const [only = ''] = platforms;
    tags.set('1', platforms.length === 1 ? addImage(content, only) : addIndex(content, platforms));
    const bases = bench.bases();
    const first = await bases.get(bench.name, ARM64);
    const read = vi.spyOn(bench.store.blobs, 'readDocument');
    for (let count = 0; count < 5; count++) {
      expect(await bases.get(bench.name, ARM64)).toEqual(first);
      expect(await bases.get(bench.name, ARM64, 'content')).toEqual(first);
    }
    expect(read).not.toHaveBeenCalled();
  },
);
