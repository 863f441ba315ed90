/** One repository of a registry as a sink. Foreign layers live elsewhere by agreement and count as there. */
import { ArchBuildError } from '../errors.ts';
import type { ContentSink } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isForeignLayerType, isIndexType, isManifestType } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import { header, type HttpRequest, type HttpResponse } from './connections.ts';
import type { Access } from './registry-auth.ts';
import type { RegistryClient, RegistryRequest } from './registry-client.ts';
import { apiHost, nextAddress } from './registry-endpoint.ts';
import { retrying } from './registry-retry.ts';
import { MANIFEST_ACCEPT } from './registry-source.ts';
import { discardBody } from './response-body.ts';

/** Blobs up to here are kept in memory while they are sent, so that this file can try again. Bytes. */
const BUFFERED = 4 << 20;

export class RegistrySink implements ContentSink {
  readonly #client: RegistryClient;
  readonly #access: Access;

  constructor(client: RegistryClient, { domain, path }: Pick<Reference, 'domain' | 'path'>) {
    this.#client = client;
    this.#access = { repository: { domain, path }, actions: 'pull,push' };
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
    if (descriptor.size > BUFFERED) return this.#upload(descriptor, data);
    const bytes = await collect(data);
    return retrying(this.#client.options, async () => this.#upload(descriptor, bytes));
  }

  /** Makes the tag mean a document that is there already. */
  async tag(tag: string, descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
    await this.#putManifest(tag, descriptor, bytes);
  }

  async #upload({ digest, size }: Descriptor, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    const what = `the upload of ${digest}`;
    const begun = await this.#try('blobs/uploads/', {
      method: 'POST',
      what,
      headers: { 'content-length': '0' },
    });
    const address = nextAddress(begun.url, header(begun, 'location'), this.#client.options.insecure ?? []);
    address.searchParams.append('digest', digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
    const request = { method: 'PUT', path: address, headers, body, what } as const;
    await this.#exchange(request);
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
    const response = await this.#client.exchange(this.#access, request);
    await discardBody(response.body, this.#client.stallMs);
    return response;
  }
}

const isDocument = ({ mediaType }: Descriptor): boolean =>
  isIndexType(mediaType) || isManifestType(mediaType);

async function collect(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks);
}
