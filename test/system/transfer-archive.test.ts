/** Archives and layouts of ours in the hands of other tools, and theirs in ours. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { encodedOf } from '../../src/oci/digest.ts';
import { parseManifest, selectPlatform, parseIndex } from '../../src/oci/manifest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { dockerArchive } from '../../src/transfer/docker-archive.ts';
import { openImageArchive } from '../../src/transfer/image-archive.ts';
import { ociArchive } from '../../src/transfer/oci-archive.ts';
import { OciLayout } from '../../src/transfer/oci-layout.ts';
import { writeOutputFile } from '../../src/transfer/output-file.ts';
import { addImage, addIndex, MemoryContent } from '../transfer/memory-content.ts';

let directory: string;
let content: MemoryContent;
let index: Descriptor;
let amd64: Descriptor;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'archive-system-'));
  content = new MemoryContent();
  index = addIndex(content, ['linux/arm64', 'linux/amd64'], { compression: 'gzip' });
  amd64 = selectPlatform(parseIndex(content.blobs.get(index.digest)!), parsePlatform('linux/amd64'))!;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const NAME = 'docker.io/library/app:v1';
const AMD64 = { preferredPlatform: parsePlatform('linux/amd64') };

const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

async function savedOci(): Promise<string> {
  const path = join(directory, 'oci.tar');
  await writeOutputFile(path, ociArchive(content, [{ references: [NAME], root: index }], AMD64));
  return path;
}

const configDigest = (manifest: Descriptor): string =>
  parseManifest(content.blobs.get(manifest.digest)!).config.digest;
const platformFile = (root: string): string => readFileSync(join(root, 'etc/platform'), 'utf8');

describe('an OCI archive of ours', () => {
  it('is a tar that GNU tar lists, sorted and dated 1970', async () => {
    const listing = run('tar', '--utc', '-tvf', await savedOci())
      .trim()
      .split('\n');
    expect(listing.every((line) => /^[d-]rw[x-]r-[x-]r-[x-] 0\/0 .* 1970-01-01 00:00 /.test(line))).toBe(
      true,
    );
    const names = listing.map((line) => line.split(' ').at(-1)!);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(
      expect.arrayContaining([
        'blobs/',
        'blobs/sha256/',
        'index.json',
        'manifest.json',
        'oci-layout',
        'repositories',
      ]),
    );
  });

  it('is copied by skopeo with all platforms and the same digests', async () => {
    const path = await savedOci();
    expect(JSON.parse(run('skopeo', 'inspect', '--raw', `oci-archive:${path}`))).toHaveProperty('manifests');
    run('skopeo', 'copy', '--all', `oci-archive:${path}:v1`, `dir:${directory}/copy`);
    expect(readFileSync(join(directory, 'copy/manifest.json'))).toEqual(content.blobs.get(index.digest));
    for (const [digest, bytes] of content.blobs) {
      if (digest === index.digest) continue;
      const hex = digest.slice('sha256:'.length);
      const file = [hex, `${hex}.manifest.json`]
        .map((name) => join(directory, 'copy', name))
        .find(existsSync);
      expect(readFileSync(file!)).toEqual(bytes);
    }
  });

  it('is a docker archive for skopeo: the preferred platform, with the same image id', async () => {
    const path = await savedOci();
    const config = run('skopeo', 'inspect', '--config', '--raw', `docker-archive:${path}:app:v1`);
    expect(Buffer.from(config)).toEqual(content.blobs.get(configDigest(amd64)));
    run('skopeo', 'copy', `docker-archive:${path}:app:v1`, `dir:${directory}/docker`);
  });

  it.each(['oci', 'docker'])('is loaded and unpacked by podman (%s)', async (format) => {
    const path = join(directory, 'save.tar');
    const images = [{ references: [NAME], root: format === 'oci' ? index : amd64 }];
    await writeOutputFile(
      path,
      format === 'oci' ? ociArchive(content, images, AMD64) : dockerArchive(content, images),
    );
    const podman = (...args: string[]): string =>
      run(
        'podman',
        '--root',
        `${directory}/root`,
        '--runroot',
        `${directory}/run`,
        '--storage-driver',
        'vfs',
        ...args,
      );
    try {
      expect(podman('load', '-i', path)).toContain(NAME);
      expect(podman('image', 'inspect', '--format', '{{.Id}}', NAME).trim()).toBe(
        encodedOf(configDigest(amd64) as never),
      );
      expect(platformFile(podman('image', 'mount', NAME).trim())).toBe('linux/amd64');
    } finally {
      podman('image', 'umount', '--all');
    }
  });

  it('is one layout that umoci unpacks', async () => {
    const image = addImage(content, 'linux/s390x', { compression: 'gzip' });
    const path = join(directory, 'one.tar');
    await writeOutputFile(path, ociArchive(content, [{ references: [NAME], root: image }], AMD64));
    mkdirSync(join(directory, 'layout'));
    run('tar', '-xf', path, '-C', join(directory, 'layout'));
    run('umoci', 'unpack', '--image', `${directory}/layout:v1`, join(directory, 'bundle'));
    expect(platformFile(join(directory, 'bundle/rootfs'))).toBe('linux/s390x');
  });

  it('is not there when its source was damaged', async () => {
    const [digest] = [...content.blobs.keys()];
    content.blobs.set(digest!, Buffer.from('other'));
    const path = join(directory, 'oci.tar');
    writeFileSync(path, 'old');
    await expect(savedOci()).rejects.toMatchObject({ name: 'ArchBuildError' });
    expect(readFileSync(path, 'utf8')).toBe('old');
  });
});

describe('archives of others', () => {
  async function load(
    path: string,
  ): Promise<{ names: readonly string[]; root: Descriptor; sink: MemoryContent }> {
    await using archive = await openImageArchive(path, directory);
    const [image] = archive.images;
    const sink = new MemoryContent();
    await copyGraph(image!.root, { from: archive, to: sink }, { select: archive.selectPresent });
    return { names: image!.references, root: image!.root, sink };
  }

  it('of skopeo, OCI with all platforms, give the same digests', async () => {
    const path = join(directory, 'theirs.tar');
    run('skopeo', 'copy', '--all', `oci-archive:${await savedOci()}`, `oci-archive:${path}:${NAME}`);
    const { names, root, sink } = await load(path);
    expect([names, root.digest]).toEqual([[NAME], index.digest]);
    expect([...sink.blobs].sort()).toEqual([...content.blobs].sort());
  });

  it('of skopeo, docker-archive, give the same config', async () => {
    const path = join(directory, 'theirs.tar');
    run('skopeo', 'copy', `oci-archive:${await savedOci()}`, `docker-archive:${path}:app:v1`);
    const { names, root, sink } = await load(path);
    expect(names).toEqual([NAME]);
    const { config, layers } = parseManifest(sink.blobs.get(root.digest)!);
    expect(config.digest).toBe(configDigest(amd64));
    expect(layers).toHaveLength(2);
  });

  it.each(['oci-archive', 'docker-archive'])(
    'of podman save --format %s, compressed with gzip, are read',
    async (format) => {
      const podman = (...args: string[]): string =>
        run(
          'podman',
          '--root',
          `${directory}/root`,
          '--runroot',
          `${directory}/run`,
          '--storage-driver',
          'vfs',
          ...args,
        );
      podman('load', '-i', await savedOci());
      podman('save', '--format', format, '-o', join(directory, 'theirs.tar'), NAME);
      run('gzip', join(directory, 'theirs.tar'));
      const { names, root, sink } = await load(join(directory, 'theirs.tar.gz'));
      expect(names).toEqual([NAME]);
      expect(parseManifest(sink.blobs.get(root.digest)!).config.digest).toBe(configDigest(amd64));
    },
  );
});

describe('an OCI layout', () => {
  it('of ours is read by skopeo and unpacked by umoci', async () => {
    const layout = await OciLayout.create(join(directory, 'layout'));
    const image = addImage(content, 'linux/riscv64', { compression: 'gzip' });
    for (const root of [index, image]) await copyGraph(root, { from: content, to: layout });
    await layout.addImage({ references: [NAME], root: index });
    await layout.addImage({ references: ['docker.io/library/other:v2'], root: image });
    expect(await layout.images()).toEqual([
      { references: [NAME], root: index },
      { references: ['docker.io/library/other:v2'], root: image },
    ]);
    run('skopeo', 'copy', '--all', `oci:${directory}/layout:v1`, `dir:${directory}/copy`);
    expect(readFileSync(join(directory, 'copy/manifest.json'))).toEqual(content.blobs.get(index.digest));
    run('umoci', 'unpack', '--image', `${directory}/layout:v2`, join(directory, 'bundle'));
    expect(platformFile(join(directory, 'bundle/rootfs'))).toBe('linux/riscv64');
  });

  it('of skopeo is a source', async () => {
    run(
      'skopeo',
      'copy',
      '--all',
      `oci-archive:${await savedOci()}`,
      `oci:${directory}/theirs:docker.io/library/app:v1`,
    );
    const layout = await OciLayout.open(join(directory, 'theirs'));
    const [image] = await layout.images();
    expect(image).toEqual({ references: [NAME], tags: [NAME], root: { ...index, digest: index.digest } });
    const sink = new MemoryContent();
    await copyGraph(image!.root, { from: layout, to: sink });
    expect([...sink.blobs].sort()).toEqual([...content.blobs].sort());
  });
});
