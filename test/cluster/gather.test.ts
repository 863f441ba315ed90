/** What images become in a registry's storage, what a lock says, and how sources are asked. */
import { describe, expect, it, vi } from 'vitest';
import { ArchBuildError } from '../../src/errors.ts';
import type { ImageSource } from '../../src/cluster/gather/image-source.ts';
import { formatImageLock, parseImageLock } from '../../src/cluster/gather/lock-file.ts';
import { refuseCollisions, registryFiles, repositoryOf } from '../../src/cluster/gather/registry-files.ts';
import { resolveImage } from '../../src/cluster/gather/resolve-images.ts';
import { ImageSources } from '../../src/cluster/gather/image-sources.ts';
import { sharedSink } from '../../src/cluster/gather/shared-sink.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { parseIndex } from '../../src/oci/manifest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { loadGraph } from '../../src/transfer/content-graph.ts';
import { openStore } from '../../src/store/store.ts';
import { openScratch } from '../support/scratch.ts';
import { FakeRegistry } from '../transfer/fake-registry.ts';
import { addImage, addIndex, collect, MemoryContent } from '../transfer/memory-content.ts';

const PLATFORMS = ['linux/amd64', 'linux/arm64'].map((text) => parsePlatform(text));

/** Everything it is asked for is this image, or nothing. */
const sourceOf = (label: string, content: MemoryContent, root?: Descriptor): ImageSource => ({
  label,
  find: () => Promise.resolve(root === undefined ? undefined : { root, content }),
});

const wanted = (platforms = PLATFORMS) => ({
  name: 'docker.io/library/app:1',
  reference: parseReference('docker.io/library/app:1'),
  platforms,
});

describe('the storage', () => {
  it('has the index as it is and one platform of it, tagged', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
    const graph = await loadGraph(content, [root], (children) =>
      children.filter(({ platform }) => platform?.architecture === 'arm64'),
    );
    const files = registryFiles(
      [{ name: 'x', reference: parseReference('a.com/x/y:1'), root, graph }],
      'drop',
    );
    const hex = root.digest.slice(7);
    const at = 'registry/docker/registry/v2';
    expect(files.filter(({ kind }) => kind === 'blob')).toHaveLength(2 + 3);
    const links = files.filter(({ path }) => path.includes('/repositories/'));
    expect(links.every(({ path }) => path.startsWith(`${at}/repositories/x/y/`))).toBe(true);
    expect(links.filter(({ path }) => path.includes('/revisions/'))).toHaveLength(2);
    expect(links.filter(({ path }) => path.includes('/_layers/'))).toHaveLength(3);
    expect(files).toContainEqual({
      path: `${at}/repositories/x/y/_manifests/tags/1/current/link`,
      kind: 'link',
      text: root.digest,
    });
    expect(files).toContainEqual({
      path: `${at}/repositories/x/y/_manifests/tags/1/index/sha256/${hex}/link`,
      kind: 'link',
      text: root.digest,
    });
    expect(files.map(({ path }) => path)).toEqual(files.map(({ path }) => path).sort());
  });

  it('refuses two registries with one name for different images, unless they are kept apart', () => {
    const content = new MemoryContent();
    const [one, other] = [addImage(content, 'linux/amd64'), addImage(content, 'linux/arm64')];
    const claim = (name: string, root: Descriptor) => ({ name, reference: parseReference(name), root });
    const rivals = [claim('a.com/x:1', one), claim('b.com/x:1', other)];
    expect(() => refuseCollisions(rivals, 'drop')).toThrow(
      expect.objectContaining({
        code: 'GATHER',
        items: [expect.stringMatching(/^x:1 is a\.com\/x:1 .* and b\.com\/x:1 /) as unknown],
      }),
    );
    expect(() => refuseCollisions(rivals, 'keep')).not.toThrow();
    expect(() => refuseCollisions([claim('a.com/x:1', one), claim('b.com/x:1', one)], 'drop')).not.toThrow();
    expect(repositoryOf(parseReference('localhost:5000/x'), 'keep')).toBe('localhost-5000/x');
  });
});

describe('a lock', () => {
  it('reads what it writes, and nothing else', () => {
    const content = new MemoryContent();
    const root = addImage(content, 'linux/amd64');
    const lock = new Map([
      ['docker.io/library/app:1', { root, manifests: new Map([['linux/amd64', root.digest]]) }],
    ]);
    const text = formatImageLock(lock);
    expect(parseImageLock(text, 'lock')).toEqual(lock);
    for (const bad of ['', '{}', '{"schemaVersion":2,"images":{}}', text.replace('sha256:', 'md5:')])
      expect(() => parseImageLock(bad, 'the-lock')).toThrow(/the-lock is no lock/);
  });
});

describe('sources', () => {
  it('are asked in order, and the first with all platforms wins', async () => {
    const content = new MemoryContent();
    const single = addImage(content, 'linux/amd64');
    const index = addIndex(content, ['linux/amd64', 'linux/arm64'], { files: { a: 'b' } });
    const sources = [
      sourceOf('none', content),
      sourceOf('one', content, single),
      sourceOf('both', content, index),
    ];
    expect(await resolveImage(wanted(), sources)).toMatchObject({ root: index, label: 'both' });
    expect(await resolveImage(wanted(PLATFORMS.slice(0, 1)), sources)).toMatchObject({
      root: single,
      label: 'one',
    });
  });

  it('with one platform each give an index over them, the same in any order', async () => {
    const [left, right] = [new MemoryContent(), new MemoryContent()];
    const [amd64, arm64] = [addImage(left, 'linux/amd64'), addImage(right, 'linux/arm64')];
    const sources = [sourceOf('left', left, amd64), sourceOf('right', right, arm64)];
    const { root, content } = await resolveImage(wanted(), sources);
    expect((await resolveImage(wanted(), [...sources].reverse())).root).toEqual(root);
    const index = parseIndex(await collect(content.read(root)));
    expect(index.manifests.map(({ digest }) => digest)).toEqual([amd64.digest, arm64.digest]);
    const graph = await loadGraph(content, [root]);
    for (const blob of graph.blobs) await collect(content.read(blob));
  });

  it('say which platforms an image lacks and has', async () => {
    const content = new MemoryContent();
    const single = addImage(content, 'linux/amd64');
    await expect(resolveImage(wanted(), [sourceOf('here', content, single)])).rejects.toThrow(
      expect.objectContaining({
        code: 'PLATFORM_NOT_FOUND',
        message: 'here: not available for linux/arm64',
        hint: 'it exists for linux/amd64',
      }),
    );
    await expect(resolveImage(wanted(), [sourceOf('a', content), sourceOf('b', content)])).rejects.toThrow(
      'it is in none of the places asked: a, b',
    );
  });
});

it('what one copy is writing, another waits for; what failed, it writes itself', async () => {
  const content = new MemoryContent();
  const blob = content.add(Buffer.from('blob'), 'application/octet-stream');
  const target = new MemoryContent();
  const sink = sharedSink(target);
  const first = sink.write(blob, content.read(blob));
  expect(await sink.has(blob)).toBe(true);
  await first;
  const other = content.add(Buffer.from('other'), 'application/octet-stream');
  const failing = sink.write(other, breaking());
  const waiting = sink.has(other);
  await expect(failing).rejects.toThrow('broken');
  expect(await waiting).toBe(false);
});

// eslint-disable-next-line @typescript-eslint/require-await -- sources are asynchronous
async function* breaking(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x');
  throw new ArchBuildError('NETWORK', 'broken');
}

it('asks the mirrors of registries.conf, and the next place where one is wrong', async () => {
  await using scratch = await openScratch('gather-mirrors');
  await using store = await openStore(scratch.path('store'));
  await using liar = await FakeRegistry.start();
  await using main = await FakeRegistry.start();
  const root = addImage(main.content, 'linux/arm64');
  for (const registry of [liar, main]) registry.tags.set('1', root);
  for (const [digest, bytes] of main.content.blobs)
    liar.content.blobs.set(digest, digest === root.digest ? bytes : Buffer.from('<html>'));
  const rule = `[[registry]]\nprefix = "images.test"\nlocation = "${main.host}"\n[[registry.mirror]]\nlocation = "${liar.host}"\n`;
  vi.stubEnv('CONTAINERS_REGISTRIES_CONF', await scratch.write('registries.conf', rule));
  try {
    const warnings: string[] = [];
    await using sources = await ImageSources.open({
      store,
      report: (event) => event.type === 'warning' && warnings.push(event.text),
      signal: new AbortController().signal,
      words: [],
      pull: 'always',
      offline: false,
      insecure: [],
    });
    const found = await sources.list()[0]!.find(parseReference('images.test/app:1'));
    expect(found?.root).toEqual(root);
    const { blobs } = await loadGraph(found!.content, [root]);
    for (const blob of blobs)
      expect((await collect(found!.content.read(blob))).equals(main.content.blobs.get(blob.digest)!)).toBe(
        true,
      );
    expect(warnings).toEqual([expect.stringContaining(`the mirror ${liar.host}/app sends something wrong`)]);
  } finally {
    vi.unstubAllEnvs();
  }
});
