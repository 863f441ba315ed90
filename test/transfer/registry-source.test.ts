import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, parseDigest } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { copyGraph } from '../../src/transfer/copy.ts';
import { RegistryClient } from '../../src/transfer/registry-client.ts';
import type { RegistryOptions } from '../../src/transfer/registry-options.ts';
import { RegistrySource } from '../../src/transfer/registry-source.ts';
import { verified } from '../../src/transfer/verified-stream.ts';
import { FakeRegistry, type Behaviour } from './fake-registry.ts';
import { addImage, addIndex, collect, MemoryContent } from './memory-content.ts';

let registry: FakeRegistry;
let clients: RegistryClient[] = [];

beforeEach(async () => {
  registry = await FakeRegistry.start();
});
afterEach(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]();
  clients = [];
  await registry[Symbol.asyncDispose]();
});

const QUICK: RegistryOptions = { environment: {}, backoffMs: 1, stallMs: 300, certificateDirectories: [] };

function sourceOf(from: FakeRegistry, options: RegistryOptions = {}): RegistrySource {
  const client = new RegistryClient({ ...QUICK, ...options });
  clients.push(client);
  return new RegistrySource(client, { domain: from.host, path: 'team/app' });
}

/** The behaviour for the first `times` requests of a kind. */
function sometimes(
  part: string,
  times: number,
  answer: (response: ServerResponse, call: number) => void,
): Behaviour {
  let calls = 0;
  return (request, response) => {
    if (!(request.url ?? '').includes(part) || calls >= times) return false;
    answer(response, ++calls);
    return true;
  };
}

const always = (part: string, answer: (response: ServerResponse) => void): Behaviour =>
  sometimes(part, Infinity, answer);

describe('an honest registry', () => {
  it('gives an index with everything below it, by tag and by digest', async () => {
    const root = addIndex(registry.content, ['linux/amd64', 'linux/arm64']);
    registry.tags.set('v1', root);
    const source = sourceOf(registry);
    expect(await source.resolve({ tag: 'v1' })).toEqual(root);
    expect(await source.resolve({ digest: root.digest })).toEqual(root);
    const sink = new MemoryContent();
    await copyGraph(root, { from: source, to: sink });
    expect(new Map([...sink.blobs].sort())).toEqual(new Map([...registry.content.blobs].sort()));
  });

  it('is asked for a manifest once, with all types it may answer with', async () => {
    const root = addImage(registry.content, 'linux/arm64');
    registry.tags.set('latest', root);
    const source = sourceOf(registry);
    await copyGraph(await source.resolve({}), { from: source, to: new MemoryContent() });
    const [only, ...more] = registry.asked('/manifests/');
    expect(more).toEqual([]);
    expect(only?.headers.accept).toContain(MEDIA_TYPES.ociIndex);
    expect(only?.headers.accept).toContain(MEDIA_TYPES.dockerManifest);
  });

  it('is not asked for what the sink has', async () => {
    const root = addIndex(registry.content, ['linux/amd64', 'linux/arm64']);
    const source = sourceOf(registry);
    const sink = new MemoryContent();
    for (const [digest, bytes] of registry.content.blobs) sink.blobs.set(digest, bytes);
    await copyGraph(root, { from: source, to: sink });
    expect(registry.asked('/blobs/')).toEqual([]);
    expect(sink.writes).toEqual([]);
  });
});

describe('an image that is not there', () => {
  it.each([
    ['a tag', { tag: 'nope' }, 'IMAGE_NOT_FOUND'],
    ['a digest', { digest: digestOf('nope') }, 'IMAGE_NOT_FOUND'],
  ])('is IMAGE_NOT_FOUND by %s', async (_name, reference, code) => {
    await expect(sourceOf(registry).resolve(reference)).rejects.toMatchObject({ code });
  });

  it('is BLOB_MISSING for a blob', async () => {
    const blob: Descriptor = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf('nope'), size: 4 };
    await expect(collect(sourceOf(registry).read(blob))).rejects.toMatchObject({ code: 'BLOB_MISSING' });
  });
});

describe('a lying registry', () => {
  const blob = randomBytes(300_000);
  let layer: Descriptor;
  beforeEach(() => {
    layer = registry.content.add(blob, MEDIA_TYPES.ociLayerGzip);
  });
  const read = (options?: RegistryOptions): Promise<Buffer> =>
    collect(verified(layer, sourceOf(registry, options).read(layer)));

  it.each<[string, Behaviour, string]>([
    ['other bytes', always('/blobs/', (response) => response.end(randomBytes(300_000))), 'DIGEST_MISMATCH'],
    [
      'more bytes',
      always('/blobs/', (response) => response.end(Buffer.concat([blob, blob]))),
      'SIZE_MISMATCH',
    ],
    ['an endless body', always('/blobs/', (response) => endless(response)), 'SIZE_MISMATCH'],
    ['fewer bytes', always('/blobs/', (response) => response.end(blob.subarray(0, 1000))), 'SIZE_MISMATCH'],
    [
      'a short Content-Length',
      always('/blobs/', (response) =>
        response.writeHead(200, { 'content-length': 1000 }).end(blob.subarray(0, 1000)),
      ),
      'SIZE_MISMATCH',
    ],
    ['nothing for ever', always('/blobs/', (response) => response.writeHead(200).flushHeaders()), 'NETWORK'],
    ['no answer at all', always('/blobs/', () => undefined), 'NETWORK'],
    ['a slow drip', always('/blobs/', (response) => drip(response)), 'NETWORK'],
    [
      'a redirect to a file',
      always('/blobs/', (response) => redirect(response, 'file:///etc/passwd')),
      'REGISTRY',
    ],
    [
      'a redirect in circles',
      always('/blobs/', (response) => redirect(response, '/v2/team/app/blobs/x')),
      'REGISTRY',
    ],
    [
      'a redirect without an address',
      always('/blobs/', (response) => response.writeHead(307).end()),
      'REGISTRY',
    ],
    [
      'a redirect to plain HTTP elsewhere',
      always('/blobs/', (response) => redirect(response, 'http://registry.invalid/x')),
      'REGISTRY',
    ],
    ['a refusal', always('/blobs/', (response) => response.writeHead(403).end()), 'REGISTRY_AUTH'],
    ['a 416', always('/blobs/', (response) => response.writeHead(416).end()), 'SIZE_MISMATCH'],
    [
      'huge headers',
      always('/blobs/', (response) => response.writeHead(200, { 'x-a': 'a'.repeat(100_000) }).end(blob)),
      'NETWORK',
    ],
    [
      'garbage for chunks',
      always('/blobs/', (response) =>
        response.socket?.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
      ),
      'NETWORK',
    ],
    ['garbage for HTTP', always('/blobs/', (response) => response.socket?.end('220 ready\r\n')), 'NETWORK'],
    [
      'a compressed blob',
      always('/blobs/', (response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(blob)),
      ),
      'SIZE_MISMATCH',
    ],
    ['503 for ever', always('/blobs/', (response) => response.writeHead(503).end('busy')), 'REGISTRY'],
    ['a 418', always('/blobs/', (response) => response.writeHead(418).end()), 'REGISTRY'],
  ])('that sends %s does not get through', { timeout: 20_000 }, async (_name, behaviour, code) => {
    registry.behaviours.push(behaviour);
    await expect(read()).rejects.toMatchObject({ name: 'ArchBuildError', code });
  });

  it.each<[string, Behaviour]>([
    ['resets the connection in the middle', sometimes('/blobs/', 2, (response) => cut(response, blob))],
    ['says 503 twice', sometimes('/blobs/', 2, (response) => response.writeHead(503).end())],
    [
      'says 429 with Retry-After',
      sometimes('/blobs/', 1, (response) => response.writeHead(429, { 'retry-after': '0' }).end()),
    ],
    [
      'stalls once',
      sometimes('/blobs/', 1, (response) => response.writeHead(200).write(blob.subarray(0, 5000))),
    ],
    ['answers a Range with 200', restartingAlways(blob)],
  ])('is coped with when it %s', async (_name, behaviour) => {
    registry.behaviours.push(behaviour);
    expect((await read()).equals(blob)).toBe(true);
  });

  it('is asked for the rest only, after a reset', async () => {
    registry.behaviours.push(sometimes('/blobs/', 1, (response) => cut(response, blob)));
    await read();
    const ranges = registry.asked('/blobs/').map(({ headers }) => headers.range);
    expect(ranges).toHaveLength(2);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('that answers with another range does not get through', async () => {
    registry.behaviours.push(
      sometimes('/blobs/', 2, (response, call) =>
        call === 1
          ? cut(response, blob)
          : response
              .writeHead(206, { 'content-range': `bytes 0-${blob.length - 1}/${blob.length}` })
              .end(blob),
      ),
    );
    await expect(read()).rejects.toMatchObject({ code: 'REGISTRY' });
  });

  it('that wants a long wait gets none', async () => {
    registry.behaviours.push(
      always('/blobs/', (response) => response.writeHead(429, { 'retry-after': '86400' }).end()),
    );
    await expect(read()).rejects.toMatchObject({
      code: 'REGISTRY',
      hint: expect.stringContaining('log in') as string,
    });
    expect(registry.asked('/blobs/')).toHaveLength(1);
  });

  it('that counts tells how much there is, and until when', async () => {
    const headers = {
      'retry-after': '300',
      'ratelimit-limit': '100;w=21600',
      'ratelimit-remaining': '0;w=21600',
    };
    registry.behaviours.push(always('/blobs/', (response) => response.writeHead(429, headers).end()));
    await expect(read()).rejects.toMatchObject({
      hint: expect.stringMatching(/100 in 6 hours, 0 left.*arch-build login.*in 300 s/) as string,
    });
  });

  it('has its own words in the error, without control characters', async () => {
    const errors = [{ code: 'DENIED', message: 'quota \u001b[31mexceeded\r\n' }];
    registry.behaviours.push(
      always('/blobs/', (response) => response.writeHead(400).end(JSON.stringify({ errors }))),
    );
    await expect(read()).rejects.toMatchObject({
      message: expect.stringMatching(/400 .*DENIED: quota +\[31mexceeded$/) as string,
    });
  });

  it('ends at once when the user interrupts', async () => {
    const controller = new AbortController();
    registry.behaviours.push(
      always('/blobs/', (response) => {
        response.writeHead(200).flushHeaders();
        setTimeout(() => controller.abort(), 20);
      }),
    );
    const started = Date.now();
    await expect(read({ signal: controller.signal, stallMs: 20_000 })).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(Date.now() - started).toBeLessThan(5000);
  });
});

describe('a lying manifest', () => {
  it.each<[string, (response: ServerResponse, root: Descriptor, bytes: Buffer) => void, string]>([
    [
      'other bytes under a digest',
      (response) => response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest }).end('{}'),
      'DIGEST_MISMATCH',
    ],
    ['too much', (response) => endless(response), 'SIZE_MISMATCH'],
    [
      'a page for people',
      (response, { digest }) =>
        response
          .writeHead(200, { 'content-type': 'text/html', 'docker-content-digest': digest })
          .end('<html>'),
      'DIGEST_MISMATCH',
    ],
    [
      'a wrong Content-Type',
      (response, _root, bytes) =>
        response.writeHead(200, { 'content-type': MEDIA_TYPES.ociIndex }).end(bytes),
      'DOCUMENT_INVALID',
    ],
    [
      'schema 1',
      (response, _root, bytes) =>
        response.writeHead(200, { 'content-type': MEDIA_TYPES.dockerSchema1Signed }).end(bytes),
      'DOCUMENT_INVALID',
    ],
  ])('with %s is refused', async (_name, answer, code) => {
    const root = addImage(registry.content, 'linux/arm64');
    registry.behaviours.push((_request, response) => {
      if (_request.url?.includes('/manifests/') !== true) return false;
      answer(response, root, registry.content.blobs.get(root.digest)!);
      return true;
    });
    await expect(sourceOf(registry).resolve({ digest: root.digest })).rejects.toMatchObject({ code });
  });

  it('whose Docker-Content-Digest is another is refused by tag too', async () => {
    const root = addImage(registry.content, 'linux/arm64');
    registry.behaviours.push(
      always('/manifests/', (response) =>
        response
          .writeHead(200, { 'content-type': root.mediaType, 'docker-content-digest': digestOf('x') })
          .end(registry.content.blobs.get(root.digest)),
      ),
    );
    await expect(sourceOf(registry).resolve({ tag: 'v1' })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('has its media type from the document when the header says nothing', async () => {
    const root = addImage(registry.content, 'linux/arm64');
    registry.behaviours.push(
      always('/manifests/', (response) =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(registry.content.blobs.get(root.digest)),
      ),
    );
    expect(await sourceOf(registry).resolve({ tag: 'v1' })).toEqual(root);
  });
});

describe('a redirect', () => {
  it('is followed to another host, without Authorization', async () => {
    await using other = await FakeRegistry.start();
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    const bytes = randomBytes(5000);
    const layer = guarded.content.add(bytes, MEDIA_TYPES.ociLayer);
    other.content.add(bytes, MEDIA_TYPES.ociLayer);
    guarded.behaviours.push((request, response) => {
      if (request.headers.authorization === undefined || request.url?.includes('/blobs/') !== true)
        return false;
      redirect(response, `${other.origin}/v2/elsewhere/blobs/${layer.digest}`);
      return true;
    });
    expect((await collect(sourceOf(guarded).read(layer))).equals(bytes)).toBe(true);
    expect(other.requests.map(({ url }) => url)).toEqual([`/v2/elsewhere/blobs/${layer.digest}`]);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('to a host that asks for credentials gets none', async () => {
    await using other = await FakeRegistry.start({ auth: 'basic' });
    const layer = registry.content.add(randomBytes(10), MEDIA_TYPES.ociLayer);
    registry.behaviours.push(
      always('/blobs/', (response) => redirect(response, `${other.origin}/v2/a/blobs/${layer.digest}`)),
    );
    await expect(collect(sourceOf(registry).read(layer))).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    expect(other.requests.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });
});

describe('an unreachable registry', () => {
  it.each([
    ['refuses', '127.0.0.1:1', 'refuses connections'],
    ['does not exist', 'registry.invalid', 'no such host'],
  ])('that %s is NETWORK with a hint for hosts without one', async (_name, domain, words) => {
    const client = new RegistryClient(QUICK);
    clients.push(client);
    const source = new RegistrySource(client, { domain, path: 'a' });
    await expect(source.resolve({})).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining(words) as string,
      hint: expect.stringContaining('arch-build load') as string,
    });
  });
});

it('resolves the sha512 digests that a reference may have', async () => {
  const root = addImage(registry.content, 'linux/arm64');
  const bytes = registry.content.blobs.get(root.digest)!;
  const { createHash } = await import('node:crypto');
  const digest = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
  registry.content.blobs.set(digest, bytes);
  expect(await sourceOf(registry).resolve({ digest })).toEqual({ ...root, digest });
});

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(307, { location }).end();
}

/** Half of the blob, then the connection breaks. */
function cut(response: ServerResponse, blob: Buffer): void {
  response.writeHead(200, { 'content-length': blob.length });
  response.write(blob.subarray(0, blob.length / 2), () => setTimeout(() => response.destroy(), 20));
}

function restartingAlways(blob: Buffer): Behaviour {
  let calls = 0;
  return (request, response) => {
    if (request.url?.includes('/blobs/') !== true) return false;
    if (calls++ === 0) cut(response, blob);
    else response.writeHead(200).end(blob);
    return true;
  };
}

function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = Buffer.alloc(64 << 10);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}

function drip(response: ServerResponse): void {
  response.writeHead(200).flushHeaders();
  const timer = setInterval(() => {
    if (response.destroyed) clearInterval(timer);
    else response.write('x');
  }, 50);
}
