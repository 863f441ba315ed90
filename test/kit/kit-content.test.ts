/** The images of a kit, from the store they were packed from to the store of the other side. */
import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BaseImages } from '../../src/build/base-images.ts';
import { kitFiles, type KitImage } from '../../src/kit/kit-content.ts';
import { encodedOf } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { KitImages } from '../../src/transfer/kit-images.ts';
import { addImage, addIndex } from '../store/sample-images.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

const [AMD64, ARM64, S390X] = ['linux/amd64', 'linux/arm64', 'linux/s390x'].map((text) =>
  parsePlatform(text),
) as [KitImage['platform'], KitImage['platform'], KitImage['platform']];
const NAME = 'registry.test/base:1';

let scratch: Scratch;
let store: Store;
let other: Store;

beforeEach(async () => {
  scratch = await openScratch('kit');
  store = await openStore(scratch.path('store'));
  other = await openStore(scratch.path('other'));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** As it is unpacked; its directory. */
async function unpack(images: readonly KitImage[]): Promise<string> {
  for (const { path, size, data } of await kitFiles(store, images)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of data()) chunks.push(chunk);
    const content = Buffer.concat(chunks);
    expect(content).toHaveLength(size);
    await scratch.write(path, content);
  }
  return scratch.path('kit');
}

/** Of an index of these platforms: each as a kit would have it. */
function image(name: string, platforms: readonly KitImage['platform'][]): KitImage[] {
  const manifests = platforms.map((platform) =>
    addImage(store, { layers: [`of ${platform.architecture}`], kept: 'blobs', platform }),
  );
  const root = addIndex(store, manifests);
  return platforms.map((platform, at) => ({ name, platform, root, manifest: manifests[at]!.digest }));
}

const job = (): ConstructorParameters<typeof BaseImages>[0] => ({
  store: other,
  report: () => undefined,
  signal: new AbortController().signal,
});

it('has of an index the platforms that were wanted, and they keep its digest', async () => {
  const [amd64, arm64] = image(NAME, [AMD64, ARM64, S390X]);
  const { root } = amd64!;
  const kit = KitImages.open(await unpack([amd64!, arm64!]));
  expect(kit?.platformsOf(NAME)).toEqual([AMD64, ARM64]);
  expect(kit?.find(NAME, S390X)).toBeUndefined();
  expect(kit?.find('registry.test/other:1', ARM64)).toBeUndefined();
  const bases = new BaseImages(job(), { pull: 'missing', insecure: [], offline: true }, { kit });
  expect(bases.has(NAME, ARM64)).toBe(true);
  expect(bases.has(NAME, S390X)).toBe(false);
  const { config, layers } = await bases.get(NAME, ARM64);
  expect(config.architecture).toBe('arm64');
  expect(layers.map(({ digest }) => other.blobs.has(digest))).toEqual([true]);
  expect(other.images.find(NAME)?.root.digest).toBe(root.digest);
  await bases.get(NAME, AMD64);
  await expect(bases.get(NAME, S390X)).rejects.toMatchObject({ code: 'PLATFORM_NOT_FOUND' });
});

it('does not take a name away from what the store has', async () => {
  const kit = KitImages.open(await unpack(image(NAME, [ARM64])));
  const mine = addImage(other, { layers: ['mine'], platform: AMD64 });
  await other.images.put(mine, [NAME]);
  const bases = new BaseImages(job(), { pull: 'never', insecure: [], offline: false }, { kit });
  expect((await bases.get(NAME, AMD64)).config.architecture).toBe('amd64');
  expect((await bases.get(NAME, ARM64)).config.architecture).toBe('arm64');
  expect(other.images.find(NAME)?.root.digest).toBe(mine.digest);
});

it('is the same bytes in whatever order it was asked for', async () => {
  const images = [...image('registry.test/b:1', [S390X, AMD64]), ...image('registry.test/a:1', [ARM64])];
  const read = async (order: readonly KitImage[]): Promise<string[]> => {
    const files = (await kitFiles(store, order)).map(async ({ path, data }) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of data()) chunks.push(chunk);
      return `${path} ${Buffer.concat(chunks).toString('base64')}`;
    });
    return (await Promise.all(files)).sort();
  };
  expect(await read(images)).toEqual(await read([...images].reverse()));
});

it('is not believed: a changed document is refused and nothing gets its name', async () => {
  const directory = await unpack(image(NAME, [ARM64]));
  const blob = encodedOf(addImage(store, { layers: ['of arm64'], kept: 'blobs', platform: ARM64 }).digest);
  await writeFile(`${directory}/blobs/sha256/${blob}`, 'x'.repeat(300));
  await expect(KitImages.open(directory)!.bring(job(), NAME, ARM64)).rejects.toMatchObject({
    code: expect.stringMatching(/^(DIGEST|SIZE)_MISMATCH$/) as string,
  });
  expect(other.images.list()).toEqual([]);
});

it.each(['', '{}', '{"images":{"a":{"nowhere":{}}}}', '{"images":{"a":{"linux/arm64":{"root":{}}}}}'])(
  'has a lock that can be read, unlike %j',
  async (text) => {
    await scratch.write('kit/lock.json', text);
    expect(() => KitImages.open(scratch.path('kit'))).toThrow(/lock\.json is no lock of a kit/);
  },
);

it('is not there where there is no lock', () => {
  expect(KitImages.open(scratch.path('nowhere'))).toBeUndefined();
});
