/** Against Debian's docker-registry, with skopeo as the other side. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { diffIdOfDigest } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore } from '../../src/store/store.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { pullImage } from '../../src/transfer/pull.ts';
import { pushImage } from '../../src/transfer/push.ts';
import { RegistryClient } from '../../src/transfer/registry-client.ts';
import { RegistrySource } from '../../src/transfer/registry-source.ts';
import { addIndex, MemoryContent } from '../transfer/memory-content.ts';
import { DockerRegistry } from './docker-registry.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'registry-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const options = (
  environment: Record<string, string> = {},
): { environment: Record<string, string>; backoffMs: number } => ({ environment, backoffMs: 5 });

async function pulled(
  host: string,
  path: string,
  tag: string,
): Promise<{ root: Descriptor; content: MemoryContent }> {
  await using client = new RegistryClient(options());
  const source = new RegistrySource(client, { domain: host, path });
  const root = await source.resolve({ tag });
  const content = new MemoryContent();
  await copyGraph(root, { from: source, to: content });
  return { root, content };
}

/** An image with a layer that is too large to be sent from memory. */
function addLargeImage(content: MemoryContent): Descriptor {
  const layer = content.add(randomBytes(9 << 20), MEDIA_TYPES.ociLayer);
  const config = formatImageConfig({
    ...parsePlatform('linux/arm64'),
    rootfs: { type: 'layers', diff_ids: [diffIdOfDigest(layer.digest)] },
  });
  const manifest = buildManifest({ config: content.add(config, MEDIA_TYPES.ociConfig), layers: [layer] });
  return content.add(manifest.bytes, manifest.descriptor.mediaType);
}

describe('docker-registry', () => {
  it('takes what we push and gives it back, to us and to skopeo, with the same digests', async () => {
    await using registry = await DockerRegistry.start(directory);
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64', 'linux/arm/v7'], { compression: 'gzip' });
    await pushImage(content, { root, name: `${registry.host}/team/app:v1` }, options());

    const back = await pulled(registry.host, 'team/app', 'v1');
    expect(back.root).toEqual(root);
    expect([...back.content.blobs].sort()).toEqual([...content.blobs].sort());

    const raw = run(
      'skopeo',
      'inspect',
      '--tls-verify=false',
      '--raw',
      `docker://${registry.host}/team/app:v1`,
    );
    expect(Buffer.from(raw)).toEqual(content.blobs.get(root.digest));
    run(
      'skopeo',
      'copy',
      '--all',
      '--src-tls-verify=false',
      `docker://${registry.host}/team/app:v1`,
      `dir:${directory}/copy`,
    );
  });

  it('gives us what skopeo pushed, Docker types included', async () => {
    await using registry = await DockerRegistry.start(directory);
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64'], { compression: 'gzip' });
    await pushImage(content, { root, name: `${registry.host}/app:oci` }, options());
    const [from, to] = [`docker://${registry.host}/app:oci`, `docker://${registry.host}/app:docker`];
    run(
      'skopeo',
      'copy',
      '--all',
      '--format=v2s2',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      from,
      to,
    );
    const { root: list, content: copied } = await pulled(registry.host, 'app', 'docker');
    expect(list.mediaType).toBe(MEDIA_TYPES.dockerIndex);
    expect(copied.blobs.size).toBe(content.blobs.size);
  });

  it('takes a large layer in one stream, and a second push sends nothing', async () => {
    await using registry = await DockerRegistry.start(directory);
    const content = new MemoryContent();
    const root = addLargeImage(content);
    await pushImage(content, { root, name: `${registry.host}/large` }, options());
    expect((await pulled(registry.host, 'large', 'latest')).root).toEqual(root);
    content.reads.length = 0;
    await pushImage(content, { root, name: `${registry.host}/large:again` }, options());
    expect(new Set(content.reads)).toEqual(new Set([root.digest]));
    expect((await pulled(registry.host, 'large', 'again')).root).toEqual(root);
  });

  it('asks for a password, and gets the one of the docker config', async () => {
    const htpasswd = join(directory, 'htpasswd');
    writeFileSync(htpasswd, run('htpasswd', '-Bbn', 'user', 'secret'));
    await using registry = await DockerRegistry.start(directory, { htpasswd });
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/arm64']);
    const name = `${registry.host}/private/app:v1`;
    await expect(pushImage(content, { root, name }, options())).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
    });
    const auth = Buffer.from('user:secret').toString('base64');
    writeFileSync(
      join(directory, 'config.json'),
      JSON.stringify({ auths: { [`${registry.host}/private`]: { auth } } }),
    );
    await pushImage(content, { root, name }, options({ DOCKER_CONFIG: directory }));
    const raw = run(
      'skopeo',
      'inspect',
      '--creds=user:secret',
      '--tls-verify=false',
      '--raw',
      `docker://${name}`,
    );
    expect(Buffer.from(raw)).toEqual(content.blobs.get(root.digest));
  });

  it('that is read-only says so', async () => {
    await using registry = await DockerRegistry.start(directory, { readOnly: true });
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/arm64']);
    await expect(pushImage(content, { root, name: `${registry.host}/app` }, options())).rejects.toMatchObject(
      {
        code: 'REGISTRY',
        message: expect.stringMatching(/405/) as string,
      },
    );
  });

  it('is spoken to with TLS on loopback too, when it does', async () => {
    const [certificate, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    run(
      'openssl',
      ...`req -x509 -newkey rsa:2048 -nodes -keyout ${key} -out ${certificate} -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1`.split(
        ' ',
      ),
    );
    await using registry = await DockerRegistry.start(directory, { tls: { certificate, key } });
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/arm64']);
    const name = `${registry.host}/app:v1`;
    await expect(pushImage(content, { root, name }, options())).rejects.toMatchObject({ code: 'NETWORK' });
    await pushImage(content, { root, name }, options({ SSL_CERT_FILE: certificate }));
  });
});

describe('pulling into a store', () => {
  it('brings the asked platforms only, under the name and digest of the index', async () => {
    await using registry = await DockerRegistry.start(directory);
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64', 'linux/s390x']);
    const name = `${registry.host}/team/app:v1`;
    await pushImage(content, { root, name }, options());
    await using store = await openStore(join(directory, 'store'));
    const platforms = [parsePlatform('linux/arm64')];
    expect(await pullImage({ store }, name, { ...options(), platforms })).toEqual(root);
    expect(store.images.get(name)).toEqual({ name, root });
    const { manifests } = JSON.parse(content.blobs.get(root.digest)!.toString()) as {
      manifests: Descriptor[];
    };
    const there = manifests.filter(({ digest }) => store.blobs.has(digest));
    expect(there.map(({ platform }) => platform?.architecture)).toEqual(['arm64']);
  });

  it('names the platforms there are when the asked one is missing', async () => {
    await using registry = await DockerRegistry.start(directory);
    const content = new MemoryContent();
    const root = addIndex(content, ['linux/amd64', 'linux/arm64']);
    const name = `${registry.host}/app:v1`;
    await pushImage(content, { root, name }, options());
    await using store = await openStore(join(directory, 'store'));
    const platforms = [parsePlatform('linux/riscv64')];
    await expect(pullImage({ store }, name, { ...options(), platforms })).rejects.toMatchObject({
      code: 'PLATFORM_NOT_FOUND',
      hint: expect.stringContaining('linux/amd64, linux/arm64') as string,
    });
    expect(store.images.list()).toEqual([]);
  });
});
