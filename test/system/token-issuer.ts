/**
 * Gives tokens that docker-registry believes, to those who know the password: for what `grants` allows, and no more
 * than was asked for. Source: distribution, "Token Authentication Implementation".
 */
import { execFileSync } from 'node:child_process';
import { createSign, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { basicHeader } from '../transfer/fake-registry.ts';
import { TOKEN_ISSUER, TOKEN_SERVICE } from './docker-registry.ts';

export interface IssuerOptions {
  readonly directory: string;
  readonly user: string;
  readonly password: string;
  /** Actions by repository, for who gave the password and for anybody. */
  readonly grants: (repository: string, known: boolean) => readonly string[];
  /** How long a token lasts. Seconds. */
  readonly lifetime?: number;
}

const REFRESH_TOKEN = 'an-identity-token';

export class TokenIssuer implements AsyncDisposable {
  /** The scopes of each request. */
  readonly asked: string[][] = [];
  readonly #options: IssuerOptions;
  readonly #server: Server;
  readonly #key: string;
  readonly #certificate: string;

  private constructor(options: IssuerOptions) {
    this.#options = options;
    this.#key = join(options.directory, 'issuer-key.pem');
    this.#certificate = join(options.directory, 'issuer.pem');
    const openssl = `req -x509 -newkey rsa:2048 -nodes -keyout ${this.#key} -out ${this.#certificate} -days 2 -subj /CN=issuer`;
    execFileSync('openssl', openssl.split(' '), { stdio: 'ignore' });
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(options: IssuerOptions): Promise<TokenIssuer> {
    const issuer = new TokenIssuer(options);
    issuer.#server.listen(0, '127.0.0.1');
    await once(issuer.#server, 'listening');
    return issuer;
  }

  /** For docker-registry. */
  get config(): { realm: string; bundle: string } {
    const { port } = this.#server.address() as AddressInfo;
    return { realm: `http://127.0.0.1:${port}/token`, bundle: this.#certificate };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const form =
      request.method === 'POST' ? new URLSearchParams(Buffer.concat(chunks).toString()) : searchParams;
    const { user, password } = this.#options;
    const { authorization } = request.headers;
    const known =
      authorization === basicHeader(user, password) || form.get('refresh_token') === REFRESH_TOKEN;
    if (!known && (authorization !== undefined || request.method === 'POST')) {
      response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"who is that"}]}');
      return;
    }
    const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '));
    this.asked.push(scopes);
    const offline = known && form.get('offline_token') === 'true' ? { refresh_token: REFRESH_TOKEN } : {};
    const token = this.#sign(scopes.map((scope) => this.#access(scope, known)));
    response
      .writeHead(200)
      .end(JSON.stringify({ token, expires_in: this.#options.lifetime ?? 300, ...offline }));
  }

  #access(scope: string, known: boolean): object {
    const [type = '', name = '', actions = ''] = scope.split(':');
    const granted = this.#options.grants(name, known);
    return { type, name, actions: actions.split(',').filter((action) => granted.includes(action)) };
  }

  #sign(access: readonly object[]): string {
    const now = Math.floor(Date.now() / 1000);
    const certificate = readFileSync(this.#certificate, 'utf8').replace(/-----[^-]+-----|\s/g, '');
    const { lifetime = 300 } = this.#options;
    const claims = {
      iss: TOKEN_ISSUER,
      sub: '',
      aud: TOKEN_SERVICE,
      exp: now + lifetime,
      nbf: now - 10,
      iat: now,
    };
    const words = [
      { typ: 'JWT', alg: 'RS256', x5c: [certificate] },
      { ...claims, jti: randomUUID(), access },
    ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
    const signature = createSign('RSA-SHA256').update(words.join('.')).sign(readFileSync(this.#key, 'utf8'));
    return [...words, signature.toString('base64url')].join('.');
  }
}
