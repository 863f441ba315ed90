/** Archives as sealer v0.8 itself writes them: shared layers twice, symlinks gone wrong, documents of base images. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { formatSealerImage, type SealerImage, type SealerLayer } from '../../src/cluster/sealer-image.ts';
import { formatSealerMetadata } from '../../src/cluster/sealer-metadata.ts';
import { sealerTreesOpener } from '../../src/deploy/load-sealer-trees.ts';
import { sealerTreeArchive } from '../../src/deploy/sealer-tree-archive.ts';
import { encodeGoHeader, type GoHeader } from '../../src/layer/go-tar-header.ts';
import { storeContent } from '../../src/layer/image-content.ts';
import { digestOf, encodedOf, type Digest } from '../../src/oci/digest.ts';
import { describeImage } from '../../src/store/image-details.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { openImageArchive, type ImageArchive } from '../../src/transfer/image-archive.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';

type Item = Pick<GoHeader, 'path' | 'type'> & Partial<GoHeader> & { readonly text?: string };

const END = Buffer.alloc(1024);

function tarOf(items: readonly Item[], folder = ''): Buffer {
  const blocks = items.flatMap(({ text = '', ...item }) => {
    const size = Buffer.byteLength(text);
    const owner = { uid: 0, gid: 0, user: 'root', group: 'root', mode: 0o644, mtime: 1_646_720_598 };
    const header = { ...owner, ...item, path: folder + item.path, size };
    return [encodeGoHeader(header), Buffer.from(text), Buffer.alloc(-size & 511)];
  });
  return Buffer.concat(blocks);
}

interface Made {
  readonly id: Digest;
  readonly blocks: Buffer;
}

function layerOf(items: readonly Item[]): Made {
  const id = digestOf(Buffer.concat([tarOf(items), END]));
  return { id, blocks: tarOf(items, `${encodedOf(id)}/`) };
}

const BASE = layerOf([
  { path: 'bin', type: '5', mode: 0o755 },
  { path: 'bin/kubectl', type: '0', mode: 0o755, text: 'kubectl' },
  { path: 'Metadata', type: '0', text: '{}', user: 'builder' },
]);
const TOP = layerOf([
  { path: 'bin', type: '5', mode: 0o755 },
  { path: 'bin/.wh.kubectl', type: '0', mode: 0o600 },
  { path: 'large', type: '0', text: 'x'.repeat(300_000) },
]);
const OTHER = layerOf([{ path: 'other', type: '0', text: 'other' }]);

const imageOf = (
  architecture: string,
  layers: readonly Digest[],
  change: Partial<SealerImage> = {},
): SealerImage => ({
  name: 'registry.example.com/team/cluster:v1',
  platform: { architecture, os: 'linux' },
  layers: layers.map((id, at): SealerLayer =>
    at === layers.length - 1
      ? { id, type: 'BASE', value: 'rootfs cache' }
      : { id, type: 'COPY', value: '. .' },
  ),
  commands: { parent: ['kubectl apply -f base'], current: ['kubectl apply -f app'] },
  arguments: { parent: { VERSION: '1' }, current: {} },
  labels: {},
  isApplication: false,
  version: 'v0.8.5',
  ...change,
});

function archiveOf(images: readonly SealerImage[], layers: readonly Buffer[]): Buffer {
  const documents = images.map(formatSealerImage);
  const manifests = documents.map(({ id }, at) => ({
    id,
    created: '2022-04-30T04:12:07.661180721Z',
    size: 9,
    platform: images[at]!.platform,
  }));
  const metadata = formatSealerMetadata({ 'team/cluster:v1': manifests }, 'archive');
  return Buffer.concat([
    ...layers,
    tarOf(documents.map(({ id, text }): Item => ({ path: `${id}.yaml`, type: '0', text }))),
    tarOf([{ path: 'Metadata', type: '0', text: metadata }]),
    END,
  ]);
}

let scratch: Scratch;
let store: Store;
beforeEach(async () => {
  scratch = await openScratch('trees');
  store = await openStore(scratch.path('store'));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const open = async (bytes: Buffer): Promise<ImageArchive> =>
  openImageArchive(await scratch.write('archive.tar', bytes), scratch.directory, sealerTreesOpener(store));

async function savedAgain(archive: ImageArchive): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const set = { content: archive, images: archive.images };
  for await (const chunk of sealerTreeArchive(set, { store })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describeWithRoot('an archive of sealer itself', () => {
  it('may have a layer twice, owners with other names, and one layer on several', async () => {
    const images = [imageOf('amd64', [BASE.id, TOP.id]), imageOf('s390x', [OTHER.id, TOP.id])];
    const layers = [BASE, TOP, OTHER, TOP].map(({ blocks }) => blocks);
    await using archive = await open(archiveOf(images, layers));
    const [image] = archive.images;
    expect(image?.references).toEqual(['docker.io/team/cluster:v1']);
    const { platforms } = describeImage(store.blobs, { name: undefined, root: image!.root });
    expect(platforms.map(({ platform }) => platform.architecture)).toEqual(['amd64', 's390x']);
    const [first, second] = platforms.map(({ config }) => config.rootfs.diff_ids);
    expect(first?.[1]).toBe(second?.[1]);
    for (const { manifest } of platforms)
      for (const layer of manifest.layers) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of storeContent(store).read(layer)) chunks.push(chunk);
        expect(digestOf(Buffer.concat(chunks))).toBe(layer.digest);
      }
    expect(platforms[0]?.config.history?.map(({ created_by }) => created_by)).toEqual([
      'COPY . .',
      'rootfs cache',
    ]);
  });

  it('is saved with the commands and arguments of its base images, and its version', async () => {
    const image = imageOf('amd64', [OTHER.id], { isApplication: true, name: 'team/cluster:v1' });
    await using archive = await open(archiveOf([image], [OTHER.blocks]));
    const again = await savedAgain(archive);
    expect(again.includes(formatSealerImage(image).text)).toBe(true);
    expect(again.includes(OTHER.blocks.subarray(512))).toBe(true);
  });

  it('may have links that lead anywhere, whose layers have no id that could be checked', async () => {
    const link = { path: 'link', type: '2', linkPath: '/usr/bin/x' } as const;
    const blocks = tarOf([link], `${encodedOf(OTHER.id)}/`);
    await using archive = await open(archiveOf([imageOf('amd64', [OTHER.id])], [blocks]));
    expect(archive.images).toHaveLength(1);
  });

  it.each<[string, () => Buffer, RegExp]>([
    [
      'without a layer',
      () => archiveOf([imageOf('amd64', [BASE.id, TOP.id])], [BASE.blocks]),
      /does not have sha256:/,
    ],
    [
      'with another layer in its place',
      () =>
        archiveOf(
          [imageOf('amd64', [BASE.id])],
          [tarOf([{ path: 'other', type: '0', text: 'other' }], `${encodedOf(BASE.id)}/`)],
        ),
      /has the content of/,
    ],
    [
      'without a document',
      () => {
        const metadata = archiveOf([imageOf('amd64', [OTHER.id])], []);
        return Buffer.concat([OTHER.blocks, metadata.subarray(metadata.indexOf('Metadata\0'))]);
      },
      /the archive has no [0-9a-f]{64}\.yaml/,
    ],
    [
      'that is cut off',
      () => archiveOf([imageOf('amd64', [TOP.id])], [TOP.blocks]).subarray(0, 9000),
      /cut off/,
    ],
  ])('%s is refused', async (_, bytes, message) => {
    await expect(open(bytes())).rejects.toMatchObject({
      code: 'ARCHIVE_INVALID',
      message: expect.stringMatching(message) as unknown,
    });
  });
});
