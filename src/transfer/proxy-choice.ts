/**
 * Which proxy of the environment a host is reached through. Small letters win over capitals, as with curl; hosts on
 * loopback are never reached through one.
 */
import { BlockList, isIP } from 'node:net';
import type { Environment } from './auth-config.ts';
import { isLoopbackHost } from './registry-endpoint.ts';

/** Undefined for none. HTTPS goes through HTTP_PROXY, too, when that is the only one. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const variable = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const plain = variable('HTTP_PROXY');
  const text = url.protocol === 'https:' ? variable('HTTPS_PROXY') || plain : plain;
  if (text === '' || isLoopbackHost(url.host) || isExempt(url, variable('NO_PROXY'))) return undefined;
  const address = text.includes('://') ? text : `http://${text}`;
  return URL.canParse(address) ? new URL(address) : undefined;
}

/** `*`, host names with all below them, addresses, and networks such as 10.0.0.0/8; names may have a port. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port === '' ? ({ 'https:': '443' }[url.protocol] ?? '80') : url.port;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || exempts(entry, host, port));
}

function exempts(entry: string, host: string, port: string): boolean {
  const [, network = '', bits = ''] = /^(.+)\/(\d{1,3})$/.exec(entry) ?? [];
  if (network !== '') return isInNetwork(host, network, Number(bits));
  const [, name = entry, wanted = port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (wanted !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '').replace(/^\*?\./, '');
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`));
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, bits, type);
  return list.check(host, type);
}
