/** `--cache-to` and `--cache-from` between two stores, and caches that lie. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { build } from '../../src/build/build.ts';
import { formatCache, parseCache, type StepRecord } from '../../src/build/cache/cache-document.ts';
import type { CacheTarget } from '../../src/build/cache/cache-options.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import type { BuildEvent } from '../../src/events.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeImage } from '../../src/store/image-details.ts';
import { openStore } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { buildOptions } from './build-options.ts';

const TEXT = `FROM scratch AS first
COPY file /first
ENV A=1
FROM scratch
WORKDIR /w
COPY --from=first /first /second
COPY file .
LABEL made=here
`;

interface Place {
  readonly scratch: Scratch;
  readonly cache: string;
  /** In a new store each time. */
  build(options?: Partial<BuildOptions>): Promise<{ digest: string; made: string[]; warnings: string[] }>;
}

async function openPlace(): Promise<Place & AsyncDisposable> {
  const scratch = await openScratch('caches');
  mkdirSync(scratch.path('context'));
  await scratch.write('context/file', 'content\n');
  let count = 0;
  return {
    scratch,
    cache: scratch.path('cache'),
    build: async (options = {}) => {
      await using store = await openStore(scratch.path(`store-${++count}`));
      const events: BuildEvent[] = [];
      const job = {
        store,
        report: (event: BuildEvent) => void events.push(event),
        signal: new AbortController().signal,
      };
      const { root } = await build(job, {
        ...buildOptions(TEXT),
        context: scratch.path('context'),
        platforms: ['linux/amd64', 'linux/arm64'].map((text) => parsePlatform(text)),
        ...options,
      });
      const textsOf = (type: string): string[] =>
        events.flatMap((event) => (event.type === type && 'text' in event ? [event.text] : []));
      return { digest: root.digest, made: textsOf('step-started'), warnings: textsOf('warning') };
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

const toLocal = (directory: string, mode: 'min' | 'max' = 'max'): readonly CacheTarget[] => [
  { type: 'local', directory, tag: 'latest', mode, ignoreError: false },
];
const fromLocal = (directory: string): Pick<BuildOptions, 'cacheFrom'> => ({
  cacheFrom: [{ type: 'local', directory, tag: 'latest' }],
});

const blobsOf = (directory: string): string[] => {
  const folder = join(directory, 'blobs/sha256');
  return readdirSync(folder).map((name) => join(folder, name));
};

describeWithRoot('a cache in a directory', () => {
  it('makes the same image in another store without making anything', async () => {
    await using place = await openPlace();
    const one = await place.build({ cacheTo: toLocal(place.cache) });
    expect(one.made.length).toBeGreaterThan(5);
    const other = await place.build(fromLocal(place.cache));
    expect(other).toEqual({ digest: one.digest, made: [], warnings: [] });
  });

  it('of mode min has what the image is made of', async () => {
    await using place = await openPlace();
    const { digest } = await place.build({ cacheTo: toLocal(place.cache, 'min') });
    const other = await place.build(fromLocal(place.cache));
    expect(other.made.map((text) => text.split(' ')[0]).sort()).toEqual(['COPY', 'COPY', 'ENV', 'ENV']);
    expect(other.digest).toBe(digest);
  });

  it('is not asked with --no-cache', async () => {
    await using place = await openPlace();
    await place.build({ cacheTo: toLocal(place.cache) });
    const { made } = await place.build({ ...fromLocal(place.cache), noCache: true });
    expect(made.filter((text) => text.startsWith('COPY')).length).toBeGreaterThan(2);
  });

  it('is replaced as a whole: nothing of the one before stays', async () => {
    await using place = await openPlace();
    const sourceDateEpoch = 1; // or a layer would be one or two, by the second in which each platform's was made
    await place.build({ cacheTo: toLocal(place.cache), sourceDateEpoch });
    const before = blobsOf(place.cache);
    await place.scratch.write('context/file', 'changed\n');
    await place.build({ cacheTo: toLocal(place.cache), sourceDateEpoch });
    expect(blobsOf(place.cache)).toHaveLength(before.length);
    expect(blobsOf(place.cache)).not.toEqual(before);
    const { made } = await place.build({ ...fromLocal(place.cache), sourceDateEpoch });
    expect(made).toEqual([]);
  });

  it('does not take the place of an image', async () => {
    await using place = await openPlace();
    const layout = place.scratch.path('layout');
    await place.build({ outputs: [{ type: 'layout', directory: layout, names: ['docker.io/library/x:1'] }] });
    const before = blobsOf(layout);
    await expect(place.build({ cacheTo: toLocal(layout) })).rejects.toThrow('other content than caches');
    expect(blobsOf(layout)).toEqual(before);
  });
});

describeWithRoot('a cache that is no use', () => {
  it.each([
    ['is not there', () => undefined],
    ['is no layout', (cache: string) => mkdirSync(cache)],
  ])('because it %s: a warning, and the steps are made', async (_, make) => {
    await using place = await openPlace();
    make(place.cache);
    const { made, warnings } = await place.build(fromLocal(place.cache));
    expect(made.length).toBeGreaterThan(5);
    expect(warnings).toEqual([expect.stringContaining(`the cache ${place.cache}:latest is of no use here`)]);
  });

  it('because its layers are not what it says: none of them is used', async () => {
    await using place = await openPlace();
    const { digest } = await place.build({ cacheTo: toLocal(place.cache), sourceDateEpoch: 1 });
    for (const path of blobsOf(place.cache)) {
      const bytes = readFileSync(path);
      if (bytes[0] === 0x7b) continue; // the documents
      bytes[bytes.length - 1]! ^= 1;
      writeFileSync(path, bytes);
    }
    const { made, warnings, ...other } = await place.build({ ...fromLocal(place.cache), sourceDateEpoch: 1 });
    expect(made.filter((text) => text.startsWith('COPY')).length).toBeGreaterThan(2);
    expect(warnings.join('\n')).toContain('arrived as');
    expect(other.digest).toBe(digest);
  });

  it('because somebody else’s layer stands in for one: its digest is another than the record’s', async () => {
    await using place = await openPlace();
    await place.build({ cacheTo: toLocal(place.cache) });
    forge(place.cache, (text) => text.replaceAll(/"index":\d+/g, '"index":0'));
    const { made, warnings } = await place.build(fromLocal(place.cache));
    expect(warnings.join('\n')).toMatch(/arrived as|bytes/);
    expect(made.filter((text) => text.startsWith('COPY')).length).toBeGreaterThan(1);
  });

  it.each([
    [
      'a time that is none',
      (text: string) => text.replaceAll(/"created":"[^"]*"/g, '"created":"\\u001b[2J"'),
    ],
    ['a layer that is not there', (text: string) => text.replaceAll(/"index":\d+/g, '"index":99')],
    ['another version', (text: string) => text.replace('"version":1', '"version":2')],
    ['no records', () => '{"version":1,"records":[]}'],
    ['no JSON', () => 'records'],
  ])('because it has %s', async (_, change) => {
    await using place = await openPlace();
    await place.build({ cacheTo: toLocal(place.cache) });
    forge(place.cache, change);
    const { made, warnings } = await place.build(fromLocal(place.cache));
    expect(warnings.length).toBeGreaterThan(0);
    expect(made.filter((text) => text.startsWith('COPY')).length).toBeGreaterThan(2);
  });

  it('cannot be written: an error, or a warning if that is wanted', async () => {
    await using place = await openPlace();
    writeFileSync(place.cache, 'a file');
    const [target] = toLocal(place.cache) as [Exclude<CacheTarget, { type: 'inline' }>];
    await expect(place.build({ cacheTo: [target] })).rejects.toMatchObject({ code: 'IO' });
    const { warnings } = await place.build({ cacheTo: [{ ...target, ignoreError: true }] });
    expect(warnings).toEqual([expect.stringContaining('cannot be written')]);
  });
});

interface Entry {
  digest: string;
  size: number;
}

/** Changes the records, and every digest above them: a cache that is sound in itself and lies. */
function forge(directory: string, change: (text: string) => string): void {
  const at = (digest: string): string => join(directory, 'blobs/sha256', digest.slice('sha256:'.length));
  const write = (text: string): Entry => {
    const digest = digestOf(text);
    writeFileSync(at(digest), text);
    return { digest, size: Buffer.byteLength(text) };
  };
  const path = join(directory, 'index.json');
  const index = JSON.parse(readFileSync(path, 'utf8')) as { manifests: [Entry] };
  const manifest = JSON.parse(readFileSync(at(index.manifests[0].digest), 'utf8')) as { config: Entry };
  Object.assign(manifest.config, write(change(readFileSync(at(manifest.config.digest), 'utf8'))));
  Object.assign(index.manifests[0], write(JSON.stringify(manifest)));
  writeFileSync(path, JSON.stringify(index));
}

describeWithRoot('a cache in the image', () => {
  it('is an annotation of each manifest, and makes the image again from a layout', async () => {
    await using place = await openPlace();
    const layout = place.scratch.path('layout');
    const outputs = [{ type: 'layout', directory: layout, names: ['docker.io/library/app:latest'] }] as const;
    const one = await place.build({ outputs, cacheTo: [{ type: 'inline' }] });
    const again = await place.build({ ...fromLocal(layout), cacheTo: [{ type: 'inline' }] });
    expect(again.digest).toBe(one.digest);
    expect(again.made.map((text) => text.split(' ')[0]).sort()).toEqual(['COPY', 'COPY', 'ENV', 'ENV']);
    const plain = await place.build(fromLocal(layout));
    expect(plain.digest).not.toBe(one.digest); // it carries no cache
  });

  it('does not touch what its layers are', async () => {
    await using place = await openPlace();
    await using store = await openStore(place.scratch.path('store'));
    const job = { store, report: () => undefined, signal: new AbortController().signal };
    const options = { ...buildOptions(TEXT), context: place.scratch.path('context') };
    const layersOf = async (more: Partial<BuildOptions>): Promise<unknown> => {
      const { root } = await build(job, { ...options, ...more });
      return describeImage(store.blobs, { name: undefined, root }).platforms.map(
        ({ manifest }) => manifest.layers,
      );
    };
    expect(await layersOf({ cacheTo: [{ type: 'inline' }] })).toEqual(await layersOf({}));
    expect(existsSync(place.cache)).toBe(false);
  });
});

describe('the document of a cache', () => {
  const key = digestOf('key') as unknown as StepRecord['key'];
  const diffId = digestOf('layer') as unknown as NonNullable<StepRecord['layer']>['diffId'];
  const record: StepRecord = { key, created: '2024-01-31T12:00:00.5Z', layer: { diffId, size: 3 } };

  it('says again what it was made of, each step once', () => {
    const text = formatCache(
      [record, { key: diffId as unknown as typeof key, created: record.created }, record],
      () => 7,
    );
    expect(parseCache(Buffer.from(text), 'cache')).toEqual([
      { key, created: record.created, layer: { index: 7, diffId, size: 3 } },
      { key: diffId, created: record.created },
    ]);
  });

  it.each([
    { key: 'sha512:00' },
    { created: 'yesterday' },
    { created: '2024-01-31T12:00:00Z\n' },
    { layer: { index: -1, size: 3, diffId } },
    { layer: { index: 0, size: 0.5, diffId } },
    { layer: { index: 0, size: 3, diffId: 'sha256:../../etc' } },
  ])('with %j is refused', (change) => {
    const text = JSON.stringify({ version: 1, records: [{ ...record, layer: undefined, ...change }] });
    expect(() => parseCache(Buffer.from(text), 'cache')).toThrow(/^cache\.records\[0\]/);
  });
});
