/**
 * Whom to trust. Node brings its own list of authorities and does not look at the host's; here the host's bundle comes
 * first, as every other tool has it, and `certs.d/<host>/` as docker and podman have it.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

export interface TlsIdentity {
  readonly ca: readonly string[];
  /** A client certificate and its key, in PEM. */
  readonly cert?: string;
  readonly key?: string;
}

export const CERTIFICATE_DIRECTORIES: readonly string[] = ['/etc/docker/certs.d', '/etc/containers/certs.d'];

const SYSTEM_BUNDLES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** Throws IO when $SSL_CERT_FILE or a file of certs.d cannot be read. */
export async function tlsIdentity(
  host: string,
  directories: readonly string[],
  bundleFile: string | undefined,
): Promise<TlsIdentity> {
  const bundle = bundleFile ? await read(bundleFile) : await firstOf(SYSTEM_BUNDLES);
  const ca = bundle === undefined ? [...rootCertificates] : [bundle];
  let client: { readonly cert: string; readonly key: string } | undefined;
  for (const directory of directories.map((parent) => join(parent, host))) {
    const names = await readdir(directory).catch(() => new Array<string>());
    for (const name of names.filter((file) => file.endsWith('.crt')).sort())
      ca.push(await read(join(directory, name)));
    const pair = names.find((name) => name.endsWith('.cert') && names.includes(name.replace(/cert$/, 'key')));
    if (client === undefined && pair !== undefined) {
      const cert = join(directory, pair);
      client = { cert: await read(cert), key: await read(cert.replace(/cert$/, 'key')) };
    }
  }
  return { ca, ...client };
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ArchBuildError(
      'IO',
      `cannot read the certificate ${path}: ${systemErrorCode(cause) ?? 'unknown reason'}`,
      { cause },
    );
  }
}
