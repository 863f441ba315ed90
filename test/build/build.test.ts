/** Whole builds that need neither a mount nor an emulator: FROM scratch, config instructions, COPY and WORKDIR. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { build, type BuildResult } from '../../src/build/build.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import type { BuildEvent } from '../../src/events.ts';
import { chainIdsOf } from '../../src/oci/digest.ts';
import type { ImageConfig } from '../../src/oci/image-config.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeImage, type PlatformImage } from '../../src/store/image-details.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { DEFAULT_OPTIONS } from './build-options.ts';

interface Workshop extends AsyncDisposable {
  readonly store: Store;
  readonly context: string;
  readonly events: BuildEvent[];
  build(text: string, options?: Partial<BuildOptions>): Promise<BuildResult>;
  images(result: BuildResult): readonly PlatformImage[];
  config(result: BuildResult): ImageConfig;
}

async function openWorkshop(): Promise<Workshop> {
  const scratch = await openScratch('build');
  const store = await openStore(scratch.path('store'));
  const context = scratch.path('context');
  mkdirSync(context);
  await scratch.write('context/file', 'content\n');
  const events: BuildEvent[] = [];
  const job = {
    store,
    report: (event: BuildEvent) => void events.push(event),
    signal: new AbortController().signal,
  };
  const images: Workshop['images'] = ({ root }) =>
    describeImage(store.blobs, { name: undefined, root }).platforms;
  return {
    store,
    context,
    events,
    build: (text, options = {}) =>
      build(job, { ...DEFAULT_OPTIONS, context, file: { path: 'Dockerfile', text }, ...options }),
    images,
    config: (result) => images(result)[0]!.config,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await scratch[Symbol.asyncDispose]();
    },
  };
}

const ALL = `FROM scratch
MAINTAINER me
ARG A=1
ENV B=2
LABEL c=3
WORKDIR /w
COPY file .
ADD file /added
EXPOSE 80
VOLUME /v
USER 1
SHELL ["/s", "-c"]
STOPSIGNAL 9
HEALTHCHECK NONE
ONBUILD ENV child=yes
ENTRYPOINT ["e"]
CMD ["c"]
WORKDIR /
`;

const historyOf = ({ history = [] }: ImageConfig): [string | undefined, boolean][] =>
  history.map(({ created_by, empty_layer }) => [created_by, empty_layer === true]);

describeWithRoot('the history of an image', () => {
  it('has an entry for every instruction but FROM and ONBUILD, and a layer for what changed files', async () => {
    await using shop = await openWorkshop();
    const config = shop.config(await shop.build(ALL));
    expect(historyOf(config)).toEqual([
      ['MAINTAINER me', true],
      ['ARG A=1', true],
      ['ENV B=2', true],
      ['LABEL c=3', true],
      ['WORKDIR /w', false],
      ['COPY file .', false],
      ['ADD file /added', false],
      ['EXPOSE 80', true],
      ['VOLUME ["/v"]', true],
      ['USER 1', true],
      ['SHELL ["/s","-c"]', true],
      ['STOPSIGNAL 9', true],
      ['HEALTHCHECK NONE', true],
      ['ENTRYPOINT ["e"]', true],
      ['CMD ["c"]', true],
      ['WORKDIR /', true],
    ]);
    expect(new Set(config.history?.map(({ comment }) => comment))).toEqual(new Set(['arch-build']));
  });

  it('has as many layers as the config has diffIDs and the manifest has layers, in the same order', async () => {
    await using shop = await openWorkshop();
    const result = await shop.build(ALL);
    const [{ config, manifest }] = shop.images(result) as [PlatformImage];
    const layered = config.history?.filter(({ empty_layer }) => empty_layer !== true);
    expect(layered).toHaveLength(3);
    expect(manifest.layers.map(({ digest }) => String(digest))).toEqual(config.rootfs.diff_ids);
    for (const chainId of chainIdsOf(config.rootfs.diff_ids))
      expect(shop.store.snapshots.has(chainId)).toBe(true);
  });

  it('carries the time it is told to', async () => {
    await using shop = await openWorkshop();
    const config = shop.config(await shop.build(ALL, { sourceDateEpoch: 86_400 }));
    const times = [config.created, ...(config.history ?? []).map(({ created }) => created)];
    expect(new Set(times)).toEqual(new Set(['1970-01-02T00:00:00.000Z']));
  });
});

describeWithRoot('a build', () => {
  it('gives the same digest again from the cache, and without it under a fixed time', async () => {
    await using shop = await openWorkshop();
    const first = await shop.build(ALL, { sourceDateEpoch: 0 });
    const cached = await shop.build(ALL, { sourceDateEpoch: 0 });
    const again = await shop.build(ALL, { sourceDateEpoch: 0, noCache: true });
    expect([cached.root.digest, again.root.digest]).toEqual([first.root.digest, first.root.digest]);
    expect(shop.events.filter(({ type }) => type === 'step-cached').length).toBeGreaterThan(10);
  });

  it('takes the time of a cached image from when it was made', async () => {
    await using shop = await openWorkshop();
    const first = await shop.build(ALL);
    expect((await shop.build(ALL)).root.digest).toBe(first.root.digest);
  });

  it('does not run a COPY again because an unused ARG, a label or a CMD changed', async () => {
    await using shop = await openWorkshop();
    await shop.build('FROM scratch\nLABEL a=1\nCMD ["x"]\nCOPY file /f');
    shop.events.length = 0;
    await shop.build('FROM scratch\nLABEL a=2\nCMD ["y"]\nCOPY file /f');
    const cached = shop.events.flatMap((event) => (event.type === 'step-cached' ? [event.text] : []));
    expect(cached).toEqual(['COPY file /f']);
  });

  it('makes one layer of a COPY --link for all platforms and bases', async () => {
    await using shop = await openWorkshop();
    const platforms = ['linux/amd64', 'linux/arm64'].map((text) => parsePlatform(text));
    const text = (base: string): string =>
      `FROM scratch AS base\nARG TARGETARCH\nCOPY file /${base}-$TARGETARCH\nFROM base\nCOPY --link file /a/b\nWORKDIR /w`;
    const diffIds = (result: BuildResult): (string | undefined)[] =>
      shop.images(result).map(({ config }) => config.rootfs.diff_ids[1]);
    const [first, second] = diffIds(await shop.build(text('one'), { platforms }));
    expect(first).toBe(second);
    shop.events.length = 0;
    const changed = await shop.build(text('two'), { platforms });
    expect(diffIds(changed)).toEqual([first, first]);
    const cached = shop.events.flatMap((event) => (event.type === 'step-cached' ? [event.text] : []));
    expect(cached.filter((step) => step.startsWith('COPY'))).toEqual(Array(2).fill('COPY --link file /a/b'));
    const [{ config }] = shop.images(changed) as [PlatformImage];
    const chain = chainIdsOf(config.rootfs.diff_ids);
    expect(readdirSync(shop.store.layout.snapshotTree(chain[1]!), { recursive: true })).toEqual(['a', 'a/b']);
    expect(shop.store.snapshots.get(chain[1]!).parent).toBe(chain[0]);
  });

  it('describes the platform it is for, and several in an index', async () => {
    await using shop = await openWorkshop();
    const platforms = ['linux/amd64', 'linux/arm/v7', 'linux/arm64'].map((text) => parsePlatform(text));
    const result = await shop.build('FROM scratch\nARG TARGETVARIANT\nENV V=$TARGETVARIANT\nCOPY file /f', {
      platforms,
    });
    expect(result.root.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    const images = shop.images(result);
    expect(images.map(({ platform }) => platform)).toEqual(platforms);
    expect(images.map(({ config }) => config.config?.Env?.at(-1))).toEqual(['V=', 'V=v7', 'V=']);
    expect(images.map(({ config }) => [config.os, config.architecture, config.variant])).toEqual([
      ['linux', 'amd64', undefined],
      ['linux', 'arm', 'v7'],
      ['linux', 'arm64', undefined],
    ]);
  });

  it('builds for the target with a stage for another platform in between', async () => {
    await using shop = await openWorkshop();
    const text = [
      'FROM --platform=$BUILDPLATFORM scratch AS tools',
      'ARG TARGETARCH',
      'ENV T=$TARGETARCH',
      'COPY file /$TARGETARCH',
      'FROM scratch',
      'COPY --from=tools / /',
    ].join('\n');
    const result = await shop.build(text, { platforms: [parsePlatform('linux/riscv64')] });
    const [{ config }] = shop.images(result) as [PlatformImage];
    expect(config.architecture).toBe('riscv64');
    const tree = shop.store.layout.snapshotTree(chainIdsOf(config.rootfs.diff_ids).at(-1)!);
    expect(readdirSync(tree)).toEqual(['riscv64']);
  });

  it('warns of a --build-arg nobody declared, and only of that', async () => {
    await using shop = await openWorkshop();
    const buildArgs = { A: '1', G: '2', NOBODY: '3', HTTP_PROXY: 'p', no_proxy: 'q' };
    await shop.build('ARG G\nFROM scratch\nARG A\nENV x=$A', { buildArgs });
    const warnings = shop.events.flatMap((event) => (event.type === 'warning' ? [event.text] : []));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('NOBODY');
  });

  it('notes for --debug which ARGs have no value, and whose base each stage has', async () => {
    await using shop = await openWorkshop();
    const file =
      'ARG BASE=scratch\nFROM ${BASE} AS a\nARG X\nARG Y=1\nENV Z=1\nARG Z\nFROM --platform=linux/s390x a';
    await shop.build(file, { platforms: [parsePlatform('linux/arm64')] });
    const texts = (type: BuildEvent['type']): string[] =>
      shop.events.flatMap((event) => (event.type === type && 'text' in event ? [event.text] : []));
    expect(texts('debug').filter((text) => text.startsWith('ARG '))).toEqual([
      'ARG X has no value: --build-arg X=VALUE would give it one',
    ]);
    expect(texts('stage-started')).toEqual(['FROM scratch', 'FROM --platform=linux/s390x a']);
  });

  it('builds stages that nothing needs only when asked to', async () => {
    await using shop = await openWorkshop();
    const file = 'FROM scratch\nENV A=1\nFROM scratch AS t\nENV B=1\nFROM scratch\nENV C=1';
    const made = async (options: Partial<BuildOptions>): Promise<string[]> => {
      const before = shop.events.length;
      await shop.build(file, options);
      return shop.events
        .slice(before)
        .flatMap((event) =>
          /^step-(?:started|cached)$/.test(event.type) && 'text' in event ? [event.text] : [],
        )
        .sort();
    };
    expect(await made({ target: 't' })).toEqual(['ENV B=1']);
    expect(await made({ target: 't', allStages: true })).toEqual(['ENV A=1', 'ENV B=1']);
    expect(await made({ allStages: true })).toEqual(['ENV A=1', 'ENV B=1', 'ENV C=1']);
  });

  it('leaves a record that names arguments without their values', async () => {
    await using shop = await openWorkshop();
    const { record, root } = await shop.build('FROM scratch\nARG SECRET', {
      buildArgs: { SECRET: 'hunter2' },
      tags: ['docker.io/library/x:1'],
    });
    const text = readFileSync(join(shop.store.layout.builds, record), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      digest: root.digest,
      buildArgs: ['SECRET'],
      emulation: { rung: 'native' },
    });
    expect(text).not.toContain('hunter2');
  });

  it('hands its ONBUILD triggers to the child, in order, and not on to the grandchild', async () => {
    await using shop = await openWorkshop();
    const tags = ['docker.io/library/base:latest'];
    await shop.build('FROM scratch\nONBUILD ENV A=1\nONBUILD ENV B=${A}2\nCMD ["base"]', { tags });
    const child = shop.config(
      await shop.build('FROM base\nENV C=$B', { tags: ['docker.io/library/child:latest'] }),
    );
    expect(child.config?.Env?.slice(1)).toEqual(['A=1', 'B=12', 'C=12']);
    expect(child.config).not.toHaveProperty('OnBuild');
    expect(historyOf(child).map(([text]) => text)).toEqual([
      'CMD ["base"]',
      'ENV A=1',
      'ENV B=12',
      'ENV C=12',
    ]);
    const grandchild = shop.config(await shop.build('FROM child\nENV D=$A'));
    expect(grandchild.config?.Env?.slice(1)).toEqual(['A=1', 'B=12', 'C=12', 'D=1']);
  });

  it('tags nothing when it fails', async () => {
    await using shop = await openWorkshop();
    const tags = ['docker.io/library/broken:latest'];
    const platforms = [parsePlatform('linux/amd64'), parsePlatform('linux/arm64')];
    await expect(
      shop.build('FROM scratch\nARG TARGETARCH\nCOPY file /f\nCOPY file$TARGETARCH /g', {
        tags,
        platforms,
      }),
    ).rejects.toMatchObject({ code: 'COPY', location: { line: 4 } });
    expect(shop.store.images.list()).toEqual([]);
  });

  it('ends between two steps when it is interrupted', async () => {
    await using shop = await openWorkshop();
    const controller = new AbortController();
    const report = (event: BuildEvent): void => {
      if (event.type === 'step-started') controller.abort(new Error('stop'));
    };
    const options = {
      ...DEFAULT_OPTIONS,
      context: shop.context,
      file: { path: 'Dockerfile', text: ALL },
      tags: ['x'],
    };
    await expect(build({ store: shop.store, report, signal: controller.signal }, options)).rejects.toThrow();
    expect(shop.store.images.list()).toEqual([]);
  });
});

describe('an unknown target', () => {
  it('is refused before anything is fetched', async () => {
    await using shop = await openWorkshop();
    await expect(
      shop.build('FROM none.invalid/x AS a', { target: 'b', pull: 'always' }),
    ).rejects.toMatchObject({
      code: 'STAGE_UNKNOWN',
    });
  });
});

const LAYERS = 'FROM scratch\nCOPY file /a\nCOPY file /b\nENV X=1\n';

describeWithRoot('an image that says less of itself', () => {
  it('has one layer with the same tree, and says so', async () => {
    await using shop = await openWorkshop();
    const plain = shop.config(await shop.build(LAYERS));
    const result = await shop.build(LAYERS, { squash: true });
    const config = shop.config(result);
    expect(plain.rootfs.diff_ids).toHaveLength(2);
    expect(config.rootfs.diff_ids).toHaveLength(1);
    expect(config.config).toEqual(plain.config);
    expect(historyOf(config)).toEqual([
      ...historyOf(plain).map(([by]) => [by, true]),
      ['squashing 2 layers', false],
    ]);
    const tree = shop.store.snapshots.trees(chainIdsOf(config.rootfs.diff_ids))[0] ?? '';
    expect(readdirSync(tree)).toEqual(['a', 'b']);
    expect((await shop.build(LAYERS, { squash: true })).root.digest).toBe(result.root.digest);
  });

  it('keeps a layer that is alone', async () => {
    await using shop = await openWorkshop();
    const text = 'FROM scratch\nCOPY file /a\n';
    expect((await shop.build(text, { squash: true })).root).toEqual((await shop.build(text)).root);
  });

  it('has no history when it is not wanted', async () => {
    await using shop = await openWorkshop();
    const config = shop.config(await shop.build(LAYERS, { omitHistory: true }));
    expect(config).not.toHaveProperty('history');
    expect(config.rootfs.diff_ids).toHaveLength(2);
  });
});

describeWithRoot('an image on one that is known by its digest alone', () => {
  it('says the digest of its base, and no name', async () => {
    await using shop = await openWorkshop();
    const { root } = await shop.build(LAYERS);
    const [image] = shop.images(await shop.build(`FROM ${root.digest}\nENV Y=1\n`));
    expect(image?.manifest.annotations).toEqual({ 'org.opencontainers.image.base.digest': root.digest });
  });
});

describeWithRoot('the age of what the cache has', () => {
  it('decides whether a step is made again', async () => {
    await using shop = await openWorkshop();
    const cached = async (options: Partial<BuildOptions>): Promise<number> => {
      shop.events.length = 0;
      await shop.build('FROM scratch\nCOPY file /a\n', { sourceDateEpoch: 1e9, ...options });
      return shop.events.filter(({ type }) => type === 'step-cached').length;
    };
    expect(await cached({})).toBe(0);
    expect(await cached({})).toBe(1);
    expect(await cached({ cacheTtl: 60_000 })).toBe(0);
    expect(await cached({ cacheTtl: Date.now() })).toBe(1);
  });
});
