/** Downloads that go on: over broken connections, over processes, and over damage to what was kept. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, encodedOf } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { diffIdOfDigest } from '../../src/oci/digest.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { prune } from '../../src/store/prune.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { pullImage } from '../../src/transfer/pull.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { FakeRegistry, type Behaviour } from './fake-registry.ts';
import { collect } from './memory-content.ts';

const SIZE = 3 << 20;
let registry: FakeRegistry;
let scratch: Scratch;
let store: Store;
let bytes: Buffer;
let layer: Descriptor;
let root: Descriptor;

beforeEach(async () => {
  registry = await FakeRegistry.start();
  scratch = await openScratch('resume');
  store = await openStore(scratch.path('store'));
  bytes = randomBytes(SIZE);
  layer = registry.content.add(bytes, MEDIA_TYPES.ociLayer);
  const config = formatImageConfig({
    ...parsePlatform('linux/arm64'),
    rootfs: { type: 'layers', diff_ids: [diffIdOfDigest(layer.digest)] },
  });
  const manifest = buildManifest({
    config: registry.content.add(config, MEDIA_TYPES.ociConfig),
    layers: [layer],
  });
  root = registry.content.add(manifest.bytes, manifest.descriptor.mediaType);
  registry.tags.set('v1', root);
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const pull = async (): Promise<Descriptor> =>
  pullImage({ store }, `${registry.host}/app:v1`, {
    environment: {},
    backoffMs: 1,
    stallMs: 2000,
    certificateDirectories: [],
  });

const partials = (): string[] => readdirSync(store.layout.partials);
const partialPath = (): string => join(store.layout.partials, `sha256-${encodedOf(layer.digest)}`);
const ranges = (): (string | undefined)[] =>
  registry.asked(`/blobs/${layer.digest}`).map(({ headers }) => headers.range);

function keep(content: Buffer): void {
  mkdirSync(store.layout.partials, { recursive: true });
  writeFileSync(partialPath(), content);
}

/** The layer's first `count` bytes, then the end of the connection, for ever. */
const stopsAfter =
  (count: number): Behaviour =>
  (request, response) => {
    if (request.url?.includes(layer.digest) !== true) return false;
    if (request.headers.range !== undefined) {
      response.destroy();
      return true;
    }
    response.writeHead(200, { 'content-length': SIZE }).write(bytes.subarray(0, count), () => {
      setTimeout(() => response.destroy(), 50);
    });
    return true;
  };

async function expectWhole(): Promise<void> {
  expect((await collect(store.blobs.read(layer.digest))).equals(bytes)).toBe(true);
  expect(partials()).toEqual([]);
}

describe('a pull', () => {
  it('that failed is gone on with by the next one, which asks for the rest only', async () => {
    registry.behaviours.push(stopsAfter(2_000_000));
    await expect(pull()).rejects.toMatchObject({ code: 'NETWORK' });
    expect(partials()).toHaveLength(1);
    expect(store.images.list()).toEqual([]);
    registry.behaviours.length = 0;
    registry.requests.length = 0;
    await pull();
    expect(ranges()).toEqual(['bytes=2000000-']);
    await expectWhole();
  });

  it('asks for nothing when all was there but the end', async () => {
    keep(bytes);
    await pull();
    expect(ranges()).toEqual([]);
    await expectWhole();
  });

  it.each<[string, () => Buffer, (string | undefined)[]]>([
    ['damaged', () => randomBytes(1000), ['bytes=1000-', undefined]],
    ['damaged at its full length', () => randomBytes(SIZE), [undefined]],
    ['longer than the blob', () => randomBytes(SIZE + 1), [undefined]],
    ['empty', () => Buffer.alloc(0), [undefined]],
  ])('begins anew when what was kept is %s', async (_name, content, expected) => {
    keep(content());
    await pull();
    expect(ranges()).toEqual(expected);
    await expectWhole();
  });

  it('copes with a registry that answers a Range with all', async () => {
    keep(bytes.subarray(0, 1_000_000));
    registry.behaviours.push((request, response) => {
      if (request.url?.includes(layer.digest) !== true) return false;
      response.writeHead(200).end(bytes);
      return true;
    });
    await pull();
    await expectWhole();
  });

  it('keeps nothing of a blob with another digest', async () => {
    registry.behaviours.push((request, response) => {
      if (request.url?.includes(layer.digest) !== true) return false;
      response.writeHead(200).end(randomBytes(SIZE));
      return true;
    });
    await expect(pull()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    expect(partials()).toEqual([]);
  });

  it('does without what another process holds, and leaves it alone', async () => {
    using held = store.partials.claim(layer);
    expect(held).toBeDefined();
    await pull();
    expect(store.blobs.has(layer.digest)).toBe(true);
    expect(store.partials.claim(layer)).toBeUndefined();
  });
});

describe('what was kept', () => {
  it('goes with prune, which counts it', async () => {
    keep(bytes.subarray(0, 1000));
    const options = { cache: true, unnamed: true };
    expect(await prune(store, { ...options, dryRun: true })).toMatchObject({ blobs: 1, bytes: 1000 });
    expect(partials()).toHaveLength(1);
    expect(await prune(store, { ...options, dryRun: false })).toMatchObject({ blobs: 1, bytes: 1000 });
    expect(partials()).toEqual([]);
  });

  it('goes with the next pull when it is a week old', async () => {
    mkdirSync(store.layout.partials, { recursive: true });
    for (const [name, days] of [
      ['old', 8],
      ['new', 6],
    ] as const) {
      const path = join(store.layout.partials, `sha256-${encodedOf(digestOf(name))}`);
      writeFileSync(path, name);
      utimesSync(path, Date.now() / 1000, Date.now() / 1000 - days * 86_400);
    }
    await pull();
    expect(partials()).toEqual([`sha256-${encodedOf(digestOf('new'))}`]);
  });
});
