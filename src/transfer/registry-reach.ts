/** How far one gets with a registry, told step by step: name, connection, TLS, an answer of the API. */
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { CERTIFICATE_DIRECTORIES, tlsIdentity } from './certificates.ts';
import { proxyFor } from './proxy-choice.ts';
import { apiHost, isLoopbackHost } from './registry-endpoint.ts';

export interface RegistryReach {
  readonly host: string;
  /** The last thing that worked; `answer` is all of it. */
  readonly reached: 'nothing' | 'address' | 'connection' | 'tls' | 'answer';
  readonly words: string;
  readonly hint: string;
}

export interface ReachOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** `domain` as in references: `docker.io`, `localhost:5000`. Throws INTERRUPTED only. */
export async function reachRegistry(
  domain: string,
  { environment, signal }: ReachOptions,
): Promise<RegistryReach> {
  const proxy = proxyOf(domain, environment);
  const target = addressOf(apiHost(domain));
  const way = proxy ?? target;
  const told = (reached: RegistryReach['reached'], words: string, hint: string): RegistryReach => ({
    host: domain,
    reached,
    words: proxy === undefined ? words : `${words} (through the proxy ${proxy.name}:${proxy.port})`,
    hint,
  });
  let reached: RegistryReach['reached'] = 'nothing';
  let socket: Socket | undefined;
  try {
    signal.throwIfAborted();
    const { address } = await lookup(way.name);
    reached = 'address';
    socket = await openTcp(address, way.port);
    if (proxy !== undefined) await tunnel(socket, target);
    reached = 'connection';
    const status = await ask(socket, target, environment['SSL_CERT_FILE']).catch(async (error: unknown) => {
      if (!isLoopbackHost(domain) || proxy !== undefined) throw error;
      socket = await openTcp(address, way.port);
      return askPlainly(socket, target); // a registry on this machine may do without TLS
    });
    reached = 'tls';
    if (status === 200 || status === 401) return told('answer', ANSWERS[status], '');
    return told('tls', `/v2/ answers with HTTP status ${status}`, 'is this the address of a registry');
  } catch (error) {
    if (signal.aborted) throw new ArchBuildError('INTERRUPTED', 'interrupted');
    return told(reached, wordsOf(error), HINTS[reached]);
  } finally {
    socket?.destroy();
  }
}

const ANSWERS = { 200: 'answers', 401: 'answers, and wants a login' } as const;

const HINTS: Readonly<Record<RegistryReach['reached'], string>> = {
  nothing: 'see /etc/resolv.conf, and whether the name is right; behind a proxy set HTTPS_PROXY',
  address: 'a firewall, a wrong port, or a registry that is not running; behind a proxy set HTTPS_PROXY',
  connection:
    'put its authority into /etc/docker/certs.d/HOST/ca.crt; without TLS use --insecure HOST; see also the clock',
  tls: 'try again later',
  answer: '',
};

interface Address {
  readonly name: string;
  readonly port: number;
}

function addressOf(host: string, usualPort = 443): Address {
  const { hostname, port } = new URL(`tcp://${host}`);
  return { name: hostname.replaceAll(/^\[|\]$/g, ''), port: port === '' ? usualPort : Number(port) };
}

function proxyOf(domain: string, environment: ReachOptions['environment']): Address | undefined {
  const proxy = proxyFor(new URL(`https://${apiHost(domain)}`), environment);
  return proxy === undefined ? undefined : addressOf(proxy.host, proxy.protocol === 'https:' ? 443 : 80);
}

const TIMEOUT_MS = 10_000;

function openTcp(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: address, port });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer within 10 seconds')));
    socket.on('error', reject).once('connect', () => resolve(socket)); // errors of later are told to nobody else
  });
}

async function tunnel(socket: Socket, { name, port }: Address): Promise<void> {
  const status = await exchange(socket, `CONNECT ${name}:${port} HTTP/1.1\r\nHost: ${name}:${port}\r\n\r\n`);
  if (status !== 200) throw new Error(`the proxy answers with HTTP status ${status}`);
}

async function ask(socket: Socket, target: Address, bundle: string | undefined): Promise<number> {
  const { ca } = await tlsIdentity(
    `${target.name}:${target.port}`.replace(/:443$/, ''),
    CERTIFICATE_DIRECTORIES,
    bundle,
  );
  const secured = await new Promise<Socket>((resolve, reject) => {
    const tls = connectTls({
      socket,
      servername: /^[\d.:]+$/.test(target.name) ? '' : target.name,
      ca: [...ca],
    });
    tls.on('error', reject).once('secureConnect', () => resolve(tls));
  });
  return askPlainly(secured, target);
}

const askPlainly = (socket: Socket, { name }: Address): Promise<number> =>
  exchange(
    socket,
    `GET /v2/ HTTP/1.1\r\nHost: ${name}\r\nUser-Agent: arch-build\r\nConnection: close\r\n\r\n`,
  );

/** The status of the answer to one request. */
function exchange(socket: Socket, request: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (data: Buffer): void => {
      text += data.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.removeListener('data', read);
      const status = /^HTTP\/1\.\d (\d{3})/.exec(text)?.[1];
      if (status === undefined) reject(new Error('what answers does not speak HTTP'));
      else resolve(Number(status));
    };
    socket
      .once('error', reject)
      .once('end', () => reject(new Error('the connection was closed without an answer')));
    socket.on('data', read);
    socket.write(request);
  });
}

const WORDS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name is unknown',
  EAI_AGAIN: 'no name server answers',
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection is cut',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to its network',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known here',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: 'it does not speak TLS',
};

function wordsOf(error: unknown): string {
  const code = systemErrorCode(error) ?? '';
  const message = error instanceof Error ? error.message : String(error);
  return WORDS[code] ?? (code.startsWith('ERR_SSL') ? 'it does not speak TLS' : message);
}
