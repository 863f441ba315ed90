/**
 * One repository of a registry as a sink. Blobs that another repository there has are mounted, not sent. Foreign layers
 * live elsewhere by agreement and count as there.
 */
import { ArchBuildError } from '../errors.ts';
import type { ContentSink } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import { header, type HttpRequest, type HttpResponse } from './connections.ts';
import type { Access } from './registry-auth.ts';
import type { RegistryClient, RegistryRequest } from './registry-client.ts';
import { apiHost, nextAddress } from './registry-endpoint.ts';
import { retrying } from './registry-retry.ts';
import { MANIFEST_ACCEPT } from './registry-source.ts';
import { RegistryUploads } from './registry-upload.ts';
import { discardBody } from './response-body.ts';
import { verified } from './verified-stream.ts';

/** Blobs up to here are kept in memory while they are sent, so that this file can try again. Bytes. */
const BUFFERED = 4 << 20;

/** A token for more repositories makes an address that some servers find too long. */
const MOST_SOURCES = 8;

/** Other repositories of the same registry that are believed to have a blob; by their paths. */
export type MountSources = ReadonlyMap<Digest, readonly string[]>;

export class RegistrySink implements ContentSink {
  readonly #client: RegistryClient;
  readonly #sources: MountSources;
  readonly #uploads: RegistryUploads;
  #access: Access;

  constructor(
    client: RegistryClient,
    { domain, path }: Pick<Reference, 'domain' | 'path'>,
    sources: MountSources = new Map(),
  ) {
    this.#client = client;
    this.#sources = sources;
    const also = [...new Set([...sources.values()].flat())].slice(0, MOST_SOURCES);
    this.#access = { repository: { domain, path }, actions: 'pull,push', also };
    this.#uploads = new RegistryUploads({
      path: `${path}/blobs/uploads/`,
      insecure: client.options.insecure ?? [],
      send: async (request) => this.#exchange(request),
      sendAgain: async (request) => retrying(client.options, async () => this.#exchange(request)),
    });
  }

  async has(descriptor: Descriptor): Promise<boolean> {
    if (isForeignLayerType(descriptor.mediaType)) return true;
    const kind = isDocument(descriptor) ? 'manifests' : 'blobs';
    const headers = isDocument(descriptor) ? { accept: MANIFEST_ACCEPT } : {};
    const request = { method: 'HEAD', headers, expect: [404] } as const;
    const response = await this.#try(`${kind}/${descriptor.digest}`, { ...request, what: descriptor.digest });
    return response.status !== 404;
  }

  /** Throws a TransientError when the data was used up but sending them again may help; REGISTRY, NETWORK… */
  async write(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    if (isDocument(descriptor)) return this.#putManifest(descriptor.digest, descriptor, await collect(data));
    if (await this.#mount(descriptor)) return;
    const checked = verified(descriptor, data);
    if (descriptor.size > BUFFERED) return this.#uploads.upload(descriptor, checked);
    const bytes = await collect(checked);
    return retrying(this.#client.options, async () => this.#upload(descriptor, bytes));
  }

  /** Makes the tag mean a document that is there already. */
  async tag(tag: string, descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
    await this.#putManifest(tag, descriptor, bytes);
  }

  /** False when no repository gives it. */
  async #mount({ digest }: Descriptor): Promise<boolean> {
    for (const from of this.#sources.get(digest) ?? []) {
      if (this.#access.also?.includes(from) !== true) continue;
      const query = new URLSearchParams({ mount: digest, from }).toString();
      const what = `the mount of ${digest} from ${from}`;
      const begun = {
        method: 'POST',
        what,
        headers: { 'content-length': '0' },
        expect: [400, 404, 405],
      } as const;
      const response = await this.#try(`blobs/uploads/?${query}`, begun).catch(ifRefused);
      if (response?.status === 201) {
        this.#client.options.report?.({ type: 'debug', text: `mounted ${digest} from ${from}` });
        return true;
      }
      if (response?.status === 202) await this.#cancel(response);
      if (response === undefined) this.#neverFrom(from);
    }
    return false;
  }

  #neverFrom(path: string): void {
    const { also = [] } = this.#access;
    this.#access = { ...this.#access, also: also.filter((other) => other !== path) };
  }

  /** An upload was begun in the place of the mount. Registries forget it in time if they do not take this. */
  async #cancel(begun: HttpResponse): Promise<void> {
    const path = nextAddress(begun.url, header(begun, 'location'), this.#client.options.insecure ?? []);
    await this.#exchange({ method: 'DELETE', path, what: 'the end of an upload' }).catch(ifRefused);
  }

  async #upload({ digest }: Descriptor, body: Uint8Array): Promise<void> {
    const what = `the upload of ${digest}`;
    const begin = { method: 'POST', what, headers: { 'content-length': '0' } } as const;
    const begun = await this.#try('blobs/uploads/', begin);
    const address = nextAddress(begun.url, header(begun, 'location'), this.#client.options.insecure ?? []);
    address.searchParams.append('digest', digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(body.length) };
    await this.#exchange({ method: 'PUT', path: address, headers, body, what });
  }

  async #putManifest(target: string, { mediaType, digest }: Descriptor, body: Uint8Array): Promise<void> {
    const what = `the manifest ${target}`;
    const response = await this.#try(`manifests/${target}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body,
      what,
    });
    const stored = header(response, 'docker-content-digest');
    if (stored === undefined || stored === digest) return;
    const { domain } = this.#access.repository;
    throw new ArchBuildError('DIGEST_MISMATCH', `${apiHost(domain)} stored ${digest} as ${stored}`);
  }

  /** A request without a body worth reading, tried several times. */
  async #try(
    path: string,
    request: HttpRequest & { what: string; expect?: readonly number[] },
  ): Promise<HttpResponse> {
    const { path: repository } = this.#access.repository;
    const full = { ...request, path: `${repository}/${path}`, what: `${request.what} in ${repository}` };
    return retrying(this.#client.options, async () => this.#exchange(full));
  }

  async #exchange(request: RegistryRequest): Promise<HttpResponse> {
    const response = await this.#ask(request);
    await discardBody(response.body, this.#client.stallMs);
    return response;
  }

  /** Whoever may not read all repositories there is to mount from may still push here. */
  async #ask(request: RegistryRequest): Promise<HttpResponse> {
    const access = this.#access;
    try {
      return await this.#client.exchange(access, request);
    } catch (error) {
      const refused = error instanceof ArchBuildError && error.code === 'REGISTRY_AUTH';
      if (!refused || access.also?.length === 0 || request.method !== 'HEAD') throw error;
      this.#access = { ...access, also: [] };
      return this.#client.exchange(this.#access, request);
    }
  }
}

/** Throws what is no refusal. */
function ifRefused(error: unknown): undefined {
  const refused =
    error instanceof ArchBuildError && (error.code === 'REGISTRY_AUTH' || error.code === 'REGISTRY');
  if (!refused) throw error;
}

const isDocument = ({ mediaType }: Descriptor): boolean =>
  isIndexType(mediaType) || isManifestType(mediaType);

async function collect(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks);
}
