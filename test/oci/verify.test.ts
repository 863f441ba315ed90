import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { describe as describeContent, type Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, diffIdOfDigest } from '../../src/oci/digest.ts';
import { emptyImageConfig, type ImageConfig } from '../../src/oci/image-config.ts';
import type { Index, Manifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { CONFIG_RULES } from '../../src/oci/verify-config-rules.ts';
import { CONTENT_RULES, INDEX_RULES, LAYER_RULES, MANIFEST_RULES } from '../../src/oci/verify-rules.ts';
import {
  verifyConfig,
  verifyContent,
  verifyIndex,
  verifyLayerHead,
  verifyManifest,
  type Finding,
} from '../../src/oci/verify.ts';

const bytes = Buffer.from('content');
const of = (mediaType: string, change: Partial<Descriptor> = {}): Descriptor => ({
  ...describeContent(bytes, mediaType),
  ...change,
});
const HERE = { where: 'here' };
const rulesOf = (problems: readonly Finding[]): string[] => problems.map(({ code }) => code);

const ociManifest = of(MEDIA_TYPES.ociManifest);
const dockerManifest = of(MEDIA_TYPES.dockerManifest);
const manifest: Manifest = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociManifest,
  config: of(MEDIA_TYPES.ociConfig),
  layers: [of(MEDIA_TYPES.ociLayer), of(MEDIA_TYPES.ociLayerGzip)],
};
const dockerImage: Manifest = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.dockerManifest,
  config: of(MEDIA_TYPES.dockerConfig),
  layers: [of(MEDIA_TYPES.dockerLayerGzip)],
};

describe('manifest rules', () => {
  const data = bytes.toString('base64');
  it.each<[string, Descriptor, Manifest, string[]]>([
    ['an OCI image', ociManifest, manifest, []],
    ['a Docker image', dockerManifest, dockerImage, []],
    ['no mediaType', ociManifest, omit(manifest, 'mediaType'), []],
    ['no Docker mediaType', dockerManifest, omit(dockerImage, 'mediaType'), ['manifest-media-type']],
    [
      'another mediaType',
      dockerManifest,
      { ...dockerImage, mediaType: MEDIA_TYPES.ociManifest },
      ['manifest-media-type'],
    ],
    [
      'a Docker layer',
      ociManifest,
      { ...manifest, layers: [of(MEDIA_TYPES.dockerLayerGzip)] },
      ['manifest-family'],
    ],
    [
      'a Docker config',
      ociManifest,
      { ...manifest, config: of(MEDIA_TYPES.dockerConfig) },
      ['manifest-family'],
    ],
    [
      'Docker annotations',
      dockerManifest,
      { ...dockerImage, annotations: { a: 'b' } },
      ['manifest-docker-extensions'],
    ],
    [
      'Docker zstd',
      dockerManifest,
      { ...dockerImage, layers: [of(MEDIA_TYPES.dockerLayerZstd)] },
      ['manifest-docker-extensions'],
    ],
    [
      'a layer that is none',
      ociManifest,
      { ...manifest, layers: [of('text/plain')] },
      ['manifest-layer-type'],
    ],
    ['an artifact', ociManifest, { ...manifest, config: of('x/y'), layers: [of('text/plain')] }, []],
    [
      'an artifact of no type',
      ociManifest,
      { ...manifest, config: of(MEDIA_TYPES.ociEmpty) },
      ['manifest-artifact-type'],
    ],
    ['right data', ociManifest, { ...manifest, config: of(MEDIA_TYPES.ociConfig, { data }) }, []],
    [
      'wrong data',
      ociManifest,
      { ...manifest, config: of(MEDIA_TYPES.ociConfig, { data: 'AAAA' }) },
      ['manifest-data'],
    ],
    [
      'data of another size',
      ociManifest,
      { ...manifest, layers: [of(MEDIA_TYPES.ociLayer, { data, size: 1 })] },
      ['manifest-data'],
    ],
    [
      'data with odd base64',
      ociManifest,
      { ...manifest, layers: [of(MEDIA_TYPES.ociLayer, { data: data.replace(/=+$/, '') })] },
      ['manifest-data'],
    ],
  ])('find in %s: %j', (...[_name, descriptor, document, rules]) => {
    expect(rulesOf(verifyManifest({ descriptor, manifest: document }, HERE))).toEqual(rules);
  });
});

describe('index rules', () => {
  const at = (platform: string, change: Partial<Descriptor> = {}): Descriptor =>
    of(MEDIA_TYPES.ociManifest, { platform: parsePlatform(platform), ...change });
  const index = (...manifests: Descriptor[]): Index => ({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests,
  });
  it.each<[string, Index, string[]]>([
    ['two platforms', index(at('linux/amd64'), at('linux/arm64')), []],
    ['attestations', index(at('linux/amd64'), at('unknown/unknown'), at('unknown/unknown')), []],
    ['one manifest without platform', index(ociManifest), []],
    ['two manifests, one without', index(at('linux/amd64'), ociManifest), ['index-platform']],
    ['a platform twice', index(at('linux/arm64'), at('linux/arm64/v8')), ['index-platform']],
    [
      'an empty platform',
      index(of(MEDIA_TYPES.ociManifest, { platform: { os: '', architecture: '' } })),
      ['index-platform'],
    ],
    [
      'a Docker manifest',
      index(of(MEDIA_TYPES.dockerManifest, { platform: parsePlatform('linux/amd64') })),
      ['index-family'],
    ],
    ['an unknown media type', index(of('x/y')), []],
    ['no mediaType', omit(index(), 'mediaType'), []],
    ['another mediaType', { ...index(), mediaType: MEDIA_TYPES.dockerIndex }, ['index-media-type']],
    ['wrong data', index(at('linux/amd64', { data: '' })), ['index-data']],
  ])('find in an index with %s: %j', (_name, document, rules) => {
    expect(rulesOf(verifyIndex({ descriptor: of(MEDIA_TYPES.ociIndex), index: document }, HERE))).toEqual(
      rules,
    );
  });
});

describe('config rules', () => {
  const [a, b] = ['a', 'b'].map((text) => diffIdOfDigest(digestOf(text)));
  const config: ImageConfig = {
    ...emptyImageConfig(parsePlatform('linux/arm64')),
    config: { Env: ['A=1'] },
    rootfs: { type: 'layers', diff_ids: [a!, b!] },
    history: [
      { created_by: 'a' },
      { created_by: 'env', empty_layer: true },
      { created_by: 'b', empty_layer: false },
    ],
  };
  const platform = parsePlatform('linux/arm64/v8');
  it.each<[string, ImageConfig, string[]]>([
    ['a good config', config, []],
    ['no history', omit(config, 'history'), []],
    ['an empty history', { ...config, history: [] }, []],
    ['another architecture', { ...config, architecture: 'amd64' }, ['config-platform']],
    ['another os', { ...config, os: 'windows' }, ['config-platform']],
    ['another variant', { ...config, variant: 'v9' }, ['config-platform']],
    ['an os version of its own', { ...config, 'os.version': '10' }, []],
    ['an empty os', { ...config, os: '' }, ['config-platform']],
    [
      'a diff_id too many',
      { ...config, rootfs: { type: 'layers', diff_ids: [a!, b!, b!] } },
      ['config-layer-count', 'config-history-count'],
    ],
    ['a history entry too many', { ...config, history: [...config.history!, {}] }, ['config-history-count']],
    ['a history entry too few', { ...config, history: [{}] }, ['config-history-count']],
    ['an Env without =', { ...config, config: { Env: ['A'] } }, ['config-env']],
    ['an Env without a name', { ...config, config: { Env: ['=1'] } }, ['config-env']],
    ['an Env with NUL', { ...config, config: { Env: ['A=\0'] } }, ['config-env']],
  ])('find in %s: %j', (_name, document, rules) => {
    expect(rulesOf(verifyConfig({ manifest, config: document, platform }, HERE))).toEqual(rules);
  });

  it('compare with no platform when the manifest is in no index', () => {
    expect(verifyConfig({ manifest, config }, HERE)).toEqual([]);
  });
});

describe('content and layer rules', () => {
  it.each<[string, Partial<Descriptor>, string[]]>([
    ['the content', {}, []],
    ['its sha512', { digest: digestOf(bytes, 'sha512') }, []],
    ['another size', { size: 1 }, ['content-size']],
    ['another digest', { digest: digestOf('x') }, ['content-digest']],
  ])('find with %s: %j', (_name, change, rules) => {
    const descriptor = of('x/y', change);
    expect(rulesOf(verifyContent({ descriptor, bytes }, HERE))).toEqual(rules);
  });

  const tar = Buffer.alloc(512);
  tar.write('ustar', 257);
  const oldTar = Buffer.alloc(512);
  oldTar.write('file', 0);
  const sum = oldTar.reduce((total, byte) => total + byte, 8 * 0x20);
  oldTar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const zstd = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  it.each<[string, keyof typeof MEDIA_TYPES, Buffer, boolean]>([
    ['a tar', 'ociLayer', tar, true],
    ['a tar from before ustar', 'ociLayer', oldTar, true],
    ['an empty tar', 'ociLayer', Buffer.alloc(512), true],
    ['gzip said to be a tar', 'ociLayer', gzipSync(tar), false],
    ['gzip said to be a Docker tar', 'dockerLayer', gzipSync(tar), false],
    ['gzip', 'ociLayerGzip', gzipSync(tar), true],
    ['gzip of Docker', 'dockerLayerGzip', gzipSync(tar), true],
    ['a tar said to be gzip', 'ociLayerGzip', tar, false],
    ['zstd', 'ociLayerZstd', zstd, true],
    ['zstd after a skippable frame', 'ociLayerZstd', Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]), true],
    ['zstd said to be gzip', 'ociLayerGzip', zstd, false],
    ['gzip said to be zstd', 'ociLayerZstd', gzipSync(tar), false],
    ['text said to be a tar', 'ociLayer', Buffer.alloc(512, 'x'), false],
    ['nothing said to be gzip', 'ociLayerGzip', Buffer.alloc(0), false],
    ['text that is no layer', 'ociConfig', Buffer.from('{}'), true],
  ])('take %s (%s): %s', (...[_name, type, head, good]) => {
    const problems = verifyLayerHead({ descriptor: of(MEDIA_TYPES[type]), head }, HERE);
    expect(rulesOf(problems)).toEqual(good ? [] : ['layer-compression']);
  });
});

describe('the rules', () => {
  it('have an id of their own and one sentence each, and say where', () => {
    const rules = [...INDEX_RULES, ...MANIFEST_RULES, ...CONFIG_RULES, ...CONTENT_RULES, ...LAYER_RULES];
    expect(new Set(rules.map(({ id }) => id)).size).toBe(rules.length);
    for (const { explain } of rules) expect(explain).toMatch(/^[A-Z][^.]*\.$/);
    const [problem] = verifyContent({ descriptor: of('x/y', { size: 1 }), bytes }, { where: 'the place' });
    expect(problem).toEqual({
      code: 'content-size',
      severity: 'error',
      where: 'the place',
      message: '7 bytes where the descriptor says 1',
    });
  });
});

function omit<T extends object>(object: T, key: keyof T): T {
  const { [key]: _, ...rest } = object;
  return rest as unknown as T;
}
