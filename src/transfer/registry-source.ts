/** One repository of a registry as a source. Broken downloads go on where they stopped. */
import { createHash } from 'node:crypto';
import { ArchBuildError } from '../errors.ts';
import type { ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { algorithmOf, parseDigest, type Digest } from '../oci/digest.ts';
import { limitOf } from '../oci/limits.ts';
import { parseDocument } from '../oci/manifest.ts';
import { isIndexType, isManifestType, isSchema1Type, MEDIA_TYPES } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import { header, type HttpResponse } from './connections.ts';
import { once } from './once.ts';
import type { Access } from './registry-auth.ts';
import type { RegistryClient } from './registry-client.ts';
import { apiHost } from './registry-endpoint.ts';
import { TransientError } from './registry-errors.ts';
import { retrying, waitToRetry } from './registry-retry.ts';
import { bodyChunks, readBody } from './response-body.ts';

export const MANIFEST_ACCEPT = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerIndex,
  MEDIA_TYPES.dockerManifest,
].join(', ');

/** A download that brought this much since the last failure has a right to all its tries again. Bytes. */
const FRESH_START = 1 << 20;

/** A source that can begin in the middle of a blob. */
export interface RangeSource extends ContentSource {
  readFrom(descriptor: Descriptor, offset: number): AsyncIterable<Uint8Array>;
}

export const isRangeSource = (source: ContentSource): source is RangeSource => 'readFrom' in source;

export class RegistrySource implements RangeSource {
  readonly #client: RegistryClient;
  readonly #access: Access;
  readonly #host: string;
  /** What resolve read: registries count manifest requests. */
  readonly #resolved = new Map<Digest, Buffer>();

  constructor(client: RegistryClient, { domain, path }: Pick<Reference, 'domain' | 'path'>) {
    this.#client = client;
    this.#access = { repository: { domain, path }, actions: 'pull' };
    this.#host = apiHost(domain);
  }

  /**
   * What the tag (`latest` without one) or digest of a reference of this repository means now, verified.
   * Throws IMAGE_NOT_FOUND, DIGEST_MISMATCH, DOCUMENT_INVALID, REGISTRY, REGISTRY_AUTH, NETWORK.
   */
  async resolve({ tag = 'latest', digest }: Pick<Reference, 'tag' | 'digest'>): Promise<Descriptor> {
    const target = digest ?? tag;
    const { bytes, response } = await retrying(this.#client.options, async () => this.#getManifest(target));
    const promised = digest ?? headerDigest(response);
    const actual = digestWith(promised === undefined ? 'sha256' : algorithmOf(promised), bytes);
    if (promised !== undefined && promised !== actual) {
      throw new ArchBuildError('DIGEST_MISMATCH', `${this.#host} sends ${actual} as ${promised}`);
    }
    const mediaType = mediaTypeOf(response, bytes);
    parseDocument(bytes, mediaType);
    this.#resolved.set(actual, bytes);
    return { mediaType, digest: actual, size: bytes.length };
  }

  /** Manifests and indexes by their media type, anything else as a blob. */
  read(descriptor: Descriptor): AsyncIterable<Uint8Array> {
    const known = this.#resolved.get(descriptor.digest);
    if (known !== undefined) return once(known);
    const isDocument = isIndexType(descriptor.mediaType) || isManifestType(descriptor.mediaType);
    return isDocument ? this.#readManifest(descriptor) : this.readFrom(descriptor, 0);
  }

  async *#readManifest({ digest }: Descriptor): AsyncGenerator<Uint8Array, void, undefined> {
    yield (await retrying(this.#client.options, async () => this.#getManifest(digest))).bytes;
  }

  async #getManifest(target: string): Promise<{ bytes: Buffer; response: HttpResponse }> {
    const { path, domain } = this.#access.repository;
    const response = await this.#client.exchange(this.#access, {
      method: 'GET',
      path: `${path}/manifests/${target}`,
      headers: { accept: MANIFEST_ACCEPT },
      what: `the manifest ${target} of ${path}`,
      expect: [404],
    });
    const limits = { host: this.#host, limit: limitOf('manifest-bytes'), stallMs: this.#client.stallMs };
    const bytes = await readBody(response.body, limits);
    if (response.status !== 404) return { bytes, response };
    throw new ArchBuildError(
      'IMAGE_NOT_FOUND',
      `${domain} has no image ${path}${target.includes(':') ? '@' : ':'}${target}`,
      {
        hint: 'check the name and the tag; private images need `arch-build login`',
      },
    );
  }

  /** The bytes of a blob from `offset` on. */
  async *readFrom(descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    let received = offset;
    let failures = 0;
    let receivedAtFailure = offset;
    for (;;) {
      try {
        for await (const chunk of this.#blobFrom(descriptor, received)) {
          received += chunk.length;
          yield chunk;
        }
        if (received >= descriptor.size) return; // what is too much, the reader finds
        throw new TransientError(
          'SIZE_MISMATCH',
          `${this.#host} stopped after ${received} of ${descriptor.size} bytes of ${descriptor.digest}`,
        );
      } catch (error) {
        failures = received - receivedAtFailure >= FRESH_START ? 1 : failures + 1;
        receivedAtFailure = received;
        await waitToRetry(error, failures, this.#client.options);
      }
    }
  }

  /** The blob's bytes from an offset on, whether the server can do ranges or not. */
  async *#blobFrom(
    { digest, size }: Descriptor,
    offset: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { path, domain } = this.#access.repository;
    const response = await this.#client.exchange(this.#access, {
      method: 'GET',
      path: `${path}/blobs/${digest}`,
      headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
      what: `the blob ${digest} of ${path}`,
      expect: [404, 416],
    });
    const { body, status } = response;
    if (status === 404 || status === 416) body.on('error', () => undefined).destroy();
    if (status === 404) throw new ArchBuildError('BLOB_MISSING', `${domain}/${path} does not have ${digest}`);
    if (status === 416)
      throw new ArchBuildError('SIZE_MISMATCH', `${digest} is shorter than the promised ${size} bytes`);
    let skip = status === 206 ? 0 : offset; // 200: from the beginning again
    if (status === 206 && rangeStart(response) !== offset) {
      body.on('error', () => undefined).destroy();
      throw new ArchBuildError(
        'REGISTRY',
        `${this.#host} answers with another range of ${digest} than was asked for`,
      );
    }
    const limit = status === 206 ? size - offset : size;
    requireLength(response, { host: this.#host, digest, expected: limit });
    for await (const chunk of bodyChunks(body, { host: this.#host, limit, stallMs: this.#client.stallMs })) {
      const rest = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - rest.length;
      if (rest.length > 0) yield rest;
    }
  }
}

/** A server that says beforehand that it sends something else is believed: a page for people is no part of a blob. */
function requireLength(
  response: HttpResponse,
  { host, digest, expected }: { readonly host: string; readonly digest: Digest; readonly expected: number },
): void {
  const length = header(response, 'content-length');
  if (length === undefined || Number(length) === expected) return;
  if (header(response, 'content-encoding') !== undefined) return; // then it counts something else
  response.body.on('error', () => undefined).destroy();
  const kind = header(response, 'content-type')?.startsWith('text/html') === true ? ' of HTML' : '';
  throw new ArchBuildError(
    'SIZE_MISMATCH',
    `${host} sends ${length} bytes${kind} for ${digest}, not the promised ${expected}`,
  );
}

function headerDigest(response: HttpResponse): Digest | undefined {
  const text = header(response, 'docker-content-digest');
  return text === undefined ? undefined : parseDigest(text);
}

const digestWith = (algorithm: string, bytes: Buffer): Digest =>
  parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`);

/** The header's, unless it says nothing of use; then the document's own word. */
function mediaTypeOf(response: HttpResponse, bytes: Buffer): string {
  const said = header(response, 'content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (isIndexType(said) || isManifestType(said) || isSchema1Type(said)) return said;
  try {
    const { mediaType } = JSON.parse(bytes.toString('utf8')) as { mediaType?: unknown };
    return typeof mediaType === 'string' ? mediaType : said;
  } catch {
    return said;
  }
}

/** `Content-Range: bytes 5-9/10` */
function rangeStart(response: HttpResponse): number | undefined {
  const match = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(header(response, 'content-range') ?? '');
  return match?.[1] === undefined ? undefined : Number(match[1]);
}
