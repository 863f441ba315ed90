/**
 * Large blobs on their way into a repository. One goes in one PATCH; when the connection breaks, the registry is asked
 * how much it has, and gets the rest. Registries that take no large request get pieces.
 * Source: distribution-spec, "Pushing a blob in chunks" and "Resuming".
 */
import { ArchBuildError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { ByteCursor } from './byte-cursor.ts';
import { header, type HttpResponse } from './connections.ts';
import type { RegistryRequest } from './registry-client.ts';
import { nextAddress } from './registry-endpoint.ts';
import { TransientError } from './registry-errors.ts';

/** Sends one request, reads and drops the body. Throws TransientError, REGISTRY, … for what is not expected. */
export type Send = (request: RegistryRequest) => Promise<HttpResponse>;

export interface UploadOptions {
  /** Tries a request without a stream several times. */
  readonly sendAgain: Send;
  /** Sends once. */
  readonly send: Send;
  /** Where an upload begins. */
  readonly path: string;
  readonly insecure: readonly string[];
}

/** The size of the pieces where one request is too large. Bytes. */
const PIECE = 8 << 20;

interface Begun {
  address: URL;
  /** Bytes the registry has. */
  offset: number;
}

export class RegistryUploads {
  readonly #options: UploadOptions;
  /** Broken off, and to be gone on with. */
  readonly #broken = new Map<Digest, URL>();
  #piece = Infinity;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  /** After a TransientError another call with the data from their beginning goes on where this one stopped. */
  async upload(descriptor: Descriptor, data: AsyncIterable<Uint8Array>): Promise<void> {
    const { digest, size } = descriptor;
    const begun = (await this.#resumed(descriptor)) ?? (await this.#begun(digest));
    const start = begun.offset;
    this.#broken.set(digest, begun.address);
    try {
      await using cursor = new ByteCursor(data);
      await cursor.skip(start);
      while (begun.offset < size) await this.#sendPiece(descriptor, begun, cursor);
      await cursor.expectEnd();
      const address = new URL(begun.address);
      address.searchParams.append('digest', digest);
      await this.#options.sendAgain({ ...this.#request('PUT', digest), path: address });
      this.#broken.delete(digest);
    } catch (error) {
      if (error instanceof TransientError) throw error;
      this.#broken.delete(digest);
      throw error;
    }
  }

  async #begun(digest: Digest, wanted = ''): Promise<Begun> {
    const request = this.#request('POST', digest);
    const response = await this.#options.sendAgain({ ...request, path: `${this.#options.path}${wanted}` });
    const least = Number(header(response, 'oci-chunk-min-length') ?? 0);
    if (this.#piece < least) this.#piece = least;
    return { address: this.#next(response), offset: 0 };
  }

  /** Undefined when there is nothing to go on with, or the registry no longer knows it. */
  async #resumed({ digest, size }: Descriptor): Promise<Begun | undefined> {
    const address = this.#broken.get(digest);
    if (address === undefined) return undefined;
    const request = { ...this.#request('GET', digest), path: address, expect: [400, 404, 405, 416] };
    const response = await this.#options.sendAgain(request);
    const last = /^(?:bytes=)?0-(\d+)$/.exec(header(response, 'range') ?? '')?.[1];
    const offset = Number(last ?? 0) + 1;
    // `0-0` is what some say of an upload without a byte
    if (response.status >= 300 || last === undefined || last === '0' || offset > size) return undefined;
    return { address: this.#next(response, address), offset };
  }

  async #sendPiece({ digest, size }: Descriptor, begun: Begun, cursor: ByteCursor): Promise<void> {
    const length = Math.min(this.#piece, size - begun.offset);
    const whole = length === size;
    const request = this.#request('PATCH', digest);
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(length),
      ...(whole ? {} : { 'content-range': `${begun.offset}-${begun.offset + length - 1}` }),
    };
    const body = cursor.take(length);
    let response: HttpResponse;
    try {
      response = await this.#options.send({ ...request, headers, path: begun.address, body, expect: [413] });
    } catch (error) {
      // some hang up on a request that is too large for them, without a word
      if (whole && error instanceof TransientError) this.#piece = PIECE;
      throw error;
    }
    if (response.status === 413) throw this.#tooLarge(digest, length);
    begun.address = this.#next(response, begun.address);
    begun.offset += length;
    this.#broken.set(digest, begun.address);
  }

  #tooLarge(digest: Digest, length: number): ArchBuildError {
    const message = `the registry takes no ${length} bytes at once`;
    if (length <= PIECE) return new ArchBuildError('REGISTRY', `${message} of ${digest}`);
    this.#piece = PIECE;
    return new TransientError('REGISTRY', message);
  }

  #next(response: HttpResponse, before?: URL): URL {
    const location = header(response, 'location') ?? before?.href;
    return nextAddress(response.url, location, this.#options.insecure);
  }

  #request(method: 'POST' | 'PUT' | 'PATCH' | 'GET', digest: Digest): Omit<RegistryRequest, 'path'> {
    const headers: Record<string, string> = method === 'GET' ? {} : { 'content-length': '0' };
    return { method, headers, what: `the upload of ${digest}` };
  }
}
