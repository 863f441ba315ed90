/** A two-platform image in memory, valid until a test changes something; it can be written as an OCI layout. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { ArchBuildError } from '../../src/errors.ts';
import type { ContentSource } from '../../src/oci/content.ts';
import { describe as describeBytes, type Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, encodedOf, type Digest } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { dirEntry, fileEntry, symlinkEntry, tarOf } from './tar-fixtures.ts';

type Json = Record<string, unknown>;

/** What an image is made of; each field can be replaced before it is built. */
export interface Parts {
  /** Of both platforms. */
  readonly layers?: readonly {
    readonly tar: Buffer;
    readonly stored?: Buffer;
    readonly mediaType?: string;
  }[];
  readonly config?: (config: Json) => Json;
  readonly manifest?: (manifest: Json) => Json;
  readonly index?: (index: Json) => Json;
}

export class ImageFixture implements ContentSource {
  readonly blobs = new Map<string, Buffer>();
  readonly root: Descriptor;
  /** Of the first platform. */
  readonly manifest: Descriptor;
  readonly configs: Descriptor[] = [];
  readonly layers: Descriptor[] = [];

  constructor({
    layers = [{ tar: BASE }, { tar: TOP }],
    config = same,
    manifest = same,
    index = same,
  }: Parts = {}) {
    this.layers = layers.map(({ tar, stored = gzipSync(tar), mediaType = MEDIA_TYPES.ociLayerGzip }) =>
      this.add(stored, mediaType),
    );
    const diffIds = layers.map(({ tar }) => digestOf(tar));
    const manifests = ['amd64', 'arm64'].map((architecture) => {
      const document = config(configOf(architecture, diffIds));
      const configDescriptor = this.add(json(document), MEDIA_TYPES.ociConfig);
      this.configs.push(configDescriptor);
      const parts = {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: configDescriptor,
        layers: this.layers,
      };
      const descriptor = this.add(json(manifest(parts)), MEDIA_TYPES.ociManifest);
      return { ...descriptor, platform: { os: 'linux', architecture } };
    });
    this.manifest = manifests[0]!;
    this.root = this.add(
      json(index({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })),
      MEDIA_TYPES.ociIndex,
    );
  }

  add(bytes: Buffer, mediaType: string): Descriptor {
    const descriptor = describeBytes(bytes, mediaType);
    this.blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  /** Puts other bytes under a digest. */
  damage({ digest }: Descriptor, change: (bytes: Buffer) => Buffer): void {
    this.blobs.set(digest, change(Buffer.from(this.blobs.get(digest)!)));
  }

  async *read({ digest }: Descriptor): AsyncGenerator<Uint8Array> {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new ArchBuildError('BLOB_MISSING', `nothing under ${digest}`);
    for (let at = 0; at < bytes.length; at += 1000)
      yield await Promise.resolve(bytes.subarray(at, at + 1000));
  }

  /** An OCI image layout whose index names the first platform's manifest `image`. */
  writeLayout(directory: string): void {
    mkdirSync(`${directory}/blobs/sha256`, { recursive: true });
    writeFileSync(`${directory}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    const named = { ...this.manifest, annotations: { 'org.opencontainers.image.ref.name': 'image' } };
    writeFileSync(`${directory}/index.json`, json({ schemaVersion: 2, manifests: [named] }));
    for (const [digest, bytes] of this.blobs)
      writeFileSync(`${directory}/blobs/sha256/${encodedOf(digest as Digest)}`, bytes);
  }
}

export const BASE = tarOf([
  dirEntry('etc'),
  fileEntry('etc/os-release', 'ID=test\n'),
  symlinkEntry('lib', 'usr/lib'),
]);
export const TOP = tarOf([
  dirEntry('etc'),
  fileEntry('etc/.wh.os-release'),
  fileEntry('etc/new', 'x'.repeat(5000)),
]);

const same = (document: Json): Json => document;
export const json = (document: Json): Buffer => Buffer.from(JSON.stringify(document));

function configOf(architecture: string, diffIds: readonly Digest[]): Json {
  return {
    created: '2024-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: [...diffIds.map(() => ({ created_by: 'layer' })), { created_by: 'ENV', empty_layer: true }],
  };
}
