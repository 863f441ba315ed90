/** The documents of images anywhere, and which of them are asked for. */
import { describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { buildIndex, parseIndex } from '../../src/oci/manifest.ts';
import { formatPlatform, parsePlatform } from '../../src/oci/platform.ts';
import { describeImage } from '../../src/store/image-details.ts';
import { presentIn } from '../../src/transfer/image-set.ts';
import { readDocuments, type DocumentsWanted } from '../../src/transfer/read-documents.ts';
import { addImage, addIndex, MemoryContent } from './memory-content.ts';

const PLATFORMS = ['linux/amd64', 'linux/arm64', 'linux/arm/v7'];
const arm64 = parsePlatform('linux/arm64');

interface Described {
  readonly platforms: readonly string[];
  readonly missing: readonly string[];
}

async function describeIn(
  content: MemoryContent,
  root: Descriptor,
  wanted: Exclude<DocumentsWanted, 'root'> = 'all',
): Promise<Described> {
  const documents = await readDocuments({ content, select: presentIn(content) }, root, wanted);
  const only = wanted === 'all' ? undefined : wanted;
  const { platforms, missing } = describeImage(documents, { name: undefined, root }, only);
  return {
    platforms: platforms.map(({ platform }) => formatPlatform(platform)),
    missing: missing.map(formatPlatform),
  };
}

describe('the documents of an image', () => {
  it('are its index alone when no more is wanted', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, PLATFORMS);
    const documents = await readDocuments({ content }, root, 'root');
    expect(content.reads).toEqual([root.digest]);
    expect(documents.readDocument(root.digest)).toEqual(content.blobs.get(root.digest));
    const [child] = parseIndex(documents.readDocument(root.digest)).manifests;
    expect(() => documents.readDocument(child!.digest)).toThrow(
      expect.objectContaining({ code: 'BLOB_MISSING' }) as Error,
    );
  });

  it('are index, manifests and configs of all its platforms, but no layer', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, PLATFORMS);
    expect(await describeIn(content, root)).toEqual({ platforms: PLATFORMS, missing: [] });
    expect(new Set(content.reads).size).toBe(1 + 2 * PLATFORMS.length);
    expect(content.reads).toHaveLength(1 + 2 * PLATFORMS.length);
  });

  it('are those of one platform, and what else the index names is not called missing', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, PLATFORMS);
    expect(await describeIn(content, root, arm64)).toEqual({ platforms: ['linux/arm64'], missing: [] });
    expect(content.reads).toHaveLength(3);
  });

  it('are all where the index does not say which is for the platform', async () => {
    const content = new MemoryContent();
    const bare = buildIndex(PLATFORMS.map((platform) => addImage(content, platform)));
    content.add(bare.bytes, bare.descriptor.mediaType);
    expect((await describeIn(content, bare.descriptor, arm64)).platforms).toEqual(PLATFORMS);
    expect((await describeIn(content, bare.descriptor, parsePlatform('linux/s390x'))).platforms).toEqual(
      PLATFORMS,
    );
  });

  it('lack those of the platforms that are not there', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, PLATFORMS);
    const [gone] = parseIndex(content.blobs.get(root.digest)!).manifests;
    content.blobs.delete(gone!.digest);
    expect(await describeIn(content, root)).toEqual({
      platforms: ['linux/arm64', 'linux/arm/v7'],
      missing: ['linux/amd64'],
    });
  });

  it('are verified', async () => {
    const content = new MemoryContent();
    const root = addImage(content, 'linux/amd64');
    const bytes = content.blobs.get(root.digest)!;
    content.blobs.set(
      root.digest,
      Buffer.from(bytes.toString().replace('"schemaVersion":2', '"schemaVersion":3')),
    );
    await expect(readDocuments({ content }, root, 'root')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });
});
