/**
 * Exchanges with registries: finds the address, answers challenges, follows redirects. What is sent to another host
 * than the registry's never carries its Authorization.
 */
import { ArchBuildError } from '../errors.ts';
import { Connections, DEFAULT_STALL_MS, header, type HttpRequest, type HttpResponse } from './connections.ts';
import { RegistryAuth, type Access } from './registry-auth.ts';
import { apiHost, mayUsePlainHttp, nextAddress } from './registry-endpoint.ts';
import { answerError, codeOfCause, quotaWords, TransientError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';
import { discardBody, readBody } from './response-body.ts';

export interface RegistryRequest extends HttpRequest {
  /** Below `/v2/`, or an absolute address the registry gave for an upload. */
  readonly path: string | URL;
  /** For messages: `the manifest v1`. */
  readonly what: string;
  /** Answers that are the caller's business besides 2xx. */
  readonly expect?: readonly number[];
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;
const ERROR_TEXT_LIMIT = 64 << 10;

/** One for a whole command: it keeps connections, tokens and what it knows of hosts. The caller disposes it. */
export class RegistryClient implements AsyncDisposable {
  readonly options: RegistryOptions;
  readonly #connections: Connections;
  readonly #auth: RegistryAuth;
  readonly #bases = new Map<string, Promise<URL>>();

  constructor(options: RegistryOptions = {}) {
    this.options = options;
    this.#connections = new Connections(options);
    this.#auth = new RegistryAuth(this.#connections, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  /** As RegistryAuth's. */
  async identityToken(access: Access): Promise<string | undefined> {
    return this.#auth.identityToken(access);
  }

  get stallMs(): number {
    return this.options.stallMs ?? DEFAULT_STALL_MS;
  }

  /**
   * One try of one request. Throws TransientError when another may help; REGISTRY, REGISTRY_AUTH, NETWORK, INTERRUPTED
   * otherwise. The caller reads the body to its end or destroys it.
   */
  async exchange(access: Access, request: RegistryRequest): Promise<HttpResponse> {
    const base = await this.#base(access.repository.domain);
    const url = typeof request.path === 'string' ? new URL(`/v2/${request.path}`, base) : request.path;
    const first = await this.#auth.current(access);
    let response = await this.#follow(base, url, { ...request, authorization: first });
    if (response.status === 401 && response.url.origin === base.origin) {
      await discardBody(response.body, this.stallMs);
      const authorization = await this.#auth.answer(access, response, first);
      if (isStream(request.body))
        throw new TransientError('REGISTRY_AUTH', `${base.host} wants another token`); // sent already
      response = await this.#follow(base, url, { ...request, authorization });
    }
    const good = response.status >= 200 && response.status < 300;
    if (good || request.expect?.includes(response.status) === true) return response;
    throw await this.#asError(response, request.what);
  }

  async #follow(
    base: URL,
    start: URL,
    { authorization, method, headers, body }: HttpRequest & { readonly authorization: string | undefined },
  ): Promise<HttpResponse> {
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const own = url.origin === base.origin;
      const response = await this.#connections.send(url, {
        method,
        headers: { ...headers, ...(own && authorization !== undefined ? { authorization } : {}) },
        ...(body === undefined ? {} : { body }),
      });
      const canFollow = method === 'GET' || method === 'HEAD';
      if (!REDIRECTS.has(response.status) || !canFollow) return response;
      await discardBody(response.body, this.stallMs);
      if (redirects === MAX_REDIRECTS)
        throw new ArchBuildError('REGISTRY', `${base.host} redirects in circles`);
      url = nextAddress(url, header(response, 'location'), this.options.insecure ?? []);
    }
  }

  async #asError(response: HttpResponse, what: string): Promise<ArchBuildError> {
    const { host } = response.url;
    const limits = { host, limit: ERROR_TEXT_LIMIT, stallMs: this.stallMs };
    const text = await readBody(response.body, limits).catch(() => Buffer.alloc(0));
    const { status } = response;
    return answerError({
      host,
      what,
      status,
      text: text.toString('utf8'),
      retryAfter: header(response, 'retry-after'),
      quota: quotaWords(header(response, 'ratelimit-limit'), header(response, 'ratelimit-remaining')),
    });
  }

  #base(domain: string): Promise<URL> {
    const known = this.#bases.get(domain);
    if (known !== undefined) return known;
    const found = this.#findBase(apiHost(domain));
    this.#bases.set(domain, found);
    found.catch(() => this.#bases.delete(domain));
    return found;
  }

  /** HTTPS; where plain HTTP is allowed, a host that does not speak TLS is spoken to plainly. */
  async #findBase(host: string): Promise<URL> {
    const secure = new URL(`https://${host}/`);
    if (!mayUsePlainHttp(host, this.options.insecure ?? [])) return secure;
    try {
      const { body } = await this.#connections.send(new URL('/v2/', secure), { method: 'GET' });
      await discardBody(body, this.stallMs);
      return secure;
    } catch (error) {
      if (!speaksNoTls(error)) throw error;
      const plain = new URL(`http://${host}/`);
      if (await this.#wantsTls(plain)) throw error;
      return plain;
    }
  }

  /** Servers that speak TLS answer a plain request with 400. Who hangs up on us may have had another reason than TLS. */
  async #wantsTls(plain: URL): Promise<boolean> {
    const { status, body } = await this.#connections.send(new URL('/v2/', plain), { method: 'GET' });
    await discardBody(body, this.stallMs);
    return status === 400;
  }
}

/** An alert is TLS: it means something else is wrong. */
function speaksNoTls(error: unknown): boolean {
  const code = codeOfCause(error);
  return (
    code !== undefined &&
    (/^ERR_SSL_(?!.*ALERT)|^EPROTO$/.test(code) ||
      ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].includes(code))
  );
}

const isStream = (body: HttpRequest['body']): boolean =>
  typeof body === 'object' && Symbol.asyncIterator in body;
