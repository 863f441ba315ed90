import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describe as describeContent, type Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import {
  buildIndex,
  buildManifest,
  childrenOf,
  parseDocument,
  parseIndex,
  parseManifest,
  platformsOf,
  selectPlatform,
} from '../../src/oci/manifest.ts';
import { limitOf } from '../../src/oci/limits.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { arbitraryAnnotations, arbitraryDescriptor } from './arbitrary.ts';

const config: Descriptor = describeContent(Buffer.from('{}'), MEDIA_TYPES.ociConfig);
const layer: Descriptor = describeContent(Buffer.from('layer'), MEDIA_TYPES.ociLayerGzip);
const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] as object[] };
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const invalid = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'DOCUMENT_INVALID', message: expect.stringMatching(message) as string });

describe('parseManifest', () => {
  it('keeps what it does not know, and drops nulls', () => {
    const document = {
      ...manifest,
      annotations: null,
      'org.example': { x: [1] },
      config: { ...config, extra: true },
    };
    const { annotations: _, ...expected } = document;
    expect(parseManifest(bytesOf(document))).toEqual(expected);
  });

  it.each([
    ['no mediaType', { schemaVersion: 2, config, layers: [] }],
    ['Docker types', { ...manifest, mediaType: MEDIA_TYPES.dockerManifest }],
    [
      'an artifact',
      {
        ...manifest,
        artifactType: 'a/b',
        subject: config,
        config: { ...config, mediaType: MEDIA_TYPES.ociEmpty },
      },
    ],
    ['a sha512 digest', { ...manifest, config: { ...config, digest: `sha512:${'0'.repeat(128)}` } }],
  ])('takes %s', (_name, document) => {
    expect(parseManifest(bytesOf(document))).toEqual(document);
  });

  const withLayer = (change: object): object => ({ ...manifest, layers: [layer, { ...layer, ...change }] });
  it.each<[string, unknown, RegExp]>([
    ['a list', [], /is not an object/],
    ['text', 'x', /is not an object/],
    ['null', null, /is not an object/],
    ['nothing', {}, /has no schemaVersion/],
    ['another schemaVersion', { ...manifest, schemaVersion: 3 }, /schemaVersion is not 2/],
    ['a schemaVersion in text', { ...manifest, schemaVersion: '2' }, /schemaVersion is not 2/],
    ['no config', { ...manifest, config: undefined }, /has no config/],
    ['a null config', { ...manifest, config: null }, /config is not an object/],
    ['no layers', { ...manifest, layers: undefined }, /has no layers/],
    ['null layers', { ...manifest, layers: null }, /layers is not a list/],
    ['an object of layers', { ...manifest, layers: { length: 1, 0: layer } }, /layers is not a list/],
    ['a layer that is text', { ...manifest, layers: ['x'] }, /layers\[0\] is not an object/],
    ['a negative size', withLayer({ size: -1 }), /layers\[1\]\.size is not a non-negative integer/],
    ['a size with a fraction', withLayer({ size: 1.5 }), /size is not/],
    ['a size in text', withLayer({ size: '5' }), /size is not/],
    ['a size of null', withLayer({ size: null }), /size is not/],
    ['no size', withLayer({ size: undefined }), /has no size/],
    ['no digest', withLayer({ digest: undefined }), /has no digest/],
    ['a short digest', withLayer({ digest: 'sha256:abc' }), /digest is not a sha256 or sha512 digest/],
    ['a digest that climbs', withLayer({ digest: 'sha256:../../../x' }), /digest is not/],
    ['a digest list', withLayer({ digest: [layer.digest] }), /digest is not a string/],
    ['no layer mediaType', withLayer({ mediaType: undefined }), /has no mediaType/],
    ['an empty mediaType', withLayer({ mediaType: '' }), /mediaType is not a media type/],
    ['a mediaType with a line end', withLayer({ mediaType: 'a/b\n' }), /mediaType is not a media type/],
    [
      'annotations that are no text',
      withLayer({ annotations: { a: 1 } }),
      /annotations\["a"\] is not a string/,
    ],
    ['annotations in a list', { ...manifest, annotations: [] }, /annotations is not an object/],
    ['urls that are none', withLayer({ urls: ['x'] }), /urls\[0\] is not a URL/],
    ['data that is no base64', withLayer({ data: '%' }), /data is not base64/],
    ['a platform without os', withLayer({ platform: { architecture: 'amd64' } }), /platform has no os/],
    [
      'a platform with escapes',
      withLayer({ platform: { os: '\u001b[2J', architecture: 'x' } }),
      /platform\.os is not/,
    ],
    [
      'a platform that climbs',
      withLayer({ platform: { os: 'linux', architecture: '../x' } }),
      /architecture is not/,
    ],
    [
      'a platform that is ..',
      withLayer({ platform: { os: 'linux', architecture: '..' } }),
      /architecture is not/,
    ],
    ['a subject that is text', { ...manifest, subject: 'x' }, /subject is not an object/],
    ['layers and manifests', { ...manifest, manifests: [] }, /has manifests/],
    ['layers and null manifests', { ...manifest, manifests: null }, /has manifests/],
    ['layers and fsLayers', { ...manifest, fsLayers: [] }, /has fsLayers/],
    ['Layers and layers', { ...manifest, Layers: [] }, /"Layers", which some programs read as layers/],
    ['MEDIATYPE', { ...manifest, mediaType: undefined, MEDIATYPE: 'x/y' }, /"MEDIATYPE"/],
    [
      'the mediaType of an index',
      { ...manifest, mediaType: MEDIA_TYPES.ociIndex },
      /mediaType is not that of one/,
    ],
    [
      'the mediaType of a layer',
      { ...manifest, mediaType: MEDIA_TYPES.ociLayer },
      /mediaType is not that of one/,
    ],
    ['schema 1', { schemaVersion: 1, name: 'x', fsLayers: [] }, /schema 1/],
    ['schema 1 by its type', { ...manifest, mediaType: MEDIA_TYPES.dockerSchema1Signed }, /schema 1/],
  ])('refuses %s', (_name, document, message) => {
    expect(() => parseManifest(bytesOf(document))).toThrow(invalid(message));
  });

  it('refuses another type than the descriptor has', () => {
    const bytes = bytesOf(manifest);
    expect(parseManifest(bytes, { mediaType: MEDIA_TYPES.ociManifest })).toEqual(manifest);
    expect(() => parseManifest(bytes, { mediaType: MEDIA_TYPES.dockerManifest })).toThrow(
      invalid(/descriptor says/),
    );
  });

  it('refuses more than 4 MiB, or than it is told', () => {
    const padded = (size: number): Buffer => Buffer.concat([bytesOf(manifest), Buffer.alloc(size, ' ')]);
    const length = bytesOf(manifest).length;
    const most = limitOf('manifest-bytes');
    expect(parseManifest(padded(most - length))).toEqual(manifest);
    expect(() => parseManifest(padded(most - length + 1))).toThrow(invalid(/more than the 4194304/));
    expect(() => parseManifest(padded(0), { limitBytes: length - 1 })).toThrow(invalid(/more than/));
  });

  it('says what to do about schema 1', () => {
    expect(() => parseManifest(bytesOf({ schemaVersion: 1 }))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('pushed again') as string }),
    );
  });
});

describe('parseIndex', () => {
  it('takes an empty index, unknown media types and nested indexes', () => {
    const document = {
      ...index,
      manifests: [
        { ...layer, mediaType: 'application/x-unknown' },
        { ...layer, mediaType: MEDIA_TYPES.ociIndex },
        { ...layer, platform: { os: 'unknown', architecture: 'unknown' } },
      ],
    };
    expect(parseIndex(bytesOf(index))).toEqual(index);
    expect(parseIndex(bytesOf(document))).toEqual(document);
  });

  it.each<[string, unknown, RegExp]>([
    ['manifests and layers', { ...index, layers: [] }, /has layers/],
    ['manifests and config', { ...index, config }, /has config/],
    ['a manifest', manifest, /has config/],
    ['no manifests', { ...index, manifests: undefined }, /has no manifests/],
    ['null manifests', { ...index, manifests: null }, /manifests is not a list/],
    [
      'the mediaType of a manifest',
      { ...index, mediaType: MEDIA_TYPES.ociManifest },
      /mediaType is not that of one/,
    ],
    ['schema 1', { schemaVersion: 1 }, /schema 1/],
  ])('refuses %s', (_name, document, message) => {
    expect(() => parseIndex(bytesOf(document))).toThrow(invalid(message));
  });
});

describe('parseDocument and childrenOf', () => {
  const indexBytes = bytesOf({ ...index, manifests: [{ ...layer, mediaType: MEDIA_TYPES.ociManifest }] });

  it('reads what the media type says', () => {
    expect(parseDocument(bytesOf(manifest), MEDIA_TYPES.ociManifest)).toEqual({ kind: 'manifest', manifest });
    expect(parseDocument(indexBytes, MEDIA_TYPES.ociIndex)).toMatchObject({ kind: 'index' });
  });

  it.each([
    [
      'a manifest as an index',
      bytesOf({ ...manifest, mediaType: undefined }),
      MEDIA_TYPES.ociIndex,
      /has config/,
    ],
    ['an index as a manifest', indexBytes, MEDIA_TYPES.ociManifest, /has manifests/],
    [
      'a Docker manifest as an OCI one',
      bytesOf({ ...manifest, mediaType: MEDIA_TYPES.dockerManifest }),
      MEDIA_TYPES.ociManifest,
      /descriptor says/,
    ],
    ['schema 1', bytesOf({}), MEDIA_TYPES.dockerSchema1, /schema 1/],
    ['a config', bytesOf({}), MEDIA_TYPES.ociConfig, /neither an image manifest nor an index/],
    ['nothing known', bytesOf({}), '__proto__', /neither/],
  ])('refuses %s', (...[_name, bytes, mediaType, message]) => {
    expect(() => parseDocument(bytes, mediaType)).toThrow(invalid(message));
  });

  it('has the edges config and layers, or manifests, in order', () => {
    const descriptor = (mediaType: string, bytes: Buffer): Descriptor => describeContent(bytes, mediaType);
    expect(childrenOf(descriptor(MEDIA_TYPES.ociManifest, bytesOf(manifest)), bytesOf(manifest))).toEqual([
      config,
      layer,
    ]);
    expect(childrenOf(descriptor(MEDIA_TYPES.ociIndex, indexBytes), indexBytes)).toHaveLength(1);
    for (const type of [MEDIA_TYPES.ociConfig, MEDIA_TYPES.ociLayer, 'x/unknown']) {
      expect(childrenOf(descriptor(type, indexBytes), indexBytes)).toEqual([]);
    }
    expect(() => childrenOf(descriptor(MEDIA_TYPES.dockerSchema1, indexBytes), indexBytes)).toThrow(
      invalid(/schema 1/),
    );
  });
});

describe('selectPlatform', () => {
  const entry = (text: string, size: number, change: object = {}): Descriptor => ({
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(`${size}`),
    size,
    platform: parsePlatform(text),
    ...change,
  });
  const parsed = parseIndex(
    bytesOf({
      ...index,
      manifests: [
        { ...layer, mediaType: MEDIA_TYPES.ociManifest },
        entry('unknown/unknown', 1),
        entry('linux/arm64', 2, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
        entry('linux/arm64', 3, { mediaType: 'application/x-unknown' }),
        entry('linux/amd64', 4),
        entry('linux/arm64', 5, { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }),
        entry('linux/arm64', 6),
        entry('linux/arm/v6', 7),
        entry('linux/riscv64', 8, { mediaType: MEDIA_TYPES.ociIndex }),
      ],
    }),
  );

  it.each([
    ['linux/amd64', 4],
    ['linux/arm64', 5],
    ['linux/arm64/v8', 5],
    ['linux/arm/v6', 7],
    ['linux/arm/v7', undefined],
    ['linux/riscv64', 8],
    ['linux/s390x', undefined],
    ['unknown/unknown', undefined],
  ])('%s is entry %s', (text, size) => {
    expect(selectPlatform(parsed, parsePlatform(text))?.size).toBe(size);
  });

  it('names each platform once, in order', () => {
    expect(platformsOf(parsed)).toEqual(['linux/amd64', 'linux/arm64', 'linux/arm/v6', 'linux/riscv64']);
  });
});

describe('buildManifest and buildIndex', () => {
  it('write these bytes', () => {
    const { bytes, descriptor } = buildManifest({ config, layers: [layer], annotations: { b: '2', a: '1' } });
    expect(bytes.toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.ociManifest}",` +
        `"config":{"mediaType":"${config.mediaType}","digest":"${config.digest}","size":2},` +
        `"layers":[{"mediaType":"${layer.mediaType}","digest":"${layer.digest}","size":5}],` +
        `"annotations":{"a":"1","b":"2"}}`,
    );
    expect(descriptor).toEqual({
      mediaType: MEDIA_TYPES.ociManifest,
      digest: digestOf(bytes),
      size: bytes.length,
    });
    const platform = { variant: 'v7', os: 'linux', architecture: 'arm' };
    expect(buildIndex([{ platform, ...descriptor }]).bytes.toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${MEDIA_TYPES.ociIndex}","manifests":[` +
        `{"mediaType":"${MEDIA_TYPES.ociManifest}","digest":"${descriptor.digest}","size":${descriptor.size},` +
        `"platform":{"architecture":"arm","os":"linux","variant":"v7"}}]}`,
    );
  });

  it('give back their parts, and the same bytes whatever the order of the fields', () => {
    const parts = fc.array(arbitraryDescriptor);
    fc.assert(
      fc.property(parts, arbitraryAnnotations, (descriptors, annotations) => {
        const built = buildIndex(descriptors, annotations);
        const expected = Object.keys(annotations).length === 0 ? {} : { annotations };
        expect(built.index).toEqual({ ...index, manifests: descriptors, ...expected });
        expect(parseIndex(built.bytes, { mediaType: built.descriptor.mediaType })).toEqual(built.index);
        expect(buildIndex(built.index.manifests.map(reversed), reversed(annotations)).bytes).toEqual(
          built.bytes,
        );

        const image = buildManifest({ config, layers: descriptors, annotations });
        expect(image.manifest).toEqual({ ...manifest, layers: descriptors, ...expected });
        expect(
          buildManifest({ config: reversed(config), layers: descriptors.map(reversed), annotations }).bytes,
        ).toEqual(image.bytes);
      }),
    );
  });

  it('refuse parts that nobody could read', () => {
    expect(() => buildManifest({ config, layers: [{ ...layer, size: -1 }] })).toThrow(invalid(/size/));
    expect(() => buildIndex(Array.from({ length: 40_000 }, () => layer))).toThrow(invalid(/more than/));
  });
});

const reversed = <T extends object>(object: T): T =>
  Object.fromEntries(Object.entries(object).reverse()) as T;
