/** Indexes of which a place has some platforms only: the place says so, as long as it is true. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { parseIndex } from '../../src/oci/manifest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { copyImages } from '../../src/transfer/copy-images.ts';
import type { NamedImage } from '../../src/transfer/image-list.ts';
import { parsePlace } from '../../src/transfer/transports/places.ts';
import { storeTransport } from '../../src/transfer/transports/store.ts';
import type { Place } from '../../src/transfer/transports/transport.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { addImage, addIndex, MemoryContent } from './memory-content.ts';

const PLATFORMS = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
const content = new MemoryContent();
const root = addIndex(content, PLATFORMS);
const single = addImage(content, 'linux/riscv64');
let scratch: Scratch;
let store: Store;

beforeEach(async () => {
  scratch = await openScratch('absent');
  store = await openStore(scratch.path('store'));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const placeOf = (kind: string): Place => parsePlace(`${kind}:${scratch.path(kind)}`, storeTransport);
const contextOf = (warnings: string[] = []): Parameters<Place['open']>[0] => ({
  store,
  preferredPlatform: { os: 'linux', architecture: 'amd64' },
  report: (event) => {
    if (event.type === 'warning') warnings.push(event.text);
  },
});

/** Of the index only these. */
async function write(kind: string, platforms: readonly string[], image: Descriptor = root): Promise<void> {
  const wanted = new Set(platforms);
  const select = (children: readonly Descriptor[]): Descriptor[] =>
    children.filter(({ platform }) => wanted.has(`${platform?.os ?? ''}/${platform?.architecture ?? ''}`));
  const images: NamedImage[] = [{ references: ['docker.io/library/app:v1'], root: image }];
  await placeOf(kind).write({ content, images, select }, contextOf());
}

async function absentOf(kind: string): Promise<(string | undefined)[]> {
  await using source = await placeOf(kind).open(contextOf());
  return source.images.map(({ absent }) => absent);
}

describe.each(['oci', 'dir', 'oci-archive'])('a %s:', (kind) => {
  it('says which platforms of an index it was not given, and nothing where it has all', async () => {
    await write(kind, ['linux/arm64']);
    expect(await absentOf(kind)).toEqual(['linux/amd64,linux/s390x']);
    await write(kind, PLATFORMS);
    expect(await absentOf(kind)).toEqual([undefined]);
  });

  it('warns whoever copies from it, and where it goes is marked too', async () => {
    await write(kind, ['linux/arm64', 'linux/s390x']);
    const warnings: string[] = [];
    const to = parsePlace(`oci:${scratch.path('next')}`, storeTransport);
    await copyImages({ from: placeOf(kind), to }, {}, contextOf(warnings));
    expect(warnings).toEqual([expect.stringMatching(/ is here in part, without linux\/amd64$/)]);
    await using source = await to.open(contextOf());
    expect(source.images).toMatchObject([{ absent: 'linux/amd64' }]);
  });

  it('says nothing to whoever wants what is there', async () => {
    await write(kind, ['linux/arm64']);
    const warnings: string[] = [];
    const to = parsePlace(`dir:${scratch.path('next')}`, storeTransport);
    const platforms = [{ os: 'linux', architecture: 'arm64' }];
    await copyImages({ from: placeOf(kind), to }, { platforms }, contextOf(warnings));
    expect(warnings).toEqual([]);
    expect(existsSync(join(scratch.path('next'), 'arch-build-absent'))).toBe(false);
  });
});

describe('the mark', () => {
  it('goes when a second copy brings the rest', async () => {
    for (const kind of ['oci', 'dir']) {
      await write(kind, ['linux/arm64']);
      await write(kind, ['linux/amd64', 'linux/s390x']);
      expect(await absentOf(kind)).toEqual([undefined]);
    }
  });

  it('of one image of a layout stays when another comes', async () => {
    await write('oci', ['linux/arm64']);
    const other: NamedImage = { references: ['docker.io/library/other:v1'], root: single };
    await placeOf('oci').write({ content, images: [other] }, contextOf());
    expect(await absentOf('oci')).toEqual(['linux/amd64,linux/s390x', undefined]);
    const index = parseIndex(readFileSync(join(scratch.path('oci'), 'index.json')));
    expect(index.manifests.map(({ digest }) => digest)).toEqual([root.digest, single.digest]);
  });

  it('of a directory means the index it was written for only', async () => {
    await write('dir', ['linux/arm64']);
    await write('dir', [], single);
    expect(await absentOf('dir')).toEqual([undefined]);
    writeFileSync(join(scratch.path('dir'), 'arch-build-absent'), `${root.digest} linux/amd64\n`);
    expect(await absentOf('dir')).toEqual([undefined]);
  });

  it('that is wrong by now is not repeated', async () => {
    await write('dir', PLATFORMS);
    writeFileSync(join(scratch.path('dir'), 'arch-build-absent'), `${root.digest} linux/amd64\n`);
    const warnings: string[] = [];
    const to = parsePlace(`oci:${scratch.path('next')}`, storeTransport);
    await copyImages({ from: placeOf('dir'), to }, {}, contextOf(warnings));
    expect(warnings).toEqual([]);
  });
});
