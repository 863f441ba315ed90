/** A COPY of the same files on several platforms: one layer where that is the truth, several where it is not. */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { build } from '../../src/build/build.ts';
import type { BuildOptions } from '../../src/build/options.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { describeImage } from '../../src/store/image-details.ts';
import { openStore } from '../../src/store/store.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { buildOptions } from './build-options.ts';

/** The last layer of each platform, and how many snapshots there are. */
async function layersOf(
  text: string,
  options: Partial<BuildOptions> = {},
): Promise<{ layers: string[]; snapshots: number }> {
  await using scratch = await openScratch('joint');
  await using store = await openStore(scratch.path('store'));
  mkdirSync(scratch.path('context/tree/sub'), { recursive: true });
  for (const name of ['tree/a', 'tree/sub/b', 'amd64', 'arm64'])
    writeFileSync(scratch.path(`context/${name}`), `${name}\n`);
  chmodSync(scratch.path('context/amd64'), 0o644);
  const job = { store, report: () => undefined, signal: new AbortController().signal };
  const { root } = await build(job, {
    ...buildOptions(text),
    context: scratch.path('context'),
    platforms: ['linux/amd64', 'linux/arm64'].map((platform) => parsePlatform(platform)),
    ...options,
  });
  const platforms = describeImage(store.blobs, { name: undefined, root }).platforms;
  return {
    layers: platforms.map(({ manifest }) => manifest.layers.at(-1)?.digest ?? ''),
    snapshots: readdirSync(store.layout.snapshots).length,
  };
}

/** Other bases, as those of two platforms are. */
const BASE = 'FROM scratch AS base\nARG TARGETARCH\nCOPY amd64 /base/$TARGETARCH\nFROM base\n';

describeWithRoot('a COPY of the same files', () => {
  it.each([
    ['into a new directory', 'COPY tree /new/'],
    ['into a directory that WORKDIR made', 'WORKDIR /app\nCOPY tree .'],
    ['for somebody', 'COPY --chown=1:2 --chmod=700 tree/a /new'],
    ['of one stage', 'COPY --from=base /base /other\nCOPY tree /new/'],
  ])('%s is one layer, made once', async (_, text) => {
    const { layers } = await layersOf(BASE + text);
    expect(new Set(layers).size).toBe(1);
  });

  it('is kept once', async () => {
    const { snapshots } = await layersOf(`${BASE}COPY tree /new/`);
    expect(snapshots).toBe(3); // two bases, one copy
  });

  it.each([
    ['goes into a directory that differs', 'ARG TARGETARCH\nCOPY tree /base/$TARGETARCH.d/'],
    [
      'goes below a directory of another mode',
      'ARG TARGETARCH\nCOPY --chmod=700 tree /$TARGETARCH\nCOPY --from=base /base/$TARGETARCH /there/x\nCOPY tree /$TARGETARCH/deep/',
    ],
  ])('%s: not so', async (_, text) => {
    const { layers } = await layersOf(BASE + text, { sourceDateEpoch: 1_700_000_000 });
    expect(new Set(layers).size).toBe(2);
  });

  it('is the same whether it is made jointly or alone', async () => {
    const text = `${BASE}COPY tree /new/\nCOPY amd64 /base/$TARGETARCH.d/x\nCOPY --chmod=600 tree/sub /new/deep/`;
    const jointly = await layersOf(text, { sourceDateEpoch: 1_700_000_000 });
    const alone = await Promise.all(
      ['linux/amd64', 'linux/arm64'].map((platform) =>
        layersOf(text, { sourceDateEpoch: 1_700_000_000, platforms: [parsePlatform(platform)] }),
      ),
    );
    expect(jointly.layers).toEqual(alone.flatMap(({ layers }) => layers));
  });
});
