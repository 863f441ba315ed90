/** Any image through every place: what holds it gives it back with the same digests, whatever the files in it are. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { storeContent } from '../../src/layer/image-content.ts';
import { verifyImage } from '../../src/layer/verify-image.ts';
import { hashLayer } from '../../src/layer/write-layer.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { chainIdOf, digestOfDiffId, type ChainId, type DiffId } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildManifest, parseDocument, parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { writeIndex } from '../../src/store/write-index.ts';
import { copyImages, type CopyChoices } from '../../src/transfer/copy-images.ts';
import { parsePlace } from '../../src/transfer/transports/places.ts';
import { storeTransport } from '../../src/transfer/transports/store.ts';
import { openForeignTools, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { dir, file, hardLink, makeTree, symlink, whiteout, type Item } from '../support/tree-spec.ts';
import { DockerRegistry } from './docker-registry.ts';

type Tree = Readonly<Record<string, Item>>;

const NAME = 'docker.io/library/app:v1';
const HOST = parsePlatform('linux/amd64');

let scratch: Scratch;
let tools: ForeignTools;
let registry: DockerRegistry;
beforeAll(async () => {
  scratch = await openScratch('formats');
  tools = await openForeignTools();
  const directory = scratch.path('serve');
  mkdirSync(directory);
  registry = await DockerRegistry.start(directory);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await tools[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const oddName = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9._-]{0,8}$/),
  fc.constantFrom('ünïcode 😀', 'line\nfeed', '-dash', 'quote"\\', 'long'.repeat(40), ' ', '...', 'a=b'),
);
const attributes = fc.record({
  mode: fc.constantFrom(0o644, 0o755, 0o4755, 0o2711, 0o1777, 0),
  uid: fc.constantFrom(0, 1000, 2_097_152, 4_000_000_000),
  gid: fc.constantFrom(0, 50, 65_534),
  mtimeNs: fc.constantFrom(0n, 1_700_000_000_000_000_000n, -5_000_000_000n, 8_589_934_592_000_000_000n),
});
const item: fc.Arbitrary<Item> = fc.oneof(
  fc.tuple(fc.string({ maxLength: 2000 }), attributes).map(([text, rest]) => file(text, rest)),
  fc
    .tuple(fc.string({ maxLength: 9 }), attributes)
    .map(([text, rest]) => file(text, { ...rest, xattrs: { 'user.note': 'some\u0000thing' } })),
  attributes.map((rest) => dir(rest)),
  fc
    .constantFrom('/absolute', '../../out', 'gone', 'x'.repeat(150))
    .map((target) => symlink(target, { uid: 7 })),
  fc.constant<Item>({ type: 'fifo' }),
);
const tree: fc.Arbitrary<Tree> = fc
  .tuple(fc.dictionary(oddName, item, { minKeys: 1, maxKeys: 6 }), fc.boolean())
  .map(([items, linked]) => {
    const first = Object.entries(items).find(([, { type }]) => type === 'file')?.[0];
    return linked && first !== undefined ? { ...items, 'zz second name': hardLink(first) } : items;
  });

interface Sample {
  readonly platforms: readonly string[];
  /** The lower one is the same for all platforms. */
  readonly lower: Tree;
  readonly upper: Tree;
}

const sample: fc.Arbitrary<Sample> = fc
  .record({
    platforms: fc.constantFrom(['linux/arm64'], ['linux/amd64', 'linux/arm/v7', 'linux/s390x']),
    lower: tree,
    upper: tree,
  })
  .map(({ platforms, lower, upper }) => {
    const [gone] = Object.keys(lower).filter((name) => !(name in upper));
    return { platforms, lower, upper: gone === undefined ? upper : { ...upper, [gone]: whiteout } };
  });

/** As builds leave them: layers as snapshots, without their bytes. */
async function makeImage(store: Store, { platforms, lower, upper }: Sample): Promise<Descriptor> {
  const manifests: Descriptor[] = [];
  for (const platform of platforms) {
    const layers: Descriptor[] = [];
    const diffIds: DiffId[] = [];
    let parent: ChainId | undefined;
    for (const items of [lower, { ...upper, platform: file(platform) }]) {
      const { layer, diffId } = await makeLayer(store, items, parent);
      parent = chainIdOf(parent, diffId);
      layers.push(layer);
      diffIds.push(diffId);
    }
    const bytes = formatImageConfig({
      created: '2024-01-31T12:00:00Z',
      ...parsePlatform(platform),
      config: { Cmd: ['/x'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: [{ created_by: 'one' }, { created_by: 'two' }],
    });
    const config = {
      mediaType: MEDIA_TYPES.ociConfig,
      digest: store.blobs.writeDocument(bytes),
      size: bytes.length,
    };
    const manifest = buildManifest({ config, layers });
    store.blobs.writeDocument(manifest.bytes);
    manifests.push({ ...manifest.descriptor, platform: parsePlatform(platform) });
  }
  const root = manifests.length === 1 ? manifests[0]! : writeIndex(store, manifests);
  await store.images.put(root, [NAME]);
  return root;
}

async function makeLayer(
  store: Store,
  items: Tree,
  parent: ChainId | undefined,
): Promise<{ layer: Descriptor; diffId: DiffId }> {
  const staged = store.makeDirectory('layer');
  makeTree(join(staged, 'fs'), items);
  const { diffId, size } = await hashLayer(join(staged, 'fs'), { includeRoot: false });
  const record = { diffId, size, includeRoot: false, ...(parent === undefined ? {} : { parent }) };
  store.snapshots.commit(staged, record, { regenerable: true });
  return { layer: { mediaType: MEDIA_TYPES.ociLayer, digest: digestOfDiffId(diffId), size }, diffId };
}

async function copy(
  store: Store,
  [from, to]: readonly [string, string],
  choices: CopyChoices = {},
): Promise<string> {
  const places = { from: parsePlace(from, storeTransport), to: parsePlace(to, storeTransport) };
  const [image] = await copyImages(places, choices, { store, preferredPlatform: HOST });
  return image!.root.digest;
}

/** What of an image no encoding changes. */
function configsOf(store: Store, name: string): string[] {
  const { root } = store.images.get(name);
  const document = parseDocument(store.blobs.readDocument(root.digest), root.mediaType);
  const manifests = document.kind === 'index' ? document.index.manifests : [root];
  return manifests.map(({ digest }) => parseManifest(store.blobs.readDocument(digest)).config.digest);
}

let runs = 0;

/** A sample in a store, and an empty store. */
async function withSample(
  made: Sample,
  use: (stores: { full: Store; empty: Store; root: Descriptor; folder: string }) => Promise<void>,
): Promise<void> {
  const folder = scratch.path(`run-${++runs}`);
  {
    await using full = await openStore(join(folder, 'full'));
    await using empty = await openStore(join(folder, 'empty'));
    await use({ full, empty, root: await makeImage(full, made), folder });
  }
  rmSync(folder, { recursive: true });
}

const check = (body: (made: Sample) => Promise<void>, numRuns: number): Promise<void> =>
  fc.assert(fc.asyncProperty(sample, body), { numRuns, endOnFailure: true });

describeWith(['root', 'command:docker-registry', 'command:skopeo', 'command:umoci'], 'any image', () => {
  const keeping = (folder: string): string[] => [
    `oci:${folder}/layout:v1`,
    `oci-archive:${folder}/a.tar:${NAME}`,
    `dir:${folder}/dir`,
  ];

  it('comes back with its digest from each place, and from each by way of each other', async () => {
    await check(
      (made) =>
        withSample(made, async ({ full, empty, root, folder }) => {
          for (const first of keeping(join(folder, 'one'))) {
            mkdirSync(join(folder, 'one'), { recursive: true });
            expect(await copy(full, [NAME, first])).toBe(root.digest);
            for (const second of keeping(join(folder, 'two'))) {
              mkdirSync(join(folder, 'two'), { recursive: true });
              expect(await copy(empty, [first, second])).toBe(root.digest);
              expect(await copy(empty, [second, 'store:back'])).toBe(root.digest);
              rmSync(join(folder, 'two'), { recursive: true });
            }
          }
          expect(await verifyImage(storeContent(empty), root)).toEqual([]);
        }),
      6,
    );
  });

  it.each(['gzip', 'zstd', 'none'] as const)(
    'is pushed (%s), pulled and pushed again with the same digest and the same content',
    async (kind) => {
      await check(
        (made) =>
          withSample(made, async ({ full, empty, root }) => {
            const place = `docker://${registry.host}/run/${kind}:${++runs}`;
            const packing = kind === 'none' ? ({ kind } as const) : { kind, level: 1 };
            const pushed = await copy(full, [NAME, place], { packing });
            expect(pushed === root.digest).toBe(kind === 'none');
            expect(await copy(full, [NAME, place], { packing })).toBe(pushed);
            expect(await copy(empty, [place, 'store:back'])).toBe(pushed);
            expect(configsOf(empty, 'back')).toEqual(configsOf(full, NAME));
            expect(await verifyImage(storeContent(empty), empty.images.get('back').root)).toEqual([]);
            if (kind !== 'none')
              expect(await copy(empty, ['back', `docker://${registry.host}/run/again:${++runs}`])).toBe(
                pushed,
              );
            // unpacked again it is what it was
            expect(await copy(empty, ['back', 'store:plain'], { packing: { kind: 'none' } })).toBe(
              root.digest,
            );
          }),
        4,
      );
    },
  );

  it('keeps the ids of its platforms in docker archives', async () => {
    await check(
      (made) =>
        withSample(made, async ({ full, empty, folder }) => {
          const ids = configsOf(full, NAME);
          for (const [index, platform] of made.platforms.entries()) {
            const [one, two] = ['one', 'two'].map((name) => join(folder, `${name}.tar`)) as [string, string];
            const choice = { platforms: [parsePlatform(platform)] };
            await copy(full, [NAME, `docker-archive:${one}:app:v1`], choice);
            await copy(empty, [`docker-archive:${one}:app:v1`, 'store:back']);
            expect(configsOf(empty, 'back')).toEqual([ids[index]]);
            expect(await verifyImage(storeContent(empty), empty.images.get('back').root)).toEqual([]);
            await copy(empty, ['back', `docker-archive:${two}:app:v1`]);
            expect(readFileSync(two).equals(readFileSync(one))).toBe(true);
          }
        }),
      4,
    );
  });

  it('is the same for skopeo and umoci, in both directions', async () => {
    await check(
      (made) =>
        withSample(made, async ({ full, empty, root, folder }) => {
          mkdirSync(join(folder, 'ours'));
          const places = keeping(join(folder, 'ours'));
          for (const [index, place] of places.entries()) {
            await copy(full, [NAME, place], { packing: { kind: 'gzip', level: 1 } });
            const theirs = `oci:${join(folder, `theirs-${index}`)}:v1`;
            await tools.skopeo(['copy', '--all', '--quiet', place, theirs]);
            await copy(empty, [theirs, 'store:back'], { packing: { kind: 'none' } });
            expect(empty.images.get('back').root.digest).toBe(root.digest);
          }
          if (made.platforms.length === 1) {
            const image = `${join(folder, 'ours/layout')}:v1`;
            await tools.umoci(['unpack', '--image', image, join(folder, 'bundle')]);
            expect(readFileSync(join(folder, 'bundle/rootfs/platform'), 'utf8')).toBe('linux/arm64');
          }
          for (const format of ['dir', 'oci-archive']) {
            const place = `${format}:${join(folder, `their-${format}`)}`;
            await tools.skopeo(['copy', '--all', '--quiet', places[1]!, place]);
            await copy(empty, [place, 'store:back'], { packing: { kind: 'none' } });
            expect(empty.images.get('back').root.digest).toBe(root.digest);
          }
        }),
      3,
    );
  });
});
