/** How a host is reached: with its certificates, through the proxies of the environment. */
import { Agent, ProxyAgent, type Dispatcher } from 'undici';
import { CERTIFICATE_DIRECTORIES, tlsIdentity } from './certificates.ts';
import { proxyFor } from './proxy-choice.ts';
import { isListed } from './registry-endpoint.ts';
import type { RegistryOptions } from './registry-options.ts';

const CONNECT_TIMEOUT_MS = 20_000;
/** More requests wait: registries count them. */
const CONNECTIONS_PER_HOST = 6;

/** The caller destroys it. Throws IO when a certificate cannot be read. */
export async function makeDispatcher(url: URL, options: RegistryOptions): Promise<Dispatcher> {
  const {
    insecure = [],
    environment = process.env,
    certificateDirectories = CERTIFICATE_DIRECTORIES,
  } = options;
  const { host } = url;
  const proxy = proxyFor(url, environment);
  // reading the certificates of all authorities takes longer than asking a registry of the own network
  const isPlain = url.protocol === 'http:' && proxy?.protocol !== 'https:';
  const { ca, ...client } = isPlain
    ? { ca: [] }
    : await tlsIdentity(host, certificateDirectories, environment['SSL_CERT_FILE']);
  const { ca: more = [], ...named } = options.identities?.get(host) ?? {};
  const connect = {
    ca: [...ca, ...more],
    ...client,
    ...named,
    rejectUnauthorized: !isListed(host, insecure),
    timeout: CONNECT_TIMEOUT_MS,
  };
  const limits = { connect, connections: CONNECTIONS_PER_HOST };
  if (proxy === undefined) return new Agent(limits);
  return new ProxyAgent({ ...limits, uri: proxy.href, requestTls: connect, proxyTls: { ca: [...ca] } });
}
