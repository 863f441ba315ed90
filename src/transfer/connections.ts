/** One pool of connections per host, with the host's certificates, through the proxies of the environment. */
import type { Dispatcher } from 'undici';
import { CERTIFICATE_DIRECTORIES, tlsIdentity } from './certificates.ts';
import { proxyFor } from './proxy-choice.ts';
import { isListed } from './registry-endpoint.ts';
import { networkError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest {
  readonly method: HttpMethod;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
}

export interface HttpResponse {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Must be read to its end or destroyed. */
  readonly body: Dispatcher.ResponseData['body'];
}

export const DEFAULT_STALL_MS = 60_000;
const CONNECT_TIMEOUT_MS = 20_000;
/** More requests wait: registries count them. */
const CONNECTIONS_PER_HOST = 6;

export class Connections implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** One exchange: no redirects, no retries, no judgement of the status. Throws NETWORK, INTERRUPTED. */
  async send(url: URL, { method, headers, body }: HttpRequest): Promise<HttpResponse> {
    const { signal, stallMs = DEFAULT_STALL_MS } = this.#options;
    try {
      const { request } = await import('undici'); // 25 ms that a build without a registry can do without
      const dispatcher = await this.#dispatcherFor(url);
      const response = await request(url, {
        dispatcher,
        method,
        headers: { 'user-agent': 'arch-build', 'accept-encoding': 'identity', ...headers },
        headersTimeout: stallMs,
        bodyTimeout: 0, // response-body.ts watches
        ...(body === undefined ? {} : { body: body as Buffer }),
        ...(signal === undefined ? {} : { signal }),
      });
      return { url, status: response.statusCode, headers: response.headers, body: response.body };
    } catch (cause) {
      throw networkError(url.host, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const dispatchers = await Promise.allSettled(this.#dispatchers.values());
    this.#dispatchers.clear();
    await Promise.all(
      dispatchers.map(async (made) => (made.status === 'fulfilled' ? made.value.destroy() : undefined)),
    );
  }

  #dispatcherFor(url: URL): Promise<Dispatcher> {
    const known = this.#dispatchers.get(url.origin);
    if (known !== undefined) return known;
    const made = this.#makeDispatcher(url);
    this.#dispatchers.set(url.origin, made);
    return made;
  }

  async #makeDispatcher(url: URL): Promise<Dispatcher> {
    const {
      insecure = [],
      environment = process.env,
      certificateDirectories = CERTIFICATE_DIRECTORIES,
    } = this.#options;
    const { host } = url;
    const proxy = proxyFor(url, environment);
    // reading the certificates of all authorities takes longer than asking a registry of the own network
    const isPlain = url.protocol === 'http:' && proxy?.protocol !== 'https:';
    const { ca, ...client } = isPlain
      ? { ca: [] }
      : await tlsIdentity(host, certificateDirectories, environment['SSL_CERT_FILE']);
    const { ca: more = [], ...named } = this.#options.identities?.get(host) ?? {};
    const connect = {
      ca: [...ca, ...more],
      ...client,
      ...named,
      rejectUnauthorized: !isListed(host, insecure),
      timeout: CONNECT_TIMEOUT_MS,
    };
    const { Agent, ProxyAgent } = await import('undici');
    const limits = { connect, connections: CONNECTIONS_PER_HOST };
    if (proxy === undefined) return new Agent(limits);
    return new ProxyAgent({ ...limits, uri: proxy.href, requestTls: connect, proxyTls: { ca: [...ca] } });
  }
}

/** The one value of a header; of several the first. */
export function header(response: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
