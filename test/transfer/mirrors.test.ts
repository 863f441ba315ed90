/** Pulls through mirrors that are down, empty, or liars: what arrives is right, and who was wrong is said. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArchBuildError } from '../../src/errors.ts';
import type { BuildEvent } from '../../src/events.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { diffIdOfDigest, encodedOf } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { pullImage } from '../../src/transfer/pull.ts';
import type { RegistryOptions } from '../../src/transfer/registry-options.ts';
import { setRetryPolicy } from '../../src/transfer/registry-retry.ts';
import { openRepository } from '../../src/transfer/transports/registry.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { FakeRegistry, type Behaviour } from './fake-registry.ts';
import { collect } from './memory-content.ts';

const SIZE = 3 << 20;
const bytes = randomBytes(SIZE);
let scratch: Scratch;
let store: Store;
let mirrors: readonly [FakeRegistry, FakeRegistry];
let main: FakeRegistry;
let image: { readonly root: Descriptor; readonly config: Descriptor; readonly layer: Descriptor };

beforeEach(async () => {
  scratch = await openScratch('mirrors');
  store = await openStore(scratch.path('store'));
  mirrors = [await FakeRegistry.start(), await FakeRegistry.start()];
  main = await FakeRegistry.start();
  for (const registry of [...mirrors, main]) image = addImage(registry);
});
afterEach(async () => {
  setRetryPolicy({});
  await store[Symbol.asyncDispose]();
  for (const registry of [...mirrors, main]) await registry[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** With a layer large enough to be gone on with. */
function addImage({ content, tags }: FakeRegistry): typeof image {
  const layer = content.add(bytes, MEDIA_TYPES.ociLayer);
  const text = formatImageConfig({
    ...parsePlatform('linux/arm64'),
    rootfs: { type: 'layers', diff_ids: [diffIdOfDigest(layer.digest)] },
  });
  const config = content.add(text, MEDIA_TYPES.ociConfig);
  const manifest = buildManifest({ config, layers: [layer] });
  const root = content.add(manifest.bytes, manifest.descriptor.mediaType);
  tags.set('v1', root);
  return { root, config, layer };
}

const nameOf = ({ host }: FakeRegistry): string => `${host}/app`;

function optionsFor(places: readonly FakeRegistry[]): RegistryOptions {
  const text = [`[[registry]]\nprefix = "images.test"\nlocation = "${main.host}"\n`]
    .concat(places.map(({ host }) => `[[registry.mirror]]\nlocation = "${host}"\n`))
    .join('');
  writeFileSync(scratch.path('registries.conf'), text);
  return {
    environment: { CONTAINERS_REGISTRIES_CONF: scratch.path('registries.conf') },
    backoffMs: 1,
    stallMs: 2000,
    certificateDirectories: [],
  };
}

async function pull(places: readonly FakeRegistry[] = mirrors): Promise<readonly BuildEvent[]> {
  const events: BuildEvent[] = [];
  const job = { store, report: (event: BuildEvent) => void events.push(event) };
  await pullImage(job, 'images.test/app:v1', optionsFor(places));
  return events;
}

const textsOf = (events: readonly BuildEvent[], type: 'warning' | 'info'): string[] =>
  events.flatMap((event) => (event.type === type ? [event.text] : []));

const partials = (): string[] => readdirSync(store.layout.partials);

async function expectWhole(): Promise<void> {
  expect((await collect(store.blobs.read(image.layer.digest))).equals(bytes)).toBe(true);
  expect(store.images.get('images.test/app:v1').root.digest).toBe(image.root.digest);
  expect(partials()).toEqual([]);
}

type Lie = (response: Parameters<Behaviour>[1], range: string | undefined) => void;

const lying =
  (about: string, lie: Lie): Behaviour =>
  (request, response) => {
    if (request.url?.includes(about) !== true) return false;
    lie(response, request.headers.range);
    return true;
  };

const PAGE = '<html>log in</html>';
/** Ends well, and says beforehand how long it is or does not. */
const sends =
  (body: () => Buffer | string, headers: Readonly<Record<string, string | number>> = {}): Lie =>
  (response) =>
    void response.writeHead(200, headers).end(body());
const breaksAfter =
  (body: () => Buffer): Lie =>
  (response, range) => {
    if (range !== undefined) return void response.destroy();
    response.writeHead(200).write(body(), () => setTimeout(() => response.destroy(), 20));
  };

/** What a place may do to a layer. */
const LIES: readonly (readonly [string, Lie])[] = [
  ['other bytes of the same length', sends(() => randomBytes(SIZE))],
  ['the right bytes, one changed', sends(() => Buffer.concat([bytes.subarray(0, -1), Buffer.from('x')]))],
  ['too much', sends(() => Buffer.concat([bytes, bytes]))],
  ['a page of HTML', sends(() => PAGE, { 'content-type': 'text/html', 'content-length': PAGE.length })],
  ['a page of HTML without a length', sends(() => PAGE, { 'content-type': 'text/html' })],
  ['nothing', sends(() => '', { 'content-length': 0 })],
  ['the beginning only', sends(() => bytes.subarray(0, 2_000_000))],
  ['the beginning only, and says so', sends(() => bytes.subarray(0, 5), { 'content-length': 5 })],
];

describe('a mirror that sends', () => {
  it.each(LIES)('%s for a layer is passed over', async (_name, lie) => {
    mirrors[0].behaviours.push(lying(image.layer.digest, lie));
    const events = await pull();
    await expectWhole();
    expect(textsOf(events, 'warning')).toEqual([
      expect.stringMatching(
        new RegExp(`^the mirror ${nameOf(mirrors[0])} .*; asking ${nameOf(mirrors[1])}$`),
      ) as string,
    ]);
    expect(main.requests).toEqual([]);
  });

  it('other bytes is warned of by name, once, and not asked again', async () => {
    for (const { digest } of [image.layer, image.config])
      mirrors[0].behaviours.push(
        lying(
          digest,
          sends(() => randomBytes(SIZE)),
        ),
      );
    const events = await pull();
    const [warning, ...others] = textsOf(events, 'warning');
    expect(warning).toMatch(new RegExp(`^the mirror ${nameOf(mirrors[0])} sends something wrong: `));
    expect(others).toEqual([]);
  });

  it('wrong bytes is passed over without the user’s retries, and without a wait', async () => {
    setRetryPolicy({ retries: 0, delayMs: 60_000 });
    mirrors[0].behaviours.push(
      lying(
        image.layer.digest,
        sends(() => randomBytes(SIZE)),
      ),
    );
    await pull();
    await expectWhole();
  });

  it.each<[string, keyof typeof image, string]>([
    ['a config', 'config', 'x'.repeat(100)],
    ['a manifest', 'root', '{}'],
  ])('something else for %s is passed over', async (_name, what, text) => {
    mirrors[0].behaviours.push(
      lying(
        image[what].digest,
        sends(() => text),
      ),
    );
    if (what === 'root')
      mirrors[0].behaviours.push(
        lying(
          '/manifests/v1',
          sends(() => PAGE),
        ),
      );
    const events = await pull();
    await expectWhole();
    expect(textsOf(events, 'warning')).toHaveLength(1);
  });

  it('wrong bytes that end in the middle does not spoil what the next one goes on with', async () => {
    mirrors[0].behaviours.push(
      lying(
        image.layer.digest,
        breaksAfter(() => randomBytes(2_000_000)),
      ),
    );
    await pull();
    await expectWhole();
    const asked = mirrors[1].asked(image.layer.digest).map(({ headers }) => headers.range);
    expect(asked).toEqual([expect.stringMatching(/^bytes=[1-9]\d+-$/), undefined]);
  });

  it('the right bytes and breaks off is gone on with by the next one', async () => {
    mirrors[0].behaviours.push(
      lying(
        image.layer.digest,
        breaksAfter(() => bytes.subarray(0, 2_000_000)),
      ),
    );
    await pull();
    await expectWhole();
    const asked = mirrors[1].asked(image.layer.digest).map(({ headers }) => headers.range);
    expect(asked).toEqual(['bytes=2000000-']);
  });
});

describe('what is read where nothing is taken back', () => {
  const directory = (): string => scratch.path('read');
  const openImage = (): ReturnType<typeof openRepository> => {
    const held = { makeDirectory: () => (mkdirSync(directory(), { recursive: true }), directory()) };
    return openRepository('images.test/app:v1', { store: held, registry: optionsFor(mirrors) });
  };

  it.each(LIES)('is right though a mirror sends %s', async (_name, lie) => {
    mirrors[0].behaviours.push(lying(image.layer.digest, lie));
    await using source = await openImage();
    expect((await collect(source.content.read(image.layer))).equals(bytes)).toBe(true);
    expect(readdirSync(directory())).toEqual([]);
  });

  it('is right though a mirror breaks off in the middle of something wrong', async () => {
    const lie = breaksAfter(() => randomBytes(2_000_000));
    mirrors[0].behaviours.push(lying(image.layer.digest, lie));
    await using source = await openImage();
    expect((await collect(source.content.read(image.layer))).equals(bytes)).toBe(true);
  });

  it('is nothing where all send something wrong', async () => {
    const lie = sends(() => randomBytes(SIZE));
    for (const registry of [...mirrors, main]) registry.behaviours.push(lying(image.layer.digest, lie));
    await using source = await openImage();
    const chunks: Uint8Array[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of source.content.read(image.layer)) chunks.push(chunk);
    };
    await expect(read()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect([chunks, readdirSync(directory())]).toEqual([[], []]);
  });

  it('leaves no file where somebody stops reading', async () => {
    await using source = await openImage();
    for await (const chunk of source.content.read(image.layer)) {
      expect(bytes.subarray(0, chunk.length).equals(chunk)).toBe(true);
      expect(readdirSync(directory())).toHaveLength(1);
      break;
    }
    expect(readdirSync(directory())).toEqual([]);
  });
});

describe('when all places', () => {
  it('send something wrong, each is named with what it sent, and nothing of it is kept', async () => {
    for (const registry of [...mirrors, main])
      registry.behaviours.push(
        lying(
          image.layer.digest,
          sends(() => randomBytes(SIZE)),
        ),
      );
    const error = await pull().catch((caught: unknown) => caught as ArchBuildError);
    expect(error).toMatchObject({
      code: 'DIGEST_MISMATCH',
      items: [...mirrors, main].map(
        (registry) => expect.stringMatching(new RegExp(`^${nameOf(registry)}: .*arrived as`)) as string,
      ),
    });
    expect(partials()).toEqual([]);
    expect(store.blobs.has(image.layer.digest)).toBe(false);
    expect(store.images.list()).toEqual([]);
    for (const registry of [...mirrors, main]) registry.behaviours.length = 0;
    await pull();
    await expectWhole();
  });

  it('lack the image, each is named', async () => {
    for (const registry of [...mirrors, main]) registry.tags.clear();
    await expect(pull()).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      items: [...mirrors, main].map((registry) => expect.stringContaining(nameOf(registry)) as string),
    });
  });
});

it('what a liar left of an earlier run is thrown away by the next, which a right mirror serves', async () => {
  const path = join(store.layout.partials, `sha256-${encodedOf(image.layer.digest)}`);
  await pull([]); // makes the directory
  store.blobs.remove(image.layer.digest);
  writeFileSync(path, randomBytes(2_000_000));
  const events = await pull();
  await expectWhole();
  expect(textsOf(events, 'warning')).toEqual([]); // nobody who was asked now was wrong
});
