/** Debian's docker-registry on a loopback port, over a directory of the test's. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DockerRegistryOptions {
  readonly htpasswd?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly readOnly?: boolean;
}

export class DockerRegistry implements AsyncDisposable {
  readonly host: string;
  readonly storage: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, { host, storage }: { host: string; storage: string }) {
    this.#process = child;
    this.host = host;
    this.storage = storage;
  }

  static async start(directory: string, options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
    const host = `127.0.0.1:${await freePort()}`;
    const storage = join(directory, 'registry');
    mkdirSync(storage, { recursive: true });
    const config = join(directory, 'registry.yml');
    writeFileSync(config, JSON.stringify(configOf(host, storage, options)));
    const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    const registry = new DockerRegistry(child, { host, storage });
    await waitFor(host);
    return registry;
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
  { htpasswd, tls, readOnly = false }: DockerRegistryOptions,
): object {
  return {
    version: 0.1,
    log: { level: 'error' },
    storage: {
      filesystem: { rootdirectory: storage },
      delete: { enabled: true },
      maintenance: { readonly: { enabled: readOnly } },
    },
    http: { addr: host, secret: 'test', ...(tls === undefined ? {} : { tls }) },
    ...(htpasswd === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: htpasswd } } }),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function waitFor(host: string): Promise<void> {
  const [name, port] = host.split(':');
  const { connect } = await import('node:net');
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
