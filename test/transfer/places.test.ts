/** Words of the command line as places, and names as images of a layout or an archive. */
import { describe, expect, it } from 'vitest';
import { chosenImages, findImage, onlyImage, renamed, splitPath } from '../../src/transfer/image-choice.ts';
import { namedImages, indexEntries, type NamedImage } from '../../src/transfer/image-list.ts';
import { parsePlace, TRANSPORTS } from '../../src/transfer/transports/places.ts';
import { storeTransport } from '../../src/transfer/transports/store.ts';
import { namesTransport } from '../../src/transfer/transports/words.ts';
import { addImage, MemoryContent } from './memory-content.ts';

const content = new MemoryContent();
const [one, two] = [addImage(content, 'linux/amd64'), addImage(content, 'linux/arm64')];
const IMAGES: NamedImage[] = [
  { references: ['docker.io/library/app:v1', 'registry.test:5000/app:v2'], root: one },
  { references: [], tags: ['edge', 'latest'], root: two },
];

describe('a place', () => {
  it.each(TRANSPORTS.map(({ prefix, syntax }) => [prefix, syntax]))(
    'of %s is known by the word in front',
    (prefix) => {
      const text = `${prefix}name`;
      expect(namesTransport(text)).toBe(true);
      expect(parsePlace(text, storeTransport).text).toBe(text);
    },
  );

  it.each(['app', 'app:1', 'localhost:5000/app:1', 'oci', 'dir/x:1', 'docker-archive/x'])(
    '%s has none',
    (text) => expect(namesTransport(text)).toBe(false),
  );

  it.each(['docker-daemon:app', 'containers-storage:app', 'http://x/y'])(
    '%s is refused, with what there is',
    (text) => {
      const refused = (): unknown => parsePlace(text, storeTransport);
      expect(refused).toThrow(
        expect.objectContaining({ code: 'USAGE', hint: expect.stringContaining('oci:DIR') as string }),
      );
    },
  );

  it('of a registry names the host, and keeps its layers as they are under a digest', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const place = parsePlace(`docker://localhost:5000/x@${digest}`, storeTransport);
    expect([place.registry, place.traits]).toEqual(['localhost:5000', { complete: true }]);
    expect(parsePlace('docker://x', storeTransport).traits).toEqual({ complete: true, packs: 'gzip' });
  });
});

describe('splitPath', () => {
  it.each([
    ['dir', 'dir', undefined],
    ['/a/b:v1', '/a/b', 'v1'],
    ['x.tar:docker.io/library/app:v1', 'x.tar', 'docker.io/library/app:v1'],
    [`x:@sha256:${'0'.repeat(64)}`, 'x', `@sha256:${'0'.repeat(64)}`],
    [`x@sha256:${'0'.repeat(64)}`, 'x', `@sha256:${'0'.repeat(64)}`],
    ['x:@1', 'x', '@1'],
  ])('of %s is %s and %s', (rest, path, name) => expect(splitPath(rest, rest)).toEqual({ path, name }));

  it('refuses no path', () => expect(() => splitPath(':v1', 'oci::v1')).toThrow('oci::v1 names no path'));
});

describe('an image of several', () => {
  it.each([
    ['v1', one],
    ['app:v1', one],
    ['docker.io/library/app:v1', one],
    ['registry.test:5000/app:v2', one],
    ['edge', two],
    ['@0', one],
    ['@1', two],
    [`@${two.digest}`, two],
  ])('is meant by %s', (name, root) =>
    expect(chosenImages(IMAGES, { name, text: name })).toMatchObject([{ root }]),
  );

  it('is latest without a name, and all are chosen', () => {
    expect(findImage(IMAGES, {})?.root).toEqual(two);
    expect(chosenImages(IMAGES, { name: undefined, text: 'x' })).toHaveLength(2);
  });

  it('that is not there is told with those that are', () => {
    const choose = (): unknown => chosenImages(IMAGES, { name: 'v3', text: 'oci:x:v3' });
    expect(choose).toThrow(
      expect.objectContaining({
        code: 'IMAGE_NOT_FOUND',
        hint: 'there are docker.io/library/app:v1, registry.test:5000/app:v2, edge, latest',
      }),
    );
  });

  it('is no single one', () => {
    expect(() => onlyImage(IMAGES, 'dir:x')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => renamed(IMAGES, { name: 'v1', text: 'oci:x:v1' })).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

describe('the names in an index.json', () => {
  it('come back as they were, words of other tools included', () => {
    expect(namedImages(indexEntries(IMAGES))).toEqual(IMAGES);
    const theirs = {
      references: ['docker.io/library/app:v1'],
      tags: ['docker.io/library/app:v1'],
      root: one,
    };
    expect(indexEntries([theirs])).toHaveLength(1);
    expect(namedImages(indexEntries([theirs]))).toEqual([theirs]);
  });
});
