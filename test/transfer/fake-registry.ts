/**
 * A registry on loopback that remembers what it was asked and lies on request. It reads like a registry: manifests,
 * blobs with ranges, token and Basic authentication. Behaviours run before the honest answer and may replace it.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { MemoryContent, sha256 } from './memory-content.ts';

export interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** True when it has answered (or means never to). */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  registry: FakeRegistry,
) => boolean;

export interface FakeOptions {
  readonly auth?: 'none' | 'basic' | 'token';
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Where the challenge sends for tokens; the registry's own /token by default. */
  readonly realm?: string;
}

export const USER = 'user';
export const PASSWORD = 'pass:word';

export class FakeRegistry implements AsyncDisposable {
  readonly content = new MemoryContent();
  readonly tags = new Map<string, Descriptor>();
  readonly requests: Recorded[] = [];
  readonly behaviours: Behaviour[] = [];
  readonly tokens = new Set<string>();
  /** Repositories that blobs can be mounted from. */
  readonly mountable = new Set<string>();
  /** Uploads that were begun, with what has come of them. */
  readonly uploads = new Map<string, Buffer>();
  /** The next PATCHes are cut after so many bytes, which are kept. */
  readonly cuts: number[] = [];
  /** What /token answers with, besides the token. */
  tokenAnswer: Record<string, unknown> = { expires_in: 300 };
  readonly #server: Server;
  readonly #options: FakeOptions;

  private constructor(options: FakeOptions) {
    this.#options = options;
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#handle(request, response);
    this.#server =
      options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener);
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  static async start(options: FakeOptions = {}): Promise<FakeRegistry> {
    const registry = new FakeRegistry(options);
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.host}`;
  }

  /** Requests whose address contains the text. */
  asked(text: string): Recorded[] {
    return this.requests.filter(({ url }) => url.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    const cut = request.method === 'PATCH' ? this.cuts.shift() : undefined;
    let wasCut = false;
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
      if (cut === undefined || Buffer.concat(chunks).length < cut) continue;
      this.#keep(request.url ?? '', Buffer.concat(chunks).subarray(0, cut));
      request.socket.destroy();
      wasCut = true;
      break;
    }
    const { method = '', url = '', headers } = request;
    this.requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    if (wasCut) return;
    if (this.behaviours.some((behaviour) => behaviour(request, response, this))) return;
    this.#answer(request, response, Buffer.concat(chunks));
  }

  #answer(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
    const { pathname, searchParams } = new URL(request.url ?? '', this.origin);
    const [, kind, target = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    if (pathname === '/token') this.#token(request, response, searchParams);
    else if (!this.#allowed(request)) this.#challenge(response, pathname);
    else if (pathname === '/v2/') response.writeHead(200).end('{}');
    else if (pathname.includes('/blobs/uploads/')) this.#upload(request, response, bytes);
    else if (kind === 'manifests' && request.method === 'PUT') this.#putManifest(request, response, bytes);
    else if (kind === 'manifests') this.#manifest(response, target);
    else if (kind === 'blobs') this.#blob(request, response, target);
    else notFound(response, 'NAME_UNKNOWN');
  }

  #allowed({ headers: { authorization } }: IncomingMessage): boolean {
    const { auth = 'none' } = this.#options;
    if (auth === 'none') return true;
    if (auth === 'token') return this.tokens.has(authorization?.replace(/^Bearer /, '') ?? '');
    return authorization === basicHeader(USER, PASSWORD);
  }

  #challenge(response: ServerResponse, pathname: string): void {
    const { auth, realm = `${this.origin}/token` } = this.#options;
    const repository = /^\/v2\/(.+?)\/(?:manifests|blobs)\//.exec(pathname)?.[1] ?? '';
    const scope = repository === '' ? '' : `,scope="repository:${repository}:pull"`;
    const value = auth === 'basic' ? 'Basic realm="fake"' : `Bearer realm="${realm}",service="fake"${scope}`;
    response
      .writeHead(401, { 'www-authenticate': value })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}');
  }

  #token(request: IncomingMessage, response: ServerResponse, parameters: URLSearchParams): void {
    const form = new URLSearchParams(this.requests.at(-1)?.body);
    const refreshed = request.method === 'POST' && form.get('refresh_token') === 'refresh-me';
    const { authorization } = request.headers;
    if (!refreshed && authorization !== undefined && authorization !== basicHeader(USER, PASSWORD)) {
      return void response
        .writeHead(401)
        .end('{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}');
    }
    const token = `token-${this.tokens.size}-${(parameters.get('scope') ?? form.get('scope') ?? '').replace(/[^a-z]/g, '_')}`;
    this.tokens.add(token);
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ token, ...this.tokenAnswer }));
  }

  /** The place to upload to is relative and has a query, as it may. */
  #upload({ method, url = '' }: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
    const { pathname, searchParams } = new URL(url, this.origin);
    const [digest, mount] = [searchParams.get('digest') ?? '', searchParams.get('mount') ?? ''];
    const have = this.uploads.get(pathname);
    const at = (): Record<string, string> => ({
      location: `${pathname}?state=a%2Fb`,
      range: `0-${Math.max(0, (this.uploads.get(pathname)?.length ?? 0) - 1)}`,
    });
    if (
      method === 'POST' &&
      this.mountable.has(searchParams.get('from') ?? '') &&
      this.content.blobs.has(mount)
    ) {
      response.writeHead(201).end();
    } else if (method === 'POST') {
      const session = `${pathname}session-${this.requests.length}`;
      this.uploads.set(session, Buffer.alloc(0));
      response.writeHead(202, { location: `${session}?state=a%2Fb` }).end();
    } else if (have === undefined) {
      notFound(response, 'BLOB_UPLOAD_UNKNOWN');
    } else if (method === 'DELETE') {
      this.uploads.delete(pathname);
      response.writeHead(204).end();
    } else if (method === 'GET') {
      response.writeHead(204, at()).end();
    } else if (method === 'PATCH') {
      this.#keep(url, bytes);
      response.writeHead(202, at()).end();
    } else if (searchParams.get('state') !== 'a/b' || sha256(Buffer.concat([have, bytes])) !== digest) {
      response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID","message":"not what was promised"}]}');
    } else {
      this.content.blobs.set(digest, Buffer.concat([have, bytes]));
      this.uploads.delete(pathname);
      response.writeHead(201).end();
    }
  }

  #keep(url: string, bytes: Buffer): void {
    const { pathname } = new URL(url, this.origin);
    this.uploads.set(pathname, Buffer.concat([this.uploads.get(pathname) ?? Buffer.alloc(0), bytes]));
  }

  #putManifest({ url = '', headers }: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
    const target = decodeURIComponent(url.split('/').at(-1) ?? '');
    const descriptor = this.content.add(bytes, headers['content-type'] ?? '');
    if (!target.includes(':')) this.tags.set(target, descriptor);
    response.writeHead(201, { 'docker-content-digest': descriptor.digest }).end();
  }

  #manifest(response: ServerResponse, target: string): void {
    const byTag = this.tags.get(target);
    const digest = byTag?.digest ?? target;
    const bytes = this.content.blobs.get(digest);
    if (bytes === undefined) {
      notFound(response, 'MANIFEST_UNKNOWN');
      return;
    }
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string };
    response.writeHead(200, { 'content-type': mediaType, 'docker-content-digest': digest }).end(bytes);
  }

  #blob(request: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.content.blobs.get(digest);
    if (bytes === undefined) {
      notFound(response, 'BLOB_UNKNOWN');
      return;
    }
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start === 0) return void response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    if (start >= bytes.length) return void response.writeHead(416).end();
    const range = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range }).end(bytes.subarray(start));
  }
}

export const basicHeader = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

function notFound(response: ServerResponse, code: string): void {
  response.writeHead(404).end(JSON.stringify({ errors: [{ code, message: 'not known' }] }));
}
