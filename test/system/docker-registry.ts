/** Debian's docker-registry on a loopback port, over a directory of the test's. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';

export interface DockerRegistryOptions {
  readonly htpasswd?: string;
  /** `clientCa`: who connects must have a certificate of it. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string };
  readonly readOnly?: boolean;
  /** `bundle`: the certificate that tokens are to be signed under. */
  readonly token?: { readonly realm: string; readonly bundle: string };
}

export const TOKEN_SERVICE = 'test-registry';
export const TOKEN_ISSUER = 'test-issuer';

export class DockerRegistry implements AsyncDisposable {
  readonly host: string;
  readonly storage: string;
  readonly #config: string;
  #process: ChildProcess;

  private constructor(parts: { host: string; storage: string; config: string }) {
    this.host = parts.host;
    this.storage = parts.storage;
    this.#config = parts.config;
    this.#process = this.#spawn();
  }

  static async start(directory: string, options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const host = `127.0.0.1:${await freePort()}`;
    const storage = join(directory, 'registry');
    mkdirSync(storage, { recursive: true });
    const config = join(directory, 'registry.yml');
    writeFileSync(config, JSON.stringify(configOf(host, storage, options)));
    const registry = new DockerRegistry({ host, storage, config });
    await waitFor(host);
    return registry;
  }

  /** Killed, and there again at the same address. */
  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.#process = this.#spawn();
    await waitFor(this.host);
  }

  #spawn(): ChildProcess {
    return spawn('docker-registry', ['serve', this.#config], { stdio: 'ignore' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

/** YAML is a superset of JSON. */
function configOf(
  host: string,
  storage: string,
  { htpasswd, tls, token, readOnly = false }: DockerRegistryOptions,
): object {
  return {
    version: 0.1,
    log: { level: 'error' },
    storage: {
      filesystem: { rootdirectory: storage },
      delete: { enabled: true },
      maintenance: { readonly: { enabled: readOnly } },
    },
    http: { addr: host, secret: 'test', ...(tls === undefined ? {} : { tls: tlsConfig(tls) }) },
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: htpasswd } } }),
    ...(token === undefined ? {} : { auth: { token: tokenConfig(token) } }),
  };
}

const tlsConfig = ({ clientCa, ...own }: NonNullable<DockerRegistryOptions['tls']>): object =>
  clientCa === undefined ? own : { ...own, clientcas: [clientCa] };

const tokenConfig = ({ realm, bundle }: { realm: string; bundle: string }): object => ({
  realm,
  service: TOKEN_SERVICE,
  issuer: TOKEN_ISSUER,
  rootcertbundle: bundle,
});

async function waitFor(host: string): Promise<void> {
  const [name, port] = host.split(':');
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(Number(port), name);
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await sleep(50);
  }
  throw new Error(`no registry on ${host}`);
}
