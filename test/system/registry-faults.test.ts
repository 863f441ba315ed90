/** Debian's docker-registry behind tokens, slow lines and its own death: what is transferred once is not again. */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { diffIdOfDigest, parseDigest } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { openStore } from '../../src/store/store.ts';
import { login } from '../../src/transfer/login.ts';
import { mountSources } from '../../src/transfer/mount-sources.ts';
import { pullImage } from '../../src/transfer/pull.ts';
import { pushImage, type PushOptions } from '../../src/transfer/push.ts';
import { buildProgram } from '../support/child.ts';
import { openScratch, type Scratch } from '../support/scratch.ts';
import { collect, MemoryContent } from '../transfer/memory-content.ts';
import { DockerRegistry } from './docker-registry.ts';
import { SlowLine } from './slow-line.ts';
import { TokenIssuer } from './token-issuer.ts';

const execute = promisify(execFile);

let scratch: Scratch;
let content: MemoryContent;
beforeEach(async () => {
  scratch = await openScratch('faults');
  content = new MemoryContent();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const MB = 1 << 20;
const options = (more: PushOptions = {}): PushOptions => ({
  environment: { DOCKER_CONFIG: scratch.directory },
  certificateDirectories: [],
  backoffMs: 100,
  ...more,
});

function addImage(...sizes: number[]): { root: Descriptor; layers: Descriptor[] } {
  const layers = sizes.map((size) => content.add(randomBytes(size), MEDIA_TYPES.ociLayer));
  const config = formatImageConfig({
    ...parsePlatform('linux/arm64'),
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => diffIdOfDigest(digest)) },
  });
  const manifest = buildManifest({ config: content.add(config, MEDIA_TYPES.ociConfig), layers });
  return { root: content.add(manifest.bytes, manifest.descriptor.mediaType), layers };
}

describe('a slow line', () => {
  // docker-registry itself forgets an upload that was cut in the middle of a request: push.test.ts has one that does not
  it('that is cut twice while a layer goes up ends in a whole layer all the same', async () => {
    await using registry = await DockerRegistry.start(scratch.directory);
    await using line = await SlowLine.to(registry.host, 40 * MB);
    const { root } = addImage(24 * MB);
    const pushed = pushImage(content, { root, name: `${line.host}/app:v1` }, options());
    for (const at of [8 * MB, 16 * MB]) {
      await line.passed('up', at);
      line.cut();
    }
    await pushed;
    expect(line.up).toBeGreaterThan(32 * MB);
    await using store = await openStore(scratch.path('store'));
    expect(await pullImage({ store }, `${registry.host}/app:v1`, options())).toEqual(root);
  });

  it('over which a registry dies and comes back is gone on with, both ways', async () => {
    await using registry = await DockerRegistry.start(scratch.directory);
    await using line = await SlowLine.to(registry.host, 40 * MB);
    const { root, layers } = addImage(24 * MB);
    const pushed = pushImage(content, { root, name: `${line.host}/app:v1` }, options());
    await line.passed('up', 8 * MB);
    await registry.restart();
    await pushed;
    await using store = await openStore(scratch.path('store'));
    const pulled = pullImage({ store }, `${line.host}/app:v1`, options());
    await line.passed('down', 8 * MB);
    await registry.restart();
    expect(await pulled).toEqual(root);
    expect(line.down).toBeLessThan(32 * MB);
    const layer = layers[0]!;
    expect((await collect(store.blobs.read(layer.digest))).equals(content.blobs.get(layer.digest)!)).toBe(
      true,
    );
  });

  it('over which the puller is killed, brings only the rest to the next one', async () => {
    await using registry = await DockerRegistry.start(scratch.directory);
    const { root } = addImage(24 * MB);
    await pushImage(content, { root, name: `${registry.host}/app:v1` }, options());
    await using line = await SlowLine.to(registry.host, 16 * MB);
    using program = await buildProgram(`
      import { openStore } from './store/store.ts';
      import { pullImage } from './transfer/pull.ts';
      const [directory, name] = process.argv.slice(2);
      await using store = await openStore(directory!);
      console.log('pulling');
      await pullImage({ store }, name!, { environment: {}, certificateDirectories: [] });
    `);
    const name = `${line.host}/app:v1`;
    for (const at of [8 * MB, 8 * MB]) {
      await using child = program.start([scratch.path('store'), name]);
      await child.line();
      const before = line.down;
      await line.passed('down', before + at);
      await child.kill();
      line.cut();
    }
    await using store = await openStore(scratch.path('store'));
    expect(store.images.list()).toEqual([]);
    expect(await pullImage({ store }, name, options())).toEqual(root);
    expect(line.down).toBeLessThan(36 * MB); // without: 8 + 8 + 24
  });
});

describe('tokens', () => {
  let issuer: TokenIssuer;
  let registry: DockerRegistry;
  beforeEach(async () => {
    issuer = await TokenIssuer.start({
      directory: scratch.directory,
      user: 'user',
      password: 'secret',
      grants: (repository, known) =>
        known && repository.startsWith('team/')
          ? ['pull', 'push']
          : repository.startsWith('public/')
            ? ['pull']
            : [],
    });
    registry = await DockerRegistry.start(scratch.directory, { token: issuer.config });
  });
  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });
  const logIn = (): void =>
    writeFileSync(
      scratch.path('config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('user:secret').toString('base64') } } }),
    );

  it('open what their holder may do, and nothing else', async () => {
    const { root } = addImage(1000);
    const push = async (path: string): Promise<void> =>
      pushImage(content, { root, name: `${registry.host}/${path}` }, options());
    await expect(push('team/app')).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    logIn();
    await push('team/app');
    await expect(push('other/app')).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    const raw = ['inspect', '--raw', '--creds=user:secret', '--tls-verify=false'];
    const { stdout } = await execute('skopeo', [...raw, `docker://${registry.host}/team/app`]); // asks our issuer
    expect(stdout).toBe(content.blobs.get(root.digest)!.toString());
  });

  it('of a login are kept in the place of the password, and open as much', async () => {
    const domain = registry.host;
    const place = await login({ domain, username: 'user', password: 'secret' }, options());
    const config = execFileSync('cat', [place], { encoding: 'utf8' });
    expect(config).toContain('an-identity-token');
    expect(config).not.toContain(Buffer.from('user:secret').toString('base64'));
    const { root } = addImage(1000);
    await pushImage(content, { root, name: `${domain}/team/app` }, options());
  });

  it('are one for a push that mounts, which sends no byte of what is there', async () => {
    logIn();
    const base = addImage(6 * MB);
    await pushImage(content, { root: base.root, name: `${registry.host}/team/base:1` }, options());
    await using store = await openStore(scratch.path('store'));
    await pullImage({ store }, `${registry.host}/team/base:1`, options());
    issuer.asked.length = 0;
    const set = { content, images: [{ references: [], root: base.root }] };
    const sources = await mountSources(store, set, `${registry.host}/team/app:1`);
    expect(sources).toEqual(new Map([[parseDigest(base.layers[0]!.digest), ['team/base']]]));
    content.reads.length = 0;
    await pushImage(
      content,
      { root: base.root, name: `${registry.host}/team/app:1` },
      options({ mountSources: sources }),
    );
    expect(issuer.asked).toHaveLength(1);
    expect(issuer.asked[0]).toEqual(
      expect.arrayContaining(['repository:team/app:pull,push', 'repository:team/base:pull']),
    );
    expect(content.reads).not.toContain(base.layers[0]!.digest);
    await pullImage({ store }, `${registry.host}/team/app:1`, options());
  });

  it('that may not read the other repository make the blob be sent', async () => {
    logIn();
    const { root, layers } = addImage(6 * MB);
    const forbidden = new Map([[parseDigest(layers[0]!.digest), ['other/base']]]);
    await pushImage(
      content,
      { root, name: `${registry.host}/team/app:1` },
      options({ mountSources: forbidden }),
    );
    await using store = await openStore(scratch.path('store'));
    expect(await pullImage({ store }, `${registry.host}/team/app:1`, options())).toEqual(root);
  });
});

describe('a private authority', () => {
  it('of certs.d is believed for its host, and asks us for a certificate of ours', async () => {
    const [certificate, key] = [scratch.path('cert.pem'), scratch.path('key.pem')];
    const openssl = `req -x509 -newkey rsa:2048 -nodes -keyout ${key} -out ${certificate} -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1`;
    execFileSync('openssl', openssl.split(' '), { stdio: 'ignore' });
    const clientCa = certificate;
    await using registry = await DockerRegistry.start(scratch.directory, {
      tls: { certificate, key, clientCa },
    });
    const { root } = addImage(1000);
    const name = `${registry.host}/app:v1`;
    const folder = scratch.path('certs.d', registry.host);
    mkdirSync(folder, { recursive: true });
    const trusting = options({ certificateDirectories: [scratch.path('certs.d')] });
    execFileSync('cp', [certificate, `${folder}/ca.crt`]);
    await expect(pushImage(content, { root, name }, trusting)).rejects.toMatchObject({ code: 'NETWORK' });
    execFileSync('cp', [certificate, `${folder}/client.cert`]);
    execFileSync('cp', [key, `${folder}/client.key`]);
    await pushImage(content, { root, name }, trusting);
  });
});
