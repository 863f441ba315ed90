import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { OciLayout } from '../../src/transfer/oci-layout.ts';
import { writeOutputFile } from '../../src/transfer/output-file.ts';
import { once } from '../../src/transfer/once.ts';
import { addImage, addIndex, collect, MemoryContent } from './memory-content.ts';

let directory: string;
let layout: OciLayout;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'layout-'));
  layout = await OciLayout.create(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const layer = (bytes: Buffer): Descriptor => ({
  mediaType: MEDIA_TYPES.ociLayer,
  digest: digestOf(bytes),
  size: bytes.length,
});
const blob = ({ digest }: Descriptor): string =>
  join(directory, 'blobs/sha256', digest.slice('sha256:'.length));

describe('a layout', () => {
  it('gives back what was copied into it', async () => {
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
    await copyGraph(root, { from: content, to: layout });
    await layout.addImage({ references: ['docker.io/library/app:v1'], root });
    const again = await OciLayout.open(directory);
    const back = new MemoryContent();
    await copyGraph((await again.images())[0]!.root, { from: again, to: back });
    expect([...back.blobs].sort()).toEqual([...content.blobs].sort());
  });

  it('moves a name to another image, and keeps the other names', async () => {
    const content = new MemoryContent();
    const [one, two] = [addImage(content, 'linux/amd64'), addImage(content, 'linux/arm64')];
    const [a, b] = ['docker.io/library/a:v1', 'registry.test/b:v2'];
    await layout.addImage({ references: [a, b], root: one });
    await layout.addImage({ references: [a], root: two });
    expect(await layout.images()).toEqual([
      { references: [b], root: one },
      { references: [a], root: two },
    ]);
    await layout.addImage({ references: [b], root: two });
    expect(await layout.images()).toEqual([
      { references: [], root: one },
      { references: [a, b], root: two },
    ]);
  });

  it('replaces an image by another one, which keeps the names it has', async () => {
    const content = new MemoryContent();
    const [one, two] = [addImage(content, 'linux/amd64'), addImage(content, 'linux/arm64')];
    const [a, b] = ['docker.io/library/cache:a', 'docker.io/library/cache:b'];
    await layout.replaceImage({ references: [a], root: one });
    await layout.replaceImage({ references: [a], root: two });
    expect(await layout.images()).toEqual([{ references: [a], root: two }]);
    await layout.replaceImage({ references: [b], root: two });
    expect(await layout.images()).toEqual([{ references: [a, b], root: two }]);
  });

  it('refuses bytes that are not what the descriptor says, and keeps nothing of them', async () => {
    const bytes = Buffer.from('hello');
    await expect(layout.write(layer(Buffer.from('other')), once(bytes))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  });

  it.each(['sha256:../../../etc/passwd', '../x', 'sha256:', 'md5:d41d8cd98f00b204e9800998ecf8427e'])(
    'never makes a path of the digest %s',
    async (text) => {
      const evil = { mediaType: 'x/y', digest: text as Digest, size: 1 };
      await expect(collect(layout.read(evil))).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
      await expect(layout.has(evil)).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
      await expect(layout.write(evil, once(Buffer.from('x')))).rejects.toMatchObject({
        code: 'DIGEST_INVALID',
      });
    },
  );

  it('does not have a blob that is missing, of another size, a directory or a pipe', async () => {
    const descriptor = layer(Buffer.from('hello'));
    expect(await layout.has(descriptor)).toBe(false);
    await expect(collect(layout.read(descriptor))).rejects.toMatchObject({ code: 'BLOB_MISSING' });
    mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
    writeFileSync(blob(descriptor), 'hell');
    expect(await layout.has(descriptor)).toBe(false);
    rmSync(blob(descriptor));
    mkdirSync(blob(descriptor));
    await expect(collect(layout.read(descriptor))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
    rmSync(blob(descriptor), { recursive: true });
    execFileSync('mkfifo', [blob(descriptor)]);
    await expect(collect(layout.read(descriptor))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  it('reads nothing but the blob through a link, because bytes are verified', async () => {
    const descriptor = layer(Buffer.from('hello'));
    writeFileSync(join(directory, 'secret'), 'hallo');
    mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
    symlinkSync(join(directory, 'secret'), blob(descriptor));
    const to = new MemoryContent();
    await expect(copyGraph(descriptor, { from: layout, to })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(to.blobs.size).toBe(0);
  });

  it.each([
    ['no oci-layout', undefined],
    ['an empty one', ''],
    ['another version', '{"imageLayoutVersion":"2.0.0"}'],
    ['null', 'null'],
    ['no text as version', '{"imageLayoutVersion":1}'],
    ['a huge one', ' '.repeat(5 << 20)],
  ])('with %s is ARCHIVE_INVALID', async (_name, text) => {
    rmSync(join(directory, 'oci-layout'));
    if (text !== undefined) writeFileSync(join(directory, 'oci-layout'), text);
    await expect(OciLayout.open(directory)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  });

  it('without index.json has no images, with a bad one is an error', async () => {
    expect(await layout.images()).toEqual([]);
    writeFileSync(join(directory, 'index.json'), '{"schemaVersion":2,"manifests":[{}]}');
    await expect(layout.images()).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
  });
});

describe('writeOutputFile', () => {
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from('half'));
    throw new Error('source broke');
  };

  it('replaces the file, or leaves the old one and nothing else', async () => {
    const path = join(directory, 'out/file');
    mkdirSync(join(directory, 'out'));
    await writeOutputFile(path, once(Buffer.from('first')));
    await expect(writeOutputFile(path, broken())).rejects.toThrow('source broke');
    expect(readFileSync(path, 'utf8')).toBe('first');
    await writeOutputFile(path, once(Buffer.from('second')));
    expect(readFileSync(path, 'utf8')).toBe('second');
    expect(readdirSync(join(directory, 'out'))).toEqual(['file']);
  });

  it('follows a link to the file, and keeps the link', async () => {
    writeFileSync(join(directory, 'real'), 'old');
    symlinkSync('real', join(directory, 'link'));
    await writeOutputFile(join(directory, 'link'), once(Buffer.from('new')));
    expect(readFileSync(join(directory, 'real'), 'utf8')).toBe('new');
    expect(execFileSync('readlink', [join(directory, 'link')], { encoding: 'utf8' }).trim()).toBe('real');
  });

  it('writes into a device as it is', async () => {
    await writeOutputFile('/dev/null', once(Buffer.from('x')));
    expect(execFileSync('stat', ['-c', '%F', '/dev/null'], { encoding: 'utf8' }).trim()).toBe(
      'character special file',
    );
  });

  it.each(['/nowhere/at/all', '/proc/nope'])('is IO for %s', async (path) => {
    await expect(writeOutputFile(path, once(Buffer.from('x')))).rejects.toMatchObject({ code: 'IO' });
  });
});
