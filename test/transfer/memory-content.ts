/** Sources and sinks in memory, and small images to put into them. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Header } from 'tar/header';
import type { ContentSink, ContentSource } from '../../src/oci/content.ts';
import { describe as describeBytes, type Descriptor } from '../../src/oci/descriptor.ts';
import { diffIdOfDigest, digestOf, type DiffId } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildIndex, buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { ArchBuildError } from '../../src/errors.ts';
import { verified } from '../../src/transfer/verified-stream.ts';

export class MemoryContent implements ContentSource, ContentSink {
  readonly blobs = new Map<string, Buffer>();
  /** Digests in the order in which they were read and written. */
  readonly reads: string[] = [];
  readonly writes: string[] = [];

  add(bytes: Uint8Array, mediaType: string): Descriptor {
    const descriptor = describeBytes(bytes, mediaType);
    this.blobs.set(descriptor.digest, Buffer.from(bytes));
    return descriptor;
  }

  async *read({ digest }: Descriptor): AsyncGenerator<Uint8Array> {
    this.reads.push(digest);
    await Promise.resolve();
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new ArchBuildError('BLOB_MISSING', `${digest} is not in memory`);
    for (let offset = 0; offset < bytes.length || offset === 0; offset += 1000)
      yield bytes.subarray(offset, offset + 1000);
  }

  has({ digest }: Descriptor): Promise<boolean> {
    return Promise.resolve(this.blobs.has(digest));
  }

  async write(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest } = descriptor;
    const chunks: Uint8Array[] = [];
    for await (const chunk of verified(descriptor, data)) chunks.push(chunk);
    this.writes.push(digest);
    this.blobs.set(digest, Buffer.concat(chunks));
  }
}

/** A layer tar with these files. */
export function layerTar(files: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  for (const [path, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const header = new Header({
      path,
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: data.length,
      mtime: new Date(0),
      type: 'File',
    });
    const block = Buffer.alloc(512);
    header.encode(block);
    parts.push(block, data, Buffer.alloc(-data.length & 511));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export interface SampleOptions {
  readonly compression?: 'none' | 'gzip';
  readonly files?: Readonly<Record<string, string>>;
}

/** A runnable-looking image of two layers; the first is the same for all platforms. */
export function addImage(content: MemoryContent, platform: string, options: SampleOptions = {}): Descriptor {
  const { compression = 'none', files = { 'etc/platform': platform } } = options;
  const tars = [layerTar({ 'etc/common': 'the same everywhere\n' }), layerTar(files)];
  const layers = tars.map((tar) =>
    compression === 'gzip'
      ? content.add(gzipSync(tar), MEDIA_TYPES.ociLayerGzip)
      : content.add(tar, MEDIA_TYPES.ociLayer),
  );
  const diff_ids = tars.map((tar): DiffId => diffIdOfDigest(digestOf(tar)));
  const config = formatImageConfig({
    created: '2024-01-31T12:00:00Z',
    ...parsePlatform(platform),
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids },
    history: [{ created_by: 'one' }, { created_by: 'two' }],
  });
  const { bytes, descriptor } = buildManifest({ config: content.add(config, MEDIA_TYPES.ociConfig), layers });
  content.add(bytes, descriptor.mediaType);
  return descriptor;
}

export function addIndex(
  content: MemoryContent,
  platforms: readonly string[],
  options: SampleOptions = {},
): Descriptor {
  const manifests = platforms.map((platform) => ({
    ...addImage(content, platform, options),
    platform: parsePlatform(platform),
  }));
  const { bytes, descriptor } = buildIndex(manifests);
  content.add(bytes, descriptor.mediaType);
  return descriptor;
}

export async function collect(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
