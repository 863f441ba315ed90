/** sealer's Image documents and lists: written, read again, and found in layers of a history. */
import { describe, expect, it } from 'vitest';
import { formatSealerImage, parseSealerImage, type SealerImage } from '../../src/cluster/sealer-image.ts';
import { sealerLayers, sealerPlatform } from '../../src/cluster/sealer-layers.ts';
import { formatSealerMetadata, parseSealerMetadata } from '../../src/cluster/sealer-metadata.ts';
import { digestOf, encodedOf } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

const A = digestOf('a');
const B = digestOf('b');

const IMAGE: SealerImage = {
  name: 'kubernetes-multi-arch:v1.19.8',
  platform: { architecture: 'arm64', os: 'linux', variant: 'v8' },
  layers: [
    { id: A, type: 'COPY', value: 'my-mysql charts' },
    { id: B, type: 'BASE', value: 'rootfs cache' },
  ],
  commands: { parent: [], current: ['kubectl apply -f manifests/dashboard.yaml'] },
  arguments: { parent: {}, current: {} },
  labels: {},
  isApplication: false,
  version: 'v0.8.6',
};

const TEXT = `kind: Image
metadata:
  annotations:
    sea.aliyun.com/ClusterFile: |
      apiVersion: sealer.cloud/v2
      kind: Cluster
      metadata:
        creationTimestamp: null
        name: my-cluster
      spec:
        image: kubernetes-multi-arch:v1.19.8
        ssh:
          port: "22"
          user: root
      status: {}
  creationTimestamp: null
  name: kubernetes-multi-arch:v1.19.8
spec:
  id: ID
  image_config:
    args: {}
    cmd:
      current:
      - kubectl apply -f manifests/dashboard.yaml
  layers:
  - id: ${A}
    type: COPY
    value: my-mysql charts
  - id: ${B}
    type: BASE
    value: rootfs cache
  platform:
    architecture: arm64
    os: linux
    variant: v8
  sealer_version: v0.8.6
status: {}
`;

describe('an Image document', () => {
  it('is what sealer writes, and its id the digest of the text without the id', () => {
    const { id, text } = formatSealerImage(IMAGE);
    expect(text).toBe(TEXT.replace('ID', id));
    expect(id).toBe(encodedOf(digestOf(TEXT.replace('  id: ID\n', ''))));
  });

  it('is read as it was written', () => {
    const image: SealerImage = {
      ...IMAGE,
      platform: { architecture: 'amd64', os: 'linux' },
      commands: { parent: ['helm install "x"'], current: ['a: b', 'c'] },
      arguments: { parent: { A: '1' }, current: { B: 'yes' } },
      labels: { 'a.b/c': 'true' },
      isApplication: true,
    };
    const { id, text } = formatSealerImage(image);
    expect(parseSealerImage(text)).toEqual({ ...image, id });
  });

  it.each([
    ['kind: Cluster', 'is of no kind "Image"'],
    ['kind: Image\nspec: [', 'is no YAML'],
    ['kind: Image\nmetadata: {name: x}\nspec: {layers: []}', 'has no spec.id'],
    ['[]', 'has no fields where the document belongs'],
  ])('%j is refused', (text, message) => {
    expect(() => parseSealerImage(text)).toThrow(message);
  });
});

describe('layers', () => {
  it('are told by the history, and are not there without files', () => {
    const history = [
      { created_by: '/bin/sh -c #(nop) ADD file:abc in /' },
      { created_by: 'ENV A=b', empty_layer: true },
      { created_by: 'COPY arm64/helm bin' },
      { created_by: 'RUN /bin/sh -c apt-get install jq' },
      { created_by: 'COPY empty .' },
      { created_by: 'rootfs cache' },
      {},
    ];
    expect(sealerLayers(history, [A, B, A, undefined, B, A])).toEqual([
      { id: A, type: 'COPY', value: 'file:abc in /' },
      { id: B, type: 'COPY', value: 'arm64/helm bin' },
      { id: A, type: 'RUN', value: 'apt-get install jq' },
      { id: B, type: 'BASE', value: 'rootfs cache' },
      { id: A, type: 'BASE', value: 'rootfs cache' },
    ]);
  });

  it.each([
    ['linux/arm64', { architecture: 'arm64', os: 'linux', variant: 'v8' }],
    ['linux/amd64', { architecture: 'amd64', os: 'linux' }],
    ['linux/arm/v7', { architecture: 'arm', os: 'linux', variant: 'v7' }],
  ])('%s has the variant of sealer', (text, expected) => {
    expect(sealerPlatform(parsePlatform(text))).toEqual(expected);
  });
});

describe('the list of images', () => {
  const manifest = {
    id: 'a'.repeat(64),
    created: '2022-03-08T14:23:18Z',
    size: 132,
    platform: IMAGE.platform,
  };

  it('is indented in a store, on one line in an archive, and read from both', () => {
    const metadata = { 'hello:v1': [manifest] };
    expect(formatSealerMetadata(metadata, 'archive')).toBe(
      `{"hello:v1":{"manifests":[{"id":"${manifest.id}","created":"2022-03-08T14:23:18Z","size":132,` +
        '"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}}',
    );
    expect(formatSealerMetadata(metadata, 'store')).toContain('\n\t"hello:v1": {\n\t\t"manifests": [\n');
    for (const form of ['archive', 'store'] as const)
      expect(parseSealerMetadata(formatSealerMetadata(metadata, form))).toEqual(metadata);
  });

  it.each(['{', '[]', '{"a":{}}', '{"a":{"manifests":[{"id":"x"}]}}'])('%s is refused', (text) => {
    expect(() => parseSealerMetadata(text)).toThrow('the image list of sealer');
  });
});
