import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Header, type HeaderData } from 'tar/header';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { encodedOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { dockerArchive } from '../../src/transfer/docker-archive.ts';
import { openImageArchive, type ImageArchive } from '../../src/transfer/image-archive.ts';
import type { NamedImage } from '../../src/transfer/image-list.ts';
import { ociArchive } from '../../src/transfer/oci-archive.ts';
import { addImage, addIndex, collect, layerTar, MemoryContent, sha256 } from './memory-content.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'archive-test-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function fileOf(bytes: Uint8Array): string {
  const path = join(directory, `${++files}.tar`);
  writeFileSync(path, bytes);
  return path;
}

const AMD64 = { preferredPlatform: parsePlatform('linux/amd64') };

async function opened<Value>(
  bytes: Uint8Array,
  use: (archive: ImageArchive) => Promise<Value> | Value,
): Promise<Value> {
  await using archive = await openImageArchive(fileOf(bytes), directory);
  return await use(archive);
}

async function contentOf(archive: ImageArchive): Promise<MemoryContent> {
  const sink = new MemoryContent();
  for (const { root } of archive.images) {
    await copyGraph(root, { from: archive, to: sink }, { select: archive.selectPresent });
  }
  return sink;
}

const sorted = (content: MemoryContent): [string, Buffer][] => [...content.blobs].sort();

describe('an OCI archive', () => {
  const content = new MemoryContent();
  const index = addIndex(content, ['linux/arm64', 'linux/amd64', 'linux/arm/v7']);
  const image = addImage(content, 'linux/riscv64', { compression: 'gzip' });
  const images: NamedImage[] = [
    { references: ['docker.io/library/app:v1', 'registry.test:5000/team/app:v1'], root: index },
    { references: ['docker.io/library/other:v1'], root: image },
  ];

  it('gives back every byte and every name', async () => {
    await opened(await collect(ociArchive(content, images, AMD64)), async (archive) => {
      expect(archive.format).toBe('oci');
      expect(archive.images).toEqual(images);
      expect(sorted(await contentOf(archive))).toEqual(sorted(content));
    });
  });

  it('is the same bytes every time', async () => {
    const once = await collect(ociArchive(content, images, AMD64));
    expect(sha256(await collect(ociArchive(content, images, AMD64)))).toBe(sha256(once));
  });

  it('reads each blob once, and one at a time', async () => {
    let open = 0;
    const reads: string[] = [];
    const source = {
      async *read(descriptor: Descriptor) {
        reads.push(descriptor.digest);
        if (!descriptor.mediaType.includes('manifest')) expect(++open).toBe(1);
        try {
          yield* content.read(descriptor);
        } finally {
          if (!descriptor.mediaType.includes('manifest')) open--;
        }
      },
    };
    await collect(ociArchive(source, images, AMD64));
    expect(new Set(reads).size).toBe(reads.length);
  });

  it.each(['gzip', 'zstd', 'xz', 'bzip2'])(
    'is the same when %s packed it, and leaves no file behind',
    async (program) => {
      const before = readdirSync(directory).length;
      const plain = await collect(ociArchive(content, images, AMD64));
      const packed = execFileSync(program, ['-c'], { input: plain, maxBuffer: 1 << 26 });
      await opened(packed, async (archive) => {
        expect(archive.images).toEqual(images);
        expect(sorted(await contentOf(archive))).toEqual(sorted(content));
      });
      expect(readdirSync(directory).length).toBe(before + 1);
    },
  );

  it('keeps an image without a name', async () => {
    const bytes = await collect(ociArchive(content, [{ references: [], root: image }], AMD64));
    expect(await opened(bytes, ({ images: list }) => list)).toEqual([{ references: [], root: image }]);
  });

  it('may hold some platforms of an index and still names it by its digest', async () => {
    const select = (children: readonly Descriptor[]): Descriptor[] =>
      children.filter(({ platform }) => platform?.architecture !== 'amd64');
    const bytes = await collect(ociArchive(content, [{ references: [], root: index }], { ...AMD64, select }));
    await opened(bytes, async (archive) => {
      expect(archive.images[0]?.root).toEqual(index);
      const manifests = (await contentOf(archive)).blobs;
      expect(
        [...manifests.keys()].filter((digest) => content.blobs.get(digest)?.includes('"layers":[')),
      ).toHaveLength(2);
    });
  });

  it.each([
    ['linux/amd64', 'amd64'],
    ['linux/arm/v7', 'arm'],
    ['linux/s390x', 'arm64'],
  ])('offers a classic docker the platform %s, else the first', async (preferred, architecture) => {
    const options = { preferredPlatform: parsePlatform(preferred) };
    const entries = tarEntries(await collect(ociArchive(content, [images[0]!], options)));
    const [entry] = JSON.parse(entries.get('manifest.json')!.toString()) as {
      Config: string;
      RepoTags: string[];
    }[];
    expect(entry?.RepoTags).toEqual(['docker.io/library/app:v1', 'registry.test:5000/team/app:v1']);
    expect(JSON.parse(entries.get(entry!.Config)!.toString())).toMatchObject({ architecture });
  });

  it('gives a tag that two images share as full names', async () => {
    const entries = tarEntries(await collect(ociArchive(content, images, AMD64)));
    const { manifests } = JSON.parse(entries.get('index.json')!.toString()) as { manifests: Descriptor[] };
    expect(manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'])).toEqual([
      'docker.io/library/app:v1',
      'registry.test:5000/team/app:v1',
      'docker.io/library/other:v1',
    ]);
  });

  it('without images is refused', async () => {
    await expect(collect(ociArchive(content, [], AMD64))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  it('is not finished when the source is damaged', async () => {
    const damaged = new MemoryContent();
    const root = addImage(damaged, 'linux/arm64');
    const [layer] = parseManifest(damaged.blobs.get(root.digest)!).layers;
    damaged.blobs.get(layer!.digest)!.writeUInt8(0xff, 0);
    await expect(collect(ociArchive(damaged, [{ references: [], root }], AMD64))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });
});

describe('a docker archive', () => {
  const content = new MemoryContent();
  const root = addImage(content, 'linux/arm64');
  const gzipped = addImage(content, 'linux/arm64', { compression: 'gzip', files: { x: 'y' } });
  const images: NamedImage[] = [
    { references: ['docker.io/library/app:v1'], root },
    { references: ['docker.io/library/zipped:v1'], root: gzipped },
  ];

  it('gives images of ours back with the same digests', async () => {
    await opened(await collect(dockerArchive(content, images)), async (archive) => {
      expect(archive.format).toBe('docker');
      expect(archive.images).toEqual(images);
      expect(sorted(await contentOf(archive))).toEqual(sorted(content));
    });
  });

  it('is read in the old form, with a directory per layer, links and a config of any name', async () => {
    const { config, layers } = parseManifest(content.blobs.get(root.digest)!);
    const bytes = tar([
      { path: 'abc/', type: 'Directory' },
      { path: 'abc/layer.tar', data: content.blobs.get(layers[0]!.digest)! },
      { path: 'def/layer.tar', data: content.blobs.get(layers[1]!.digest)! },
      { path: 'ghi/layer.tar', type: 'SymbolicLink', linkpath: '../abc/layer.tar' },
      { path: 'jkl/layer.tar', type: 'Link', linkpath: 'def/layer.tar' },
      { path: `${encodedOf(config.digest)}.json`, data: content.blobs.get(config.digest)! },
      json('manifest.json', [
        {
          Config: `${encodedOf(config.digest)}.json`,
          RepoTags: ['app:v1'],
          Layers: ['ghi/layer.tar', 'jkl/layer.tar'],
        },
        {
          Config: `${encodedOf(config.digest)}.json`,
          RepoTags: null,
          Layers: ['abc/layer.tar', 'def/layer.tar'],
        },
      ]),
    ]);
    await opened(bytes, async (archive) => {
      expect(archive.images).toEqual([{ references: ['docker.io/library/app:v1'], root }]);
      expect((await contentOf(archive)).blobs.get(config.digest)).toEqual(content.blobs.get(config.digest));
    });
  });
});

interface Entry extends HeaderData {
  readonly path: string;
  readonly data?: Buffer;
}

const json = (path: string, document: unknown): Entry => ({
  path,
  data: Buffer.from(JSON.stringify(document)),
});

function tar(entries: readonly Entry[], { end = true } = {}): Buffer {
  const parts = entries.flatMap(({ data = Buffer.alloc(0), type = 'File', ...fields }) => {
    const made = new Header({ mode: 0o644, size: data.length, ...fields });
    made.type = type;
    const block = Buffer.alloc(512);
    made.encode(block);
    return [block, data, Buffer.alloc(-data.length & 511)];
  });
  return Buffer.concat([...parts, Buffer.alloc(end ? 1024 : 0)]);
}

function tarEntries(bytes: Buffer): Map<string, Buffer> {
  const entries = new Map<string, Buffer>();
  for (let position = 0; ;) {
    const header = new Header(bytes, position);
    if (header.nullBlock) return entries;
    const size = header.size ?? 0;
    entries.set(header.path ?? '', bytes.subarray(position + 512, position + 512 + size));
    position += 512 + Math.ceil(size / 512) * 512;
  }
}

describe('a hostile archive', () => {
  const content = new MemoryContent();
  const root = addImage(content, 'linux/arm64');
  const { config, layers } = parseManifest(content.blobs.get(root.digest)!);
  const bytesOf = ({ digest }: Descriptor): Buffer => content.blobs.get(digest)!;
  const blobFile = (descriptor: Descriptor, data = bytesOf(descriptor)): Entry => ({
    path: `blobs/sha256/${encodedOf(descriptor.digest)}`,
    data,
  });
  const layout = json('oci-layout', { imageLayoutVersion: '1.0.0' });
  const index = (manifests: unknown): Entry => json('index.json', { schemaVersion: 2, manifests });
  const blobs = [root, config, ...layers].map((descriptor) => blobFile(descriptor));
  const oci = [layout, index([root]), ...blobs];
  const without = (descriptor: Descriptor): Entry[] =>
    blobs.filter(({ path }) => !path.includes(encodedOf(descriptor.digest)));
  const dockerFiles: Entry[] = [
    { path: 'config.json', data: bytesOf(config) },
    { path: '1.tar', data: bytesOf(layers[0]!) },
    { path: '2.tar', data: bytesOf(layers[1]!) },
  ];
  const docker = (entry: object): Entry[] => [
    ...dockerFiles,
    json('manifest.json', [{ Config: 'config.json', RepoTags: [], Layers: ['1.tar', '2.tar'], ...entry }]),
  ];

  it('is none when nothing is wrong (the cases below have one fault each)', async () => {
    await opened(tar(oci), ({ images }) => expect(images).toHaveLength(1));
    await opened(tar(docker({})), ({ images }) => expect(images).toEqual([{ references: [], root }]));
  });

  const cut = tar(oci).subarray(0, 3000);
  const damagedHeader = tar(oci);
  damagedHeader.writeUInt8(0x41, 300);
  const otherTree = addImage(content, 'linux/s390x');

  it.each<[string, Buffer]>([
    ['an empty file', Buffer.alloc(0)],
    ['not a tar', Buffer.from('hello')],
    ['a tar of something else', tar([json('package.json', {})])],
    ['cut off in a header', tar(oci, { end: false }).subarray(0, -700)],
    ['cut off in a blob', cut],
    ['a damaged header', damagedHeader],
    ['a size beyond the end', tar([{ path: 'x', size: 1e12 }])],
    ['a size beyond 2^53', hugeSize()],
    ['a path that leads out', tar([...oci, { path: '../../etc/passwd', data: Buffer.from('x') }])],
    ['an absolute path', tar([...oci, { path: '/etc/passwd', data: Buffer.from('x') }])],
    ['a path that comes back in', tar([...oci, { path: 'x/../../blobs/y', data: Buffer.from('x') }])],
    [
      'a link that leads out',
      tar([...oci, { path: 'link', type: 'SymbolicLink', linkpath: '../../etc/passwd' }]),
    ],
    ['an absolute link', tar([...oci, { path: 'link', type: 'SymbolicLink', linkpath: '/etc/passwd' }])],
    ['a file that is there twice', tar([...oci, blobs[0]!])],
    ['the same file under another spelling', tar([...oci, { ...blobs[0]!, path: `./${blobs[0]!.path}` }])],
    ['an index.json that is there twice', tar([index([]), ...oci])],
    [
      'an extended header without end',
      tar([{ path: 'x', type: 'ExtendedHeader', data: Buffer.alloc(2 << 20) }, ...oci]),
    ],
    ['no index.json', tar([layout, ...blobs])],
    [
      'an index.json that is a directory',
      tar([layout, { path: 'index.json/', type: 'Directory' }, ...blobs]),
    ],
    [
      'an index.json that is no JSON',
      tar([layout, { path: 'index.json', data: Buffer.from('{') }, ...blobs]),
    ],
    [
      'an index.json of 5 MiB',
      tar([layout, { path: 'index.json', data: Buffer.alloc(5 << 20, ' ') }, ...blobs]),
    ],
    [
      'an index.json with layers',
      tar([layout, json('index.json', { schemaVersion: 2, manifests: [root], layers: [] }), ...blobs]),
    ],
    ['no images', tar([layout, index([]), ...blobs])],
    [
      'an unknown layout version',
      tar([json('oci-layout', { imageLayoutVersion: '2.0.0' }), ...oci.slice(1)]),
    ],
    ['no layout version', tar([json('oci-layout', null), ...oci.slice(1)])],
    [
      'a digest that is a path',
      tar([layout, index([{ ...root, digest: 'sha256:../../../etc/passwd' }]), ...blobs]),
    ],
    ['a missing manifest', tar([layout, index([root]), ...without(root)])],
    ['a missing config', tar([layout, index([root]), ...without(config)])],
    ['a missing layer', tar([layout, index([root]), ...without(layers[1]!)])],
    [
      'a manifest of another digest',
      tar([layout, index([root]), ...without(root), blobFile(root, bytesOf(otherTree))]),
    ],
    ['a manifest of another size', tar([layout, index([{ ...root, size: root.size + 1 }]), ...blobs])],
    [
      'a layer of another size',
      tar([layout, index([root]), ...without(layers[1]!), blobFile(layers[1]!, Buffer.alloc(512))]),
    ],
    [
      'a blob that is a symbolic link',
      tar([
        layout,
        index([root]),
        ...without(layers[1]!),
        { path: 'real', data: bytesOf(layers[1]!) },
        { path: blobFile(layers[1]!).path, type: 'SymbolicLink', linkpath: '../../real' },
      ]),
    ],
    [
      'a blob that is a device',
      tar([
        layout,
        index([root]),
        ...without(layers[1]!),
        { path: blobFile(layers[1]!).path, type: 'CharacterDevice' },
      ]),
    ],
    ['Config that leads out', tar(docker({ Config: '../../etc/passwd' }))],
    ['Config that is absolute', tar(docker({ Config: '/etc/passwd' }))],
    ['Config that is missing', tar(docker({ Config: 'nope.json' }))],
    ['Config that is no text', tar(docker({ Config: 5 }))],
    [
      'Config of another digest',
      tar([
        ...docker({ Config: `${'0'.repeat(64)}.json` }),
        { path: `${'0'.repeat(64)}.json`, data: bytesOf(config) },
      ]),
    ],
    [
      'Config that is a link out',
      tar([
        ...docker({ Config: 'link.json' }),
        { path: 'link.json', type: 'SymbolicLink', linkpath: '../x' },
      ]),
    ],
    [
      'Config that is a link to a link',
      tar([
        ...docker({ Config: 'a' }),
        { path: 'a', type: 'SymbolicLink', linkpath: 'b' },
        { path: 'b', type: 'SymbolicLink', linkpath: 'a' },
      ]),
    ],
    ['Config that is no config', tar([...docker({ Config: 'x' }), { path: 'x', data: Buffer.from('{}') }])],
    ['Config of 9 MiB', tar([...docker({ Config: 'x' }), { path: 'x', data: Buffer.alloc(9 << 20, ' ') }])],
    ['Layers that lead out', tar(docker({ Layers: ['../1.tar', '2.tar'] }))],
    ['Layers that are missing', tar(docker({ Layers: ['1.tar', '3.tar'] }))],
    [
      'Layers that are directories',
      tar([...docker({ Layers: ['1.tar', 'd'] }), { path: 'd/', type: 'Directory' }]),
    ],
    ['too few Layers', tar(docker({ Layers: ['1.tar'] }))],
    ['too many Layers', tar(docker({ Layers: ['1.tar', '2.tar', '2.tar'] }))],
    ['Layers that are no list', tar(docker({ Layers: '1.tar' }))],
    ['RepoTags that are no references', tar(docker({ RepoTags: ['../../evil'] }))],
    ['a manifest.json that is an object', tar([...dockerFiles, json('manifest.json', {})])],
    ['a manifest.json that is empty', tar([...dockerFiles, json('manifest.json', [])])],
    ['a manifest.json of nulls', tar([...dockerFiles, json('manifest.json', [null])])],
    ['gzip that is cut off', gzipSync(tar(oci)).subarray(0, -20)],
    ['gzip of nothing', gzipSync(Buffer.alloc(0))],
    ['gzip with garbage behind', Buffer.concat([gzipSync(tar(oci)), Buffer.from('garbage')])],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0])],
  ])('with %s is ARCHIVE_INVALID', async (_name, bytes) => {
    const path = fileOf(bytes);
    const before = readdirSync(directory);
    await expect(openImageArchive(path, directory)).rejects.toMatchObject({
      name: 'ArchBuildError',
      code: 'ARCHIVE_INVALID',
    });
    expect(readdirSync(directory)).toEqual(before);
  });

  it('with swapped layers fails while it is copied, and leaves no manifest', async () => {
    await opened(tar(docker({ Layers: ['2.tar', '1.tar'] })), async (archive) => {
      const sink = new MemoryContent();
      const copy = copyGraph(archive.images[0]!.root, { from: archive, to: sink });
      await expect(copy).rejects.toMatchObject({ code: expect.stringMatching(/MISMATCH/) as string });
      expect(sink.blobs.has(archive.images[0]!.root.digest)).toBe(false);
    });
  });

  it('may be named or missing', async () => {
    await expect(openImageArchive(join(directory, 'nope'))).rejects.toMatchObject({ code: 'IO' });
    await expect(openImageArchive('/dev/null')).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });
});

/** A base-256 size that no number holds. */
function hugeSize(): Buffer {
  const bytes = tar([{ path: 'x', size: 5 }]);
  bytes.fill(0xff, 125, 136);
  bytes.writeUInt8(0x80, 124);
  bytes.write('        ', 148);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return bytes;
}

it('reads names of PAX and GNU long headers', async () => {
  const content = new MemoryContent();
  const root = addImage(content, 'linux/arm64');
  const { config, layers } = parseManifest(content.blobs.get(root.digest)!);
  const long = 'l'.repeat(150);
  const record = `path=${long}/1.tar\n`;
  const pax = Buffer.from(`${record.length + 4} ${record}`);
  const bytes = tar([
    { path: 'pax', type: 'ExtendedHeader', data: pax },
    { path: 'short', data: content.blobs.get(layers[0]!.digest)! },
    { path: '././@LongLink', type: 'NextFileHasLongPath', data: Buffer.from(`${long}/2.tar\0`) },
    { path: 'short', data: content.blobs.get(layers[1]!.digest)! },
    { path: 'config.json', data: content.blobs.get(config.digest)! },
    json('manifest.json', [
      { Config: 'config.json', RepoTags: ['a'], Layers: [`${long}/1.tar`, `${long}/2.tar`] },
    ]),
  ]);
  expect(await opened(bytes, ({ images }) => images)).toEqual([
    { references: ['docker.io/library/a:latest'], root },
  ]);
});

it('takes layers of a docker archive that are compressed', async () => {
  const content = new MemoryContent();
  const image = addImage(content, 'linux/arm64');
  const { config } = parseManifest(content.blobs.get(image.digest)!);
  const tars = [
    layerTar({ 'etc/common': 'the same everywhere\n' }),
    layerTar({ 'etc/platform': 'linux/arm64' }),
  ];
  const bytes = tar([
    { path: 'config.json', data: content.blobs.get(config.digest)! },
    { path: '1', data: gzipSync(tars[0]!) },
    { path: '2', data: tars[1]! },
    json('manifest.json', [{ Config: 'config.json', Layers: ['1', '2'] }]),
  ]);
  await opened(bytes, async (archive) => {
    const { blobs } = await contentOf(archive);
    const { layers } = parseManifest(blobs.get(archive.images[0]!.root.digest)!);
    expect(layers.map(({ mediaType }) => mediaType)).toEqual([
      MEDIA_TYPES.ociLayerGzip,
      MEDIA_TYPES.ociLayer,
    ]);
  });
});
