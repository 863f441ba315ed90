/**
 * Answers a registry's challenge: Basic, or a bearer token fetched from the realm it names. A token is kept for one
 * repository and one set of actions. Source: distribution "Token Authentication Specification" and "OAuth2".
 */
import { ArchBuildError } from '../errors.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import {
  DEFAULT_STALL_MS,
  header,
  type Connections,
  type HttpRequest,
  type HttpResponse,
} from './connections.ts';
import type { Credentials } from './auth-config.ts';
import { findCredentials } from './credentials.ts';
import { isLoopbackHost } from './registry-endpoint.ts';
import { answerError } from './registry-errors.ts';
import type { RegistryOptions } from './registry-options.ts';
import { retrying } from './registry-retry.ts';
import { readBody } from './response-body.ts';

export type Actions = 'pull' | 'pull,push';

/** Who wants to do what, and where. An empty path stands for the registry itself: logging in. */
export interface Access {
  readonly repository: { readonly domain: string; readonly path: string };
  readonly actions: Actions;
  /** Repositories of the same registry that are to be read as well, under the same token: blobs are mounted from them. */
  readonly also?: readonly string[];
}

interface Authorization {
  readonly value: string;
  /** What may be kept in the place of the password. */
  readonly identityToken?: string;
  /** Milliseconds of Date.now(). */
  readonly expires: number;
}

const TOKEN_LIMIT = 1 << 20;
/** What the specification says when the answer does not. Seconds. */
const DEFAULT_LIFETIME_S = 60;
const CLIENT_ID = 'arch-build';

export class RegistryAuth {
  readonly #connections: Connections;
  readonly #options: RegistryOptions;
  readonly #known = new Map<string, Promise<Authorization>>();

  constructor(connections: Connections, options: RegistryOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  /** What the issuer gave in the place of the password: only for a client that asks for it. */
  async identityToken(access: Access): Promise<string | undefined> {
    return (await this.#known.get(keyOf(access)))?.identityToken;
  }

  /** The Authorization header to send at once, when an earlier challenge for the same access was answered. */
  async current(access: Access): Promise<string | undefined> {
    const known = await this.#known.get(keyOf(access));
    return known !== undefined && known.expires > Date.now() ? known.value : undefined;
  }

  /**
   * The Authorization header for a 401; `refused` is the one it was given for, if any. Requests that are challenged at
   * the same time share one answer. Throws REGISTRY_AUTH when there is no way to answer.
   */
  async answer(access: Access, challenged: HttpResponse, refused: string | undefined): Promise<string> {
    const key = keyOf(access);
    const pending = this.#known.get(key);
    if (pending !== undefined) {
      const known = await pending;
      if (known.value !== refused && known.expires > Date.now()) return known.value;
      if (this.#known.get(key) !== pending) return this.answer(access, challenged, refused);
    }
    const made = this.#make(access, challenged);
    this.#known.set(key, made);
    made.catch(() => this.#known.delete(key));
    return (await made).value;
  }

  async #make(access: Access, challenged: HttpResponse): Promise<Authorization> {
    const { environment = process.env } = this.#options;
    const { domain } = access.repository;
    const challenges = parseChallenges(header(challenged, 'www-authenticate') ?? '');
    const credentials = this.#options.credentials ?? (await findCredentials(access.repository, environment));
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#bearer(access, { challenged, bearer, credentials });
    if (challenges.some(({ scheme }) => scheme === 'basic') && credentials?.type === 'password') {
      return { value: basic(credentials), expires: Infinity };
    }
    const why = challenges.length === 0 ? 'does not say how to log in' : 'wants you to log in';
    throw new ArchBuildError('REGISTRY_AUTH', `${domain} ${why}`, {
      hint: `log in with \`arch-build login ${domain}\``,
    });
  }

  async #bearer(
    access: Access,
    {
      challenged,
      bearer,
      credentials,
    }: { challenged: HttpResponse; bearer: Challenge; credentials: Credentials | undefined },
  ): Promise<Authorization> {
    if (credentials?.type === 'registry-token')
      return { value: `Bearer ${credentials.token}`, expires: Infinity };
    const realm = checkedRealm(challenged.url, bearer.parameters['realm']);
    const request = tokenRequest(realm, {
      service: bearer.parameters['service'],
      scopes: scopesOf(access, bearer.parameters['scope']),
      credentials,
      forKeeps: this.#options.wantsIdentityToken === true,
    });
    return retrying(this.#options, async () => this.#fetchToken(request));
  }

  async #fetchToken({ url, ...request }: HttpRequest & { readonly url: URL }): Promise<Authorization> {
    const response = await this.#connections.send(url, request);
    const stallMs = this.#options.stallMs ?? DEFAULT_STALL_MS;
    const body = await readBody(response.body, { host: url.host, limit: TOKEN_LIMIT, stallMs });
    const text = body.toString('utf8');
    if (response.status !== 200) {
      const { host } = url;
      const { status } = response;
      const error = answerError({
        host,
        what: 'the log-in',
        status,
        text,
        retryAfter: header(response, 'retry-after'),
      });
      if (status >= 500 || status === 429 || status === 408) throw error;
      throw new ArchBuildError('REGISTRY_AUTH', error.message, {
        hint: 'check user name and password, or log in again',
      });
    }
    return parseToken(url.host, text);
  }
}

const keyOf = ({ repository, actions, also = [] }: Access): string =>
  [`${repository.domain}/${repository.path}`, actions, ...also].join(' ');

const basic = ({ username, password }: { readonly username: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/**
 * Where the credentials go. A registry may name another host, but only behind TLS; plain HTTP is for a registry that
 * is spoken to so itself, on the same host or both on loopback.
 */
function checkedRealm(registry: URL, text: string | undefined): URL {
  if (text === undefined || !URL.canParse(text)) {
    throw new ArchBuildError(
      'REGISTRY_AUTH',
      `${registry.host} asks for a token but names no place to get it`,
    );
  }
  const realm = new URL(text);
  const near =
    realm.hostname === registry.hostname || (isLoopbackHost(realm.host) && isLoopbackHost(registry.host));
  const plainAllowed = realm.protocol === 'http:' && registry.protocol === 'http:' && near;
  if ((realm.protocol === 'https:' || plainAllowed) && realm.username === '' && realm.password === '')
    return realm;
  throw new ArchBuildError(
    'REGISTRY_AUTH',
    `${registry.host} wants the log-in sent to ${realm.protocol}//${realm.host}, which is not safe`,
  );
}

/** What the registry asks for, and what we need when that is not in it: some ask for less than the access takes. */
function scopesOf({ repository, actions, also = [] }: Access, asked: string | undefined): string[] {
  const offered = asked === undefined ? [] : asked.split(' ').filter((scope) => scope !== '');
  if (repository.path === '') return offered;
  const needed = [
    `repository:${repository.path}:${actions}`,
    ...also.map((path) => `repository:${path}:pull`),
  ];
  return [...offered, ...needed.filter((need) => !offered.some((scope) => covers(scope, need)))];
}

function covers(offered: string, needed: string): boolean {
  const [type, name, actions] = splitScope(offered);
  const [neededType, neededName, neededActions] = splitScope(needed);
  const has = new Set(actions.split(','));
  return (
    type === neededType && name === neededName && neededActions.split(',').every((action) => has.has(action))
  );
}

/** A name may have a port and so a colon. */
function splitScope(scope: string): [string, string, string] {
  const first = scope.indexOf(':');
  const last = scope.lastIndexOf(':');
  return [scope.slice(0, first), scope.slice(first + 1, last), scope.slice(last + 1)];
}

interface TokenParts {
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** Ask for an identity token, too. */
  readonly forKeeps: boolean;
}

function tokenRequest(
  realm: URL,
  { service, scopes, credentials, forKeeps }: TokenParts,
): HttpRequest & { readonly url: URL } {
  if (credentials?.type === 'identity-token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: CLIENT_ID,
      refresh_token: credentials.token,
    });
    if (service !== undefined) form.set('service', service);
    form.set('scope', scopes.join(' '));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { url: realm, method: 'POST', headers, body: form.toString() };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (forKeeps) url.searchParams.set('offline_token', 'true');
  if (forKeeps) url.searchParams.set('client_id', CLIENT_ID);
  return {
    url,
    method: 'GET',
    headers: credentials?.type === 'password' ? { authorization: basic(credentials) } : {},
  };
}

function parseToken(host: string, text: string): Authorization {
  let answer: {
    token?: unknown;
    access_token?: unknown;
    refresh_token?: unknown;
    expires_in?: unknown;
  } | null;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    answer = null;
  }
  const token = answer?.token || answer?.access_token;
  // A token becomes a header: line breaks in it would be a second one.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new ArchBuildError('REGISTRY_AUTH', `${host} answers the log-in without a token`);
  }
  const seconds =
    typeof answer?.expires_in === 'number'
      ? Math.max(answer.expires_in, DEFAULT_LIFETIME_S)
      : DEFAULT_LIFETIME_S;
  const identityToken = answer?.refresh_token;
  return {
    value: `Bearer ${token}`,
    expires: Date.now() + seconds * 900, // a tenth for clocks and slow requests
    ...(typeof identityToken === 'string' && identityToken !== '' ? { identityToken } : {}),
  };
}
