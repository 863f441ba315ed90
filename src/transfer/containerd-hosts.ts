/**
 * hosts.toml of containerd: `<directory>/<host>/hosts.toml` names mirrors of a host with their certificates. The
 * directory of a port is `host:port` or `host_port_`, and `_default` is for every host without one.
 * Source: containerd's docs/hosts.md.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { apiHost } from './registry-endpoint.ts';
import { badFile, isTable, readToml, textsIn, type TomlTable } from './toml-file.ts';

export interface ContainerdHost {
  /** `host[:port]` */
  readonly host: string;
  /** In front of the repository: `hub/` when the host serves docker.io below hub. */
  readonly pathPrefix: string;
  readonly insecure: boolean;
  readonly canPush: boolean;
  readonly canPull: boolean;
  readonly ca: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string };
}

export const CONTAINERD_DIRECTORY = '/etc/containerd/certs.d';

/** Those to ask for images of the domain, best first; undefined when containerd is told nothing. Throws REGISTRY. */
export async function containerdHosts(
  domain: string,
  directory: string,
): Promise<readonly ContainerdHost[] | undefined> {
  const underscored = domain.replace(/:(\d+)$/, '_$1_');
  for (const name of new Set([domain, underscored, '_default'])) {
    const path = join(directory, name, 'hosts.toml');
    const document = await readToml(path);
    if (document !== undefined) return hostsIn(path, document, domain);
  }
  return undefined;
}

async function hostsIn(path: string, document: TomlTable, domain: string): Promise<ContainerdHost[]> {
  const listed = isTable(document['host']) ? Object.entries(document['host']) : [];
  const hosts = await Promise.all(
    listed.map(async ([url, table]) => hostIn(path, url, isTable(table) ? table : {})),
  );
  const server = typeof document['server'] === 'string' ? document['server'] : `https://${apiHost(domain)}`;
  return [...hosts, await hostIn(path, server, document)];
}

async function hostIn(path: string, text: string, table: TomlTable): Promise<ContainerdHost> {
  const address = text.includes('://') ? text : `https://${text}`;
  if (!/^https?:/.test(address) || !URL.canParse(address)) throw badFile(path, `${text} is not an address`);
  const url = new URL(address);
  const below = url.pathname.replace(/^\/v2(?=\/|$)/, '').replace(/^\/+|\/+$/g, '');
  if (below !== '' && (table['override_path'] !== true || !url.pathname.startsWith('/v2/')))
    throw badFile(path, `${text} has a path; only one below /v2/, with override_path = true, is understood`);
  const capabilities = table['capabilities'] === undefined ? undefined : textsIn(table['capabilities']);
  const files = await certificatesIn(path, table);
  return {
    host: url.host,
    pathPrefix: below === '' ? '' : `${below}/`,
    insecure: url.protocol === 'http:' || table['skip_verify'] === true,
    canPush: capabilities?.includes('push') ?? true,
    canPull: capabilities?.includes('pull') ?? true,
    ...files,
  };
}

async function certificatesIn(
  path: string,
  table: TomlTable,
): Promise<Pick<ContainerdHost, 'ca' | 'client'>> {
  const read = async (name: string): Promise<string> =>
    readFile(resolve(dirname(path), name), 'utf8').catch(() => {
      throw badFile(path, `${name} cannot be read`);
    });
  const ca = await Promise.all(textsIn(table['ca']).map(read));
  const { client } = table;
  const pair = Array.isArray(client) && Array.isArray(client[0]) ? textsIn(client[0]) : textsIn(client);
  const [cert, key = cert] = pair; // one file may have both
  if (cert === undefined || key === undefined) return { ca };
  return { ca, client: { cert: await read(cert), key: await read(key) } };
}
