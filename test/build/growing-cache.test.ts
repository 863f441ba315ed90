/** `--cache-to` of builds that end early: what they have done is there, and what was there stays. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { build } from '../../src/build/build.ts';
import type { CacheTarget } from '../../src/build/cache/cache-options.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import type { BuildEvent } from '../../src/events.ts';
import { tryLockDirectory } from '../../src/sys/lock.ts';
import { openStore } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { buildOptions } from './build-options.ts';

const FAILS = 'COPY missing /\n';
const STEPS = ['one', 'two', 'three', 'four'].map((name) => `COPY file /${name}\n`);
const whole = `FROM scratch\n${STEPS.join('')}`;

interface Outcome {
  readonly made: readonly string[];
  readonly cached: readonly (readonly [text: string, from: string | undefined])[];
  readonly exported: readonly (readonly string[])[];
  /** What progress says is on its way. */
  readonly moved: readonly string[];
  readonly says: string;
  readonly error: string | undefined;
}

interface Place extends AsyncDisposable {
  readonly scratch: Scratch;
  /** In a new store, unless one is named. */
  build(text: string, options?: Partial<BuildOptions>, more?: Attempt): Promise<Outcome>;
}

interface Attempt {
  readonly store?: string;
  readonly signal?: AbortSignal;
  readonly hear?: (event: BuildEvent) => void;
}

async function openPlace(): Promise<Place> {
  const scratch = await openScratch('growing-cache');
  mkdirSync(scratch.path('context'));
  await scratch.write('context/file', 'content\n');
  let count = 0;
  return {
    scratch,
    build: async (text, options = {}, { store: name = `store-${++count}`, signal, hear } = {}) => {
      await using store = await openStore(scratch.path(name));
      const events: BuildEvent[] = [];
      const report = (event: BuildEvent): void => {
        events.push(event);
        hear?.(event);
      };
      const job = { store, report, signal: signal ?? new AbortController().signal };
      const all = { ...buildOptions(text), context: scratch.path('context'), ...options };
      const error = await build(job, all).then(
        () => undefined,
        (problem: unknown) => String(problem),
      );
      return { ...read(events), error };
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

const read = (events: readonly BuildEvent[]): Omit<Outcome, 'error'> => ({
  made: events.flatMap((event) => (event.type === 'step-started' ? [event.text] : [])),
  cached: events.flatMap((event) =>
    event.type === 'step-cached' ? [[event.text, event.from] as const] : [],
  ),
  exported: events.flatMap((event) => (event.type === 'step-exported' ? [event.caches] : [])),
  moved: [...new Set(events.flatMap((event) => (event.type === 'transfer' ? [event.what] : [])))],
  says: events
    .flatMap((event) => ('text' in event && /^(?:info|warning)$/.test(event.type) ? [event.text] : []))
    .join('\n'),
});

type Local = Extract<CacheTarget, { readonly type: 'local' }>;

const target = (directory: string, more: Partial<Local> = {}): Local => ({
  type: 'local',
  directory,
  tag: 'latest',
  mode: 'max',
  ignoreError: false,
  ...more,
});
const from = (directory: string): Pick<BuildOptions, 'cacheFrom'> => ({
  cacheFrom: [{ type: 'local', directory, tag: 'latest' }],
});

describeWithRoot('a build that fails', () => {
  it('leaves its finished steps, from where another one goes on', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    const failed = await place.build(`${whole}${FAILS}`, { cacheTo: [target(cache)] });
    expect(failed.error).toContain('missing');
    expect(failed.exported).toEqual(STEPS.map(() => [`${cache}:latest`]));
    expect(failed.moved).toEqual(['layer']); // not the documents of every write
    const next = await place.build(`${whole}COPY file /five\n`, from(cache));
    expect(next.error).toBeUndefined();
    expect(next.made).toEqual(['COPY file /five']);
    expect(next.cached).toEqual(STEPS.map((text) => [text.trim(), `${cache}:latest`]));
  });

  it('leaves them in each of its caches, packed as each is to be', async () => {
    await using place = await openPlace();
    const [one, other] = [place.scratch.path('one'), place.scratch.path('other')];
    const cacheTo = [target(one), target(other, { packing: { kind: 'gzip', level: 6 } })];
    await place.build(`${whole}${FAILS}`, { cacheTo });
    for (const cache of [one, other]) {
      const { made } = await place.build(whole, from(cache));
      expect(made).toEqual([]);
    }
    expect(mediaTypes(one)).toEqual(['application/vnd.oci.image.layer.v1.tar']);
    expect(mediaTypes(other)).toEqual(['application/vnd.oci.image.layer.v1.tar+gzip']);
  });

  it('takes away nothing that was there, and the next one that succeeds all that is not its own', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    const cacheTo = [target(cache)];
    await place.build(whole, { cacheTo });
    const before = readdirSync(join(cache, 'blobs/sha256')).length;
    const changed = whole.replaceAll('COPY file /', 'COPY file /changed/');
    await place.build(`${changed}${FAILS}`, { cacheTo });
    for (const text of [whole, changed]) expect((await place.build(text, from(cache))).made).toEqual([]);
    await place.build(changed, { cacheTo });
    expect((await place.build(whole, from(cache))).made).toHaveLength(STEPS.length);
    expect(readdirSync(join(cache, 'blobs/sha256'))).toHaveLength(before);
  });

  it('leaves what the store had, too', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    await place.build(whole, {}, { store: 'known' });
    const failed = await place.build(`${whole}${FAILS}`, { cacheTo: [target(cache)] }, { store: 'known' });
    expect(failed.made).toEqual([]);
    expect(failed.says).toContain(`writing the cache ${cache}:latest: 4 steps of a build that failed`);
    expect((await place.build(whole, from(cache))).made).toEqual([]);
  });

  it('of mode min leaves only what the image stands on', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    const other = 'FROM scratch AS other\nCOPY file /aside\n';
    const text = `${other}FROM scratch AS base\nCOPY file /base\nFROM base\nCOPY --from=other /aside /\n`;
    await place.build(`${text}${FAILS}`, { cacheTo: [target(cache, { mode: 'min' })] });
    const { made } = await place.build(text, from(cache));
    expect(made).toEqual(['COPY file /aside']);
  });

  it('is told when its cache cannot be written', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    writeFileSync(cache, 'a file');
    const { error, says } = await place.build(`${whole}${FAILS}`, { cacheTo: [target(cache)] });
    expect(error).toContain('missing');
    expect(says).toContain(`the cache ${cache}:latest cannot be written`);
  });

  it('does not touch an image that has the place', async () => {
    await using place = await openPlace();
    const layout = place.scratch.path('layout');
    await place.build(whole, {
      outputs: [{ type: 'layout', directory: layout, names: ['docker.io/library/cache:latest'] }],
    });
    const before = readFileSync(join(layout, 'index.json'), 'utf8');
    const { says } = await place.build(`${whole}${FAILS}`, { cacheTo: [target(layout)] });
    expect(says).toContain('cannot be written');
    expect(readFileSync(join(layout, 'index.json'), 'utf8')).toBe(before);
  });
});

describeWithRoot('a cache that grows', () => {
  it('is whole after every step: an interrupted build leaves what it had done', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    const interrupt = new AbortController();
    let written = 0;
    const hear = (event: BuildEvent): void => {
      const count =
        event.type === 'debug' ? / has (\d+) steps of this build$/.exec(event.text)?.[1] : undefined;
      if (count === undefined) return;
      written = Number(count);
      interrupt.abort(new Error('enough'));
    };
    const { error } = await place.build(
      whole,
      { cacheTo: [target(cache)] },
      { signal: interrupt.signal, hear },
    );
    expect(error).toBeDefined();
    expect(written).toBeGreaterThan(0);
    const { made } = await place.build(whole, from(cache));
    expect(made).toHaveLength(STEPS.length - written);
  });

  it('is not written before its end when no step has to be made', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    await place.build(whole, {}, { store: 'known' });
    const hears: string[] = [];
    const { made } = await place.build(
      whole,
      { cacheTo: [target(cache)] },
      {
        store: 'known',
        hear: (event) => {
          if (event.type === 'debug') hears.push(event.text);
        },
      },
    );
    expect(made).toEqual([]);
    expect(hears.filter((text) => text.includes('steps of this build'))).toEqual([]);
    expect((await place.build(whole, from(cache))).made).toEqual([]);
  });

  it('waits for others who write the same directory, and takes away what they left unfinished', async () => {
    await using place = await openPlace();
    const cache = place.scratch.path('cache');
    await place.build(whole, { cacheTo: [target(cache)] });
    const rest = join(cache, 'blobs/sha256', `${'a'.repeat(64)}.0123456789ab.tmp`);
    writeFileSync(rest, 'half');
    const lock = tryLockDirectory(cache);
    const build = place.build(whole.replace('/one', '/first'), { cacheTo: [target(cache)] });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await place.build(whole, from(cache))).made).toEqual([]); // readers do not wait
    lock?.[Symbol.dispose]();
    expect((await build).error).toBeUndefined();
    expect(existsSync(rest)).toBe(false);
  });
});

function mediaTypes(cache: string): string[] {
  const folder = join(cache, 'blobs/sha256');
  const documents = readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  const manifests = documents.flatMap((bytes) =>
    bytes[0] === 0x7b && bytes.includes('"layers"')
      ? [JSON.parse(bytes.toString()) as { layers: readonly { mediaType: string }[] }]
      : [],
  );
  return [...new Set(manifests.flatMap(({ layers }) => layers.map(({ mediaType }) => mediaType)))];
}
