import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describe as describeBytes, type Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { pushImage, type PushOptions } from '../../src/transfer/push.ts';
import type { MountSources } from '../../src/transfer/registry-sink.ts';
import { FakeRegistry, PASSWORD, USER, type Behaviour } from './fake-registry.ts';
import { addImage, addIndex, MemoryContent } from './memory-content.ts';

let registry: FakeRegistry;
let content: MemoryContent;
let root: Descriptor;
beforeEach(async () => {
  registry = await FakeRegistry.start();
  content = new MemoryContent();
  root = addIndex(content, ['linux/amd64', 'linux/arm64']);
});
afterEach(async () => registry[Symbol.asyncDispose]());

const OPTIONS: PushOptions = { environment: {}, backoffMs: 1, stallMs: 2000, certificateDirectories: [] };
const push = async (tag = 'v1', options: PushOptions = {}): Promise<void> =>
  pushImage(content, { root, name: `${registry.host}/team/app:${tag}` }, { ...OPTIONS, ...options });

/** The behaviour for the first `times` requests of a kind. */
function sometimes(
  what: `${string} ${string}`,
  times: number,
  answer: (response: ServerResponse) => void,
): Behaviour {
  const [method = '', part = ''] = what.split(' ');
  let calls = 0;
  return (request, response) => {
    if (request.method !== method || !(request.url ?? '').includes(part) || calls >= times) return false;
    calls++;
    answer(response);
    return true;
  };
}

/** A layer that is streamed, not kept in memory. */
function addLarge(size = 5 << 20): Descriptor {
  const layer = content.add(randomBytes(size), MEDIA_TYPES.ociLayer);
  const config = content.add(Buffer.from('{}'), MEDIA_TYPES.ociConfig);
  const { bytes, descriptor } = buildManifest({ config, layers: [layer] });
  return content.add(bytes, descriptor.mediaType);
}

describe('pushImage', () => {
  it('sends all content, children before parents, and the tag last', async () => {
    await push();
    for (const [digest, bytes] of content.blobs)
      expect(registry.content.blobs.get(digest)?.equals(bytes)).toBe(true);
    expect(registry.tags).toEqual(new Map([['v1', root]]));
    const puts = registry.requests.filter(({ method }) => method === 'PUT').map(({ url }) => url);
    expect(puts.at(-1)).toBe('/v2/team/app/manifests/v1');
    expect(puts.at(-2)).toBe(`/v2/team/app/manifests/${root.digest}`);
    expect(puts.slice(0, -4).every((url) => url.includes('/blobs/uploads/'))).toBe(true);
  });

  it('sends nothing twice', async () => {
    await push();
    registry.requests.length = 0;
    await push('v2');
    const writes = registry.requests.filter(({ method }) => method !== 'HEAD' && method !== 'GET');
    expect(writes.map(({ method, url }) => `${method} ${url}`)).toEqual(['PUT /v2/team/app/manifests/v2']);
  });

  it('by digest sets no tag', async () => {
    await pushImage(content, { root, name: `${registry.host}/team/app@${root.digest}` }, OPTIONS);
    expect(registry.tags.size).toBe(0);
    expect(registry.content.blobs.has(root.digest)).toBe(true);
  });

  it('refuses the digest of another image, before talking', async () => {
    const name = `${registry.host}/team/app@${digestOf('x')}`;
    await expect(pushImage(content, { root, name }, OPTIONS)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
    expect(registry.requests).toEqual([]);
  });

  it('does not send foreign layers', async () => {
    const config = content.add(Buffer.from('{}'), MEDIA_TYPES.ociConfig);
    const layer = describeBytes(Buffer.from('elsewhere'), MEDIA_TYPES.dockerForeignLayerGzip);
    const { bytes, descriptor } = buildManifest({ config, layers: [layer] });
    root = content.add(bytes, descriptor.mediaType);
    await push();
    expect(registry.asked(layer.digest)).toEqual([]);
  });

  it('asks for a token to pull and push', async () => {
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    const directory = mkdtempSync(join(tmpdir(), 'push-'));
    const auth = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ auths: { [guarded.host]: { auth } } }));
    const environment = { DOCKER_CONFIG: directory };
    await pushImage(content, { root, name: `${guarded.host}/team/app:v1` }, { ...OPTIONS, environment });
    rmSync(directory, { recursive: true });
    const scopes = guarded
      .asked('/token')
      .map(({ url }) => new URL(url, guarded.origin).searchParams.getAll('scope'));
    expect(scopes).toEqual([['repository:team/app:pull', 'repository:team/app:pull,push']]);
  });
});

/** What is in front of some registries takes 10 MB at once. */
const tooLarge =
  (answer: (response: ServerResponse) => void): Behaviour =>
  ({ method, headers }, response) => {
    if (method !== 'PATCH' || Number(headers['content-length']) < 1e7) return false;
    answer(response);
    return true;
  };

describe('blobs that another repository has', () => {
  const sources = (...paths: string[]): MountSources =>
    new Map([...content.blobs.keys()].map((digest) => [parseDigest(digest), paths]));

  it('are mounted, not sent', async () => {
    for (const [digest, bytes] of content.blobs) registry.content.blobs.set(digest, bytes);
    registry.mountable.add('team/base');
    registry.behaviours.push(sometimes('HEAD blobs', 99, (response) => response.writeHead(404).end()));
    await push('v1', { mountSources: sources('team/other', 'team/base') });
    expect(registry.tags.get('v1')).toEqual(root);
    expect(registry.asked('from=team%2Fbase').length).toBeGreaterThan(2);
    expect(registry.requests.filter(({ method }) => method === 'PATCH')).toEqual([]);
    expect(registry.requests.some(({ url }) => url.includes('digest='))).toBe(false);
    expect(registry.uploads.size).toBe(0); // those begun in the place of a mount were ended
  });

  it('are sent when nobody gives them', async () => {
    await push('v1', { mountSources: sources('team/base') });
    expect(registry.tags.get('v1')).toEqual(root);
    expect(registry.uploads.size).toBe(0);
  });

  it.each([400, 401, 403, 404, 405])('are sent when the answer to a mount is %i', async (status) => {
    registry.behaviours.push(sometimes('POST mount=', 99, (response) => response.writeHead(status).end()));
    await push('v1', { mountSources: sources('team/base') });
    expect(registry.tags.get('v1')).toEqual(root);
  });

  it('take one token for all repositories', async () => {
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    const options = { ...OPTIONS, mountSources: sources('team/base', 'team/other') };
    await pushImage(content, { root, name: `${guarded.host}/team/app:v1` }, options);
    expect(tokensOf(guarded)).toEqual([
      [
        'repository:team/app:pull',
        'repository:team/app:pull,push',
        'repository:team/base:pull',
        'repository:team/other:pull',
      ],
    ]);
  });

  it('do without where a token for them is refused', async () => {
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    guarded.behaviours.push((request, response) => {
      if (request.url?.startsWith('/token') !== true || !request.url.includes('base')) return false;
      response.writeHead(403).end();
      return true;
    });
    const options = { ...OPTIONS, mountSources: sources('team/base') };
    await pushImage(content, { root, name: `${guarded.host}/team/app:v1` }, options);
    expect(guarded.tags.get('v1')).toEqual(root);
    expect(guarded.asked('mount=')).toEqual([]);
  });
});

const tokensOf = (of: FakeRegistry): string[][] =>
  of.asked('/token').map(({ url }) => new URL(url, of.origin).searchParams.getAll('scope'));

describe('trouble while pushing', () => {
  it.each<[string, Behaviour]>([
    [
      '503 to the beginning of an upload',
      sometimes('POST uploads', 2, (response) => response.writeHead(503).end()),
    ],
    ['a reset in an upload', sometimes('PUT uploads', 2, (response) => response.destroy())],
    ['500 to a manifest', sometimes('PUT manifests', 2, (response) => response.writeHead(500).end())],
    ['429 to a question', sometimes('HEAD blobs', 2, (response) => response.writeHead(429).end())],
  ])('is coped with: %s', async (_name, behaviour) => {
    registry.behaviours.push(behaviour);
    await push();
    expect(registry.tags.get('v1')).toEqual(root);
  });

  it('in the stream of a large layer makes it be read and sent again', async () => {
    root = addLarge();
    let failed = false;
    registry.behaviours.push(({ method, headers }, response) => {
      if (failed || method !== 'PATCH' || Number(headers['content-length']) < 1e6) return false;
      failed = true;
      response.writeHead(502).end();
      return true;
    });
    await push();
    expect(registry.tags.get('v1')).toEqual(root);
    expect(content.reads.filter((digest) => content.blobs.get(digest)!.length > 1e6)).toHaveLength(2);
  });

  it('in the middle of a large layer makes the rest be sent, wherever it broke', async () => {
    root = addLarge();
    registry.cuts.push(3_000_000, 1_500_000);
    await push();
    expect(registry.tags.get('v1')).toEqual(root);
    const patches = registry.requests.filter(({ method }) => method === 'PATCH');
    expect(patches.map(({ headers }) => headers['content-range'])).toEqual([
      undefined,
      `3000000-${(5 << 20) - 1}`,
      `4500000-${(5 << 20) - 1}`,
    ]);
  });

  it('with a registry that has forgotten the upload makes it begin anew', async () => {
    root = addLarge();
    registry.cuts.push(3_000_000);
    registry.behaviours.push(({ method = '' }) => {
      if (method === 'GET') registry.uploads.clear();
      return false;
    });
    await push();
    expect(registry.tags.get('v1')).toEqual(root);
  });

  it.each<[string, Behaviour]>([
    ['says 413', tooLarge((response) => response.writeHead(413).end())],
    ['hangs up', tooLarge((response) => response.destroy())],
  ])('with a registry that %s to a large request makes it be sent in pieces', async (_name, behaviour) => {
    root = addLarge(20 << 20);
    registry.behaviours.push(behaviour);
    await push();
    expect(registry.tags.get('v1')).toEqual(root);
    const patches = registry.requests.filter(({ method }) => method === 'PATCH').slice(1);
    expect(patches.map(({ headers }) => headers['content-range'])).toEqual([
      `0-${(8 << 20) - 1}`,
      `${8 << 20}-${(16 << 20) - 1}`,
      `${16 << 20}-${(20 << 20) - 1}`,
    ]);
  });

  it.each<[string, Behaviour, string]>([
    [
      'a refusal',
      sometimes('POST uploads', 99, (response) => response.writeHead(403).end()),
      'REGISTRY_AUTH',
    ],
    [
      'a read-only registry',
      sometimes('POST uploads', 99, (response) => response.writeHead(405).end()),
      'REGISTRY',
    ],
    [
      'no place to upload to',
      sometimes('POST uploads', 99, (response) => response.writeHead(202).end()),
      'REGISTRY',
    ],
    [
      'an unsafe place to upload to',
      sometimes('POST uploads', 99, (response) =>
        response.writeHead(202, { location: 'http://storage.invalid/x' }).end(),
      ),
      'REGISTRY',
    ],
    [
      'a place that is no web address',
      sometimes('POST uploads', 99, (response) => response.writeHead(202, { location: 'file:///x' }).end()),
      'REGISTRY',
    ],
    [
      'another digest for a manifest',
      sometimes('PUT manifests', 99, (response) =>
        response.writeHead(201, { 'docker-content-digest': digestOf('x') }).end(),
      ),
      'DIGEST_MISMATCH',
    ],
    [
      'an upload that is never taken',
      sometimes('PUT uploads', 99, (response) => response.writeHead(500).end('boom')),
      'REGISTRY',
    ],
    [
      'a manifest that is not taken',
      sometimes('PUT manifests', 99, (response) => response.writeHead(400).end()),
      'REGISTRY',
    ],
  ])('ends without a tag: %s', async (_name, behaviour, code) => {
    registry.behaviours.push(behaviour);
    await expect(push()).rejects.toMatchObject({ name: 'ArchBuildError', code });
    expect(registry.tags.size).toBe(0);
  });

  it('does not end in a tag when a blob is damaged here', async () => {
    const [digest] = content.blobs.keys();
    content.blobs.set(digest!, Buffer.from('damaged'));
    await expect(push()).rejects.toMatchObject({ name: 'ArchBuildError' });
    expect(registry.tags.size).toBe(0);
    expect(registry.content.blobs.has(digest!)).toBe(false);
  });

  it('sends an upload to another host without Authorization', async () => {
    await using storage = await FakeRegistry.start();
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    storage.behaviours.push(sometimes('PUT bucket', 99, (response) => response.writeHead(201).end()));

    guarded.behaviours.push((request, response) => {
      if (request.method !== 'POST' || request.headers.authorization === undefined) return false;
      response.writeHead(202, { location: `${storage.origin}/bucket?signature=s` }).end();
      return true;
    });
    root = addImage(content, 'linux/s390x');
    await pushImage(content, { root, name: `${guarded.host}/app:v1` }, OPTIONS);
    expect(storage.requests).toHaveLength(3);
    for (const { headers, url } of storage.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(url).toMatch(/^\/bucket\?signature=s&digest=sha256%3A/);
    }
  });
});
