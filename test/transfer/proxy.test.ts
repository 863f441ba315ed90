/** Registries behind the proxy of the environment. The proxy of the test sends every host to one registry on loopback. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RegistryClient } from '../../src/transfer/registry-client.ts';
import { RegistrySource } from '../../src/transfer/registry-source.ts';
import { FakeRegistry } from './fake-registry.ts';
import { addImage } from './memory-content.ts';

let directory: string;
let registry: FakeRegistry;
let proxy: Server;
let connects: string[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'proxy-'));
  const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const openssl = `req -x509 -newkey rsa:2048 -nodes -keyout ${keyFile} -out ${certFile} -days 2 -subj /CN=x -addext subjectAltName=DNS:registry.test`;
  execFileSync('openssl', openssl.split(' '), { stdio: 'ignore' });
  registry = await FakeRegistry.start({
    tls: { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') },
  });
  registry.tags.set('latest', addImage(registry.content, 'linux/arm64'));
  connects = [];
  proxy = createServer();
  proxy.on('connect', (request, socket) => {
    connects.push(request.url ?? '');
    const [host, port] = registry.host.split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});

afterEach(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await registry[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function resolve(domain: string, variables: Record<string, string>): Promise<unknown> {
  const environment = { SSL_CERT_FILE: join(directory, 'cert.pem'), ...variables };
  await using client = new RegistryClient({
    environment,
    backoffMs: 1,
    stallMs: 2000,
    certificateDirectories: [],
  });
  return await new RegistrySource(client, { domain, path: 'app' }).resolve({});
}

const address = (): string => `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

it.each(['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY'])('are reached through %s', async (variable) => {
  expect(await resolve('registry.test', { [variable]: address() })).toEqual(registry.tags.get('latest'));
  expect(connects).toEqual(['registry.test:443']);
});

it('are reached directly when NO_PROXY names them', async () => {
  const variables = { HTTPS_PROXY: address(), NO_PROXY: 'registry.test' };
  await expect(resolve('registry.test', variables)).rejects.toMatchObject({ code: 'NETWORK' });
  expect(connects).toEqual([]);
});

it('on loopback are reached directly', async () => {
  await expect(resolve(registry.host, { HTTPS_PROXY: address() })).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('certificate is for another host') as string,
  });
  expect(connects).toEqual([]);
});
