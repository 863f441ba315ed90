/** Names of images: index.json under concurrent change, and finding by name and digest. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch } from '../support/scratch.ts';

const root = (beginning: string): Descriptor => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${beginning.padEnd(64, '0')}` as Digest,
  size: 2,
});
const hub = (name: string): string => `docker.io/library/${name}`;
const namesIn = (store: Store): string[] =>
  store.images.list().map(({ name, root: { digest } }) => `${name ?? '-'} ${digest.slice(7, 11)}`);

async function withStore(use: (store: Store) => Promise<void>): Promise<void> {
  await using scratch = await openScratch('images');
  await using store = await openStore(scratch.path('store'));
  await use(store);
}

describe('a name', () => {
  it('stands for one image, the last it was given to; an image without one stays', async () => {
    await withStore(async (store) => {
      expect(store.images.list()).toEqual([]);
      await store.images.put(root('aaaa'), [hub('x:1'), hub('x:2')]);
      await store.images.put(root('bbbb'), [hub('x:1')]);
      expect(namesIn(store)).toEqual([`${hub('x:2')} aaaa`, `${hub('x:1')} bbbb`]);
      await store.images.put(root('bbbb'), [hub('x:2')]);
      expect(namesIn(store)).toEqual([`${hub('x:1')} bbbb`, '- aaaa', `${hub('x:2')} bbbb`]);
      await store.images.put(root('aaaa'), [hub('y:1')]);
      expect(namesIn(store).filter((line) => line.includes('aaaa'))).toEqual([`${hub('y:1')} aaaa`]);
    });
  });

  it('that is taken from another image is told, with that image', async () => {
    await withStore(async (store) => {
      await store.images.put(root('aaaa'), [hub('x:1'), hub('x:2')]);
      expect(await store.images.put(root('aaaa'), [hub('x:1'), hub('y:1')])).toEqual([]);
      expect(await store.images.put(root('bbbb'), [hub('x:1'), hub('new:1')])).toEqual([
        { name: hub('x:1'), root: root('aaaa') },
      ]);
      expect(await store.images.put(root('bbbb'), [])).toEqual([]);
    });
  });

  it('is taken once, however often it is given', async () => {
    await withStore(async (store) => {
      await store.images.put(root('aaaa'), [hub('x:1'), hub('x:1')]);
      await store.images.put(root('aaaa'), [hub('x:1')]);
      expect(namesIn(store)).toEqual([`${hub('x:1')} aaaa`]);
    });
  });

  it('is not needed, and an image that has one keeps it', async () => {
    await withStore(async (store) => {
      await store.images.put(root('aaaa'), []);
      await store.images.put(root('aaaa'), []);
      expect(namesIn(store)).toEqual(['- aaaa']);
      await store.images.put(root('aaaa'), [hub('x:1')]);
      await store.images.put(root('aaaa'), []);
      expect(namesIn(store)).toEqual([`${hub('x:1')} aaaa`]);
    });
  });

  it('can be removed, and the removed ones are told', async () => {
    await withStore(async (store) => {
      await store.images.put(root('aaaa'), [hub('x:1'), hub('x:2')]);
      const removed = await store.images.remove(({ name }) => name === hub('x:1'));
      expect(removed.map(({ name }) => name)).toEqual([hub('x:1')]);
      expect(namesIn(store)).toEqual([`${hub('x:2')} aaaa`]);
    });
  });

  it('is written as an OCI layout writes it, and other annotations survive', async () => {
    await withStore(async (store) => {
      await store.images.put({ ...root('aaaa'), annotations: { k: 'v' } }, [hub('x:1')]);
      const index = JSON.parse(readFileSync(store.layout.index, 'utf8')) as object;
      expect(index).toMatchObject({
        schemaVersion: 2,
        manifests: [{ annotations: { k: 'v', 'org.opencontainers.image.ref.name': hub('x:1') } }],
      });
      expect(store.images.list()[0]?.root.annotations).toEqual({ k: 'v' });
    });
  });

  it('is never half written: a damaged list is told as such', async () => {
    await withStore(async (store) => {
      writeFileSync(store.layout.index, '{"schemaVersion":2,"manif');
      expect(() => store.images.list()).toThrow(
        expect.objectContaining({ code: 'DOCUMENT_INVALID' }) as Error,
      );
      await expect(store.images.put(root('aaaa'), [])).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
    });
  });
});

describe('finding an image', () => {
  const cafe = root('cafe1');
  const deca = root('deca1');
  const decb = root('deca2');
  it.each<[string, Descriptor | undefined]>([
    ['x', cafe],
    ['x:latest', cafe],
    ['docker.io/library/x:latest', cafe],
    ['x:2', undefined],
    [cafe.digest, cafe],
    [`x@${cafe.digest}`, cafe],
    [`other@${cafe.digest}`, cafe],
    [`x@${root('1111').digest}`, undefined],
    ['cafe', cafe],
    ['sha256:cafe', cafe],
    ['cafe1', cafe],
    ['cafe2', undefined],
    [cafe.digest.slice(7), cafe],
    ['deca1', deca],
    ['caf', undefined],
    ['beef', decb],
    ['CAFE:1', undefined],
  ])('by %s', async (text, expected) => {
    await withStore(async (store) => {
      await store.images.put(cafe, [hub('x:latest')]);
      await store.images.put(deca, []);
      await store.images.put(decb, [hub('beef:latest')]);
      await store.images.put(root('beef0'), [hub('y:1')]);
      const find = (): Descriptor | undefined => store.images.find(text)?.root;
      if (text === 'CAFE:1')
        expect(find).toThrow(expect.objectContaining({ code: 'REFERENCE_INVALID' }) as Error);
      else expect(find()).toEqual(expected);
      await Promise.resolve();
    });
  });

  it('by digits that several begin with is an error, by digits of one image with two names is none', async () => {
    await withStore(async (store) => {
      await store.images.put(deca, []);
      await store.images.put(decb, []);
      await store.images.put(cafe, [hub('x:1'), hub('x:2')]);
      expect(() => store.images.find('deca')).toThrow(
        expect.objectContaining({ code: 'IMAGE_NOT_FOUND' }) as Error,
      );
      expect(store.images.find('cafe')?.root).toEqual(cafe);
      expect(() => store.images.get('nothing')).toThrow(
        expect.objectContaining({ code: 'IMAGE_NOT_FOUND' }) as Error,
      );
    });
  });
});

describe('several processes', () => {
  it('change the list at once and lose no name', async () => {
    await using scratch = await openScratch('images');
    using program = await buildProgram(`
      import { openStore } from './store/store.ts';
      const [directory, id] = process.argv.slice(2);
      await using store = await openStore(directory!);
      console.log('ready');
      for (let index = 0; index < 25; index += 1) {
        const digest = 'sha256:' + (id! + index).padStart(64, 'f');
        await store.images.put({ mediaType: 'm/t', digest, size: 1 } as never, ['docker.io/library/' + id + ':' + index]);
      }
    `);
    const ids = ['a', 'b', 'c', 'd'];
    const children = ids.map((id) => program.start([scratch.path('store'), id]));
    let reads = 0;
    await using store = await openStore(scratch.path('store'));
    const ended = Promise.all(children.map((child) => child.end()));
    const state = { running: true };
    void ended.then(() => (state.running = false));
    while (state.running) {
      store.images.list(); // never half of a list
      reads += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await ended).toEqual([0, 0, 0, 0]);
    expect(reads).toBeGreaterThan(5);
    const names = store.images.list().map(({ name }) => name);
    const expected = ids.flatMap((id) => Array.from({ length: 25 }, (_, index) => hub(`${id}:${index}`)));
    expect(new Set(names)).toEqual(new Set(expected));
    expect(names).toHaveLength(100);
  }, 60_000);
});
