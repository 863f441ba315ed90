/** What a build would ask the network for, found by reading, and what `--offline` says about it. */
import { expect, it } from 'vitest';
import { BaseImages } from '../../src/build/base-images.ts';
import { checkOffline } from '../../src/build/offline.ts';
import type { NamedContexts } from '../../src/build/options.ts';
import { findOutsideNeeds, type NeedsSource } from '../../src/build/outside-needs.ts';
import { ArchBuildError } from '../../src/errors.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';
import { formatPlatform, parsePlatform } from '../../src/oci/platform.ts';
import { openStore } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';

interface Given {
  readonly target?: string;
  readonly buildArgs?: Record<string, string>;
  readonly buildContexts?: NamedContexts;
  readonly platforms?: readonly string[];
}

function sourceOf(
  text: string,
  { target, buildArgs = {}, buildContexts = new Map(), platforms = ['linux/arm64'] }: Given = {},
): NeedsSource {
  return {
    kubefile: parseKubefile(text, { file: 'Dockerfile', dialect: 'dockerfile' }),
    options: { target, buildArgs, buildContexts, platforms: platforms.map((each) => parsePlatform(each)) },
    hostPlatform: parsePlatform('linux/amd64'),
  };
}

const imagesOf = (text: string, given: Given = {}): string[] =>
  findOutsideNeeds(sourceOf(text, given)).images.map(
    ({ name, platform, by, location }) => `${name} ${formatPlatform(platform)} ${by} ${location.line}`,
  );

const TEXT = `ARG BASE=base:1
FROM --platform=$BUILDPLATFORM tools:2 AS tools
RUN --network=host true
FROM $BASE AS middle
ARG VERSION=3
ENV NAME=extra:$VERSION
COPY --from=$NAME /a /a
COPY --from=tools /b /b
FROM middle
COPY --from=registry.test/more@sha256:${'0'.repeat(64)} /c /c
ARG TARGETARCH
ADD https://files.test/$TARGETARCH.tar local /e/
FROM unused AS unused
FROM scratch AS nothing
`;

it('is every image of the needed stages, on its own platform, at its first place', () => {
  expect(imagesOf(TEXT, { target: '2' })).toEqual([
    'docker.io/library/tools:2 linux/amd64 FROM 2',
    'docker.io/library/base:1 linux/arm64 FROM 4',
    'docker.io/library/extra:3 linux/arm64 COPY --from 7',
    `registry.test/more@sha256:${'0'.repeat(64)} linux/arm64 COPY --from 10`,
  ]);
  expect(imagesOf(TEXT)).toEqual([]);
  expect(imagesOf(TEXT, { target: 'middle', buildArgs: { BASE: 'mine', VERSION: '4' } })).toEqual([
    'docker.io/library/tools:2 linux/amd64 FROM 2',
    'docker.io/library/mine:latest linux/arm64 FROM 4',
    'docker.io/library/extra:4 linux/arm64 COPY --from 7',
  ]);
});

it('knows what an earlier stage has set', () => {
  const text = `FROM a AS one
ARG VERSION=3
ENV HOST=files.test
FROM one AS two
FROM two
COPY --from=extra:$VERSION /a /a
ADD https://$HOST/$VERSION.tar /e/
`;
  expect(imagesOf(text)).toContain('docker.io/library/extra:3 linux/arm64 COPY --from 6');
  expect(findOutsideNeeds(sourceOf(text)).urls.map(({ url }) => url)).toEqual(['https://files.test/3.tar']);
});

it('leaves out what only the base image can say', () => {
  expect(imagesOf('FROM a\nCOPY --from=$SET_BY_THE_BASE /d /d\n')).toEqual([
    'docker.io/library/a:latest linux/arm64 FROM 1',
  ]);
});

it('has each image once for each platform', () => {
  expect(
    imagesOf('FROM a AS x\nFROM a\nCOPY --from=x / /\n', { platforms: ['linux/arm64', 'linux/s390x'] }),
  ).toEqual([
    'docker.io/library/a:latest linux/arm64 FROM 1',
    'docker.io/library/a:latest linux/s390x FROM 1',
  ]);
});

it('names URLs and steps that want the network of the host', () => {
  const { urls, hostNetwork } = findOutsideNeeds(sourceOf(TEXT, { target: '2' }));
  expect(urls.map(({ url, location }) => [url, location.line])).toEqual([
    ['https://files.test/arm64.tar', 12],
  ]);
  expect(hostNetwork.map(({ line }) => line)).toEqual([3]);
});

it('is refused all at once when offline, but for what the store has', async () => {
  await using scratch = await openScratch('offline');
  await using store = await openStore(scratch.path('store'));
  const job = { store, report: () => undefined, signal: new AbortController().signal };
  const bases = new BaseImages(job, { pull: 'missing', insecure: [], offline: true });
  const source = sourceOf(TEXT, { target: '2' });
  const check = (network: 'host' | 'none') => (): void =>
    checkOffline({ ...source, options: { ...source.options, network } }, bases);
  const refusal = (network: 'host' | 'none'): ArchBuildError => {
    try {
      check(network)();
    } catch (error) {
      if (error instanceof ArchBuildError) return error;
      throw error;
    }
    throw new Error('was not refused');
  };
  expect(refusal('none')).toMatchObject({
    code: 'OFFLINE',
    hint: expect.stringContaining('arch-build kit') as string,
  });
  expect(refusal('none').items).toEqual([
    'image docker.io/library/tools:2 for linux/amd64 (FROM, Dockerfile:2:1)',
    'image docker.io/library/base:1 for linux/arm64 (FROM, Dockerfile:4:1)',
    'image docker.io/library/extra:3 for linux/arm64 (COPY --from, Dockerfile:7:1)',
    `image registry.test/more@sha256:${'0'.repeat(64)} for linux/arm64 (COPY --from, Dockerfile:10:1)`,
    'https://files.test/arm64.tar (ADD, Dockerfile:12:1)',
    'the network of the host (RUN --network=host, Dockerfile:3:1)',
  ]);
  expect(refusal('host').items).toHaveLength(5);
  await expect(bases.get('base:1', parsePlatform('linux/arm64'))).rejects.toMatchObject({ code: 'OFFLINE' });
});
