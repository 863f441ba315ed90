/** The archives of sealer v0.11: a platform alone, and a list as a tar of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tar from 'tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodedOf } from '../../src/oci/digest.ts';
import { parseIndex, parseManifest } from '../../src/oci/manifest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openImageArchive } from '../../src/transfer/image-archive.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { sealerArchive } from '../../src/transfer/sealer-archive.ts';
import { tarText, writeTar } from '../../src/transfer/tar-writer.ts';
import { addImage, addIndex, collect, MemoryContent } from './memory-content.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sealer-test-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const content = new MemoryContent();
const index = addIndex(content, ['linux/amd64', 'linux/arm64'], { compression: 'gzip' });
const single = addImage(content, 'linux/arm64');
const NAME = 'localhost/hello:v1';
const HOST = { preferredPlatform: parsePlatform('linux/amd64') };

async function archiveOf(root: typeof index): Promise<string> {
  const path = join(directory, `${root.digest.slice(7, 19)}.tar`);
  writeFileSync(
    path,
    await collect(sealerArchive({ content, images: [{ references: [NAME], root }] }, HOST)),
  );
  return path;
}

describe('an archive of sealer v0.11', () => {
  it('of a list has one archive for each platform, named by the image, and the name of the list', async () => {
    const names: string[] = [];
    await tar.list({ file: await archiveOf(index), onReadEntry: ({ path }) => names.push(path) });
    const configs = parseIndex(content.blobs.get(index.digest)!).manifests.map(
      ({ digest }) => parseManifest(content.blobs.get(digest)!).config.digest,
    );
    expect(names).toEqual([...configs.map((digest) => `${encodedOf(digest)}.tar`), 'Metadata']);
  });

  it.each([
    ['a list', index],
    ['one platform', single],
  ])('gives %s back with the same digests', async (_, root) => {
    await using archive = await openImageArchive(await archiveOf(root), directory);
    const [image] = archive.images;
    expect([archive.images.length, image!.references, image!.root.digest]).toEqual([1, [NAME], root.digest]);
    const sink = new MemoryContent();
    await copyGraph(image!.root, { from: archive, to: sink }, { select: archive.selectPresent });
    for (const [digest, bytes] of sink.blobs) expect(content.blobs.get(digest)?.equals(bytes)).toBe(true);
    expect(sink.blobs.has(root.digest)).toBe(true);
  });

  it('is refused when it is damaged, says another name, or has something else in it', async () => {
    const whole = await collect(
      sealerArchive({ content, images: [{ references: [NAME], root: index }] }, HOST),
    );
    const damaged = Buffer.from(whole);
    const at = damaged.indexOf('"mediaType"');
    damaged.write('X', at + 1);
    for (const [name, bytes] of Object.entries({
      cut: whole.subarray(0, whole.length - 2048),
      damaged,
      empty: await collect(writeTar([tarText('Metadata', NAME)])),
      other: await collect(writeTar([tarText('Metadata', '{"a":{"manifests":[]}}'), tarText('x.tar', 'y')])),
    })) {
      const path = join(directory, `${name}.tar`);
      writeFileSync(path, bytes);
      await expect(openImageArchive(path, directory), name).rejects.toMatchObject({
        code: 'ARCHIVE_INVALID',
      });
    }
  });

  it('takes one image, and a name for a list', async () => {
    const two = [index, single].map((root) => ({ references: [NAME], root }));
    await expect(collect(sealerArchive({ content, images: two }, HOST))).rejects.toMatchObject({
      code: 'USAGE',
    });
    const nameless = { content, images: [{ references: [], root: index }] };
    await expect(collect(sealerArchive(nameless, HOST))).rejects.toMatchObject({ code: 'USAGE' });
  });
});
