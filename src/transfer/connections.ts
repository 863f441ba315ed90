/** One pool of connections per host. */
import type { Dispatcher } from 'undici';
import { networkError, type Advice } from './registry-errors.ts';
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

export class Connections implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #advice: Advice | undefined;
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>();

  /** The advice is for hosts that cannot be reached or believed; that for images unless said. */
  constructor(options: RegistryOptions, advice?: Advice) {
    this.#options = options;
    this.#advice = advice;
  }

  /** One exchange: no redirects, no retries, no judgement of the status. Throws NETWORK, INTERRUPTED. */
  async send(url: URL, { method, headers, body }: HttpRequest): Promise<HttpResponse> {
    const { signal, stallMs = DEFAULT_STALL_MS } = this.#options;
    try {
      const dispatcher = await this.#dispatcherFor(url);
      const response = await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { 'user-agent': 'arch-build', 'accept-encoding': 'identity', ...headers },
        headersTimeout: stallMs,
        bodyTimeout: 0, // response-body.ts watches
        ...(body === undefined ? {} : { body: body as Buffer }),
        ...(signal === undefined ? {} : { signal }),
      });
      return { url, status: response.statusCode, headers: response.headers, body: response.body };
    } catch (cause) {
      throw networkError(url.host, cause, this.#advice);
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
    const made = this.#load(url);
    this.#dispatchers.set(url.origin, made);
    return made;
  }

  async #load(url: URL): Promise<Dispatcher> {
    const { makeDispatcher } = await import('./dispatcher.ts'); // 25 ms that most builds can do without
    return makeDispatcher(url, this.#options);
  }
}

/** The one value of a header; of several the first. */
export function header(response: Pick<HttpResponse, 'headers'>, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
