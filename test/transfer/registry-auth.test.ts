import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyGraph } from '../../src/transfer/copy.ts';
import { RegistryClient } from '../../src/transfer/registry-client.ts';
import type { RegistryOptions } from '../../src/transfer/registry-options.ts';
import { RegistrySource } from '../../src/transfer/registry-source.ts';
import { basicHeader, FakeRegistry, PASSWORD, USER } from './fake-registry.ts';
import { addImage, MemoryContent } from './memory-content.ts';

let directory: string;
let disposables: AsyncDisposable[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'auth-'));
});
afterEach(async () => {
  for (const disposable of disposables.reverse()) await disposable[Symbol.asyncDispose]();
  disposables = [];
  rmSync(directory, { recursive: true });
});

async function started(options: Parameters<typeof FakeRegistry.start>[0]): Promise<FakeRegistry> {
  const registry = await FakeRegistry.start(options);
  disposables.push(registry);
  registry.tags.set('latest', addImage(registry.content, 'linux/arm64'));
  return registry;
}

function sourceOf(registry: FakeRegistry, path = 'team/app', options: RegistryOptions = {}): RegistrySource {
  const client = new RegistryClient({
    environment: { DOCKER_CONFIG: directory, PATH: `${directory}:${process.env['PATH'] ?? ''}` },
    backoffMs: 1,
    stallMs: 2000,
    certificateDirectories: [],
    ...options,
  });
  disposables.push(client);
  return new RegistrySource(client, { domain: registry.host, path });
}

const writeConfig = (config: object): void =>
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
const auth = (text = `${USER}:${PASSWORD}`): { auth: string } => ({
  auth: Buffer.from(text).toString('base64'),
});

describe('token authentication', () => {
  it('fetches one anonymous token for a whole image', async () => {
    const registry = await started({ auth: 'token' });
    const source = sourceOf(registry);
    await copyGraph(await source.resolve({}), { from: source, to: new MemoryContent() });
    const [token, ...more] = registry.asked('/token');
    expect(more).toEqual([]);
    const { searchParams } = new URL(token!.url, registry.origin);
    expect(Object.fromEntries(searchParams)).toEqual({ service: 'fake', scope: 'repository:team/app:pull' });
    expect(token!.headers.authorization).toBeUndefined();
  });

  it('sends credentials to the realm and the token to the registry, never the other way round', async () => {
    const registry = await started({ auth: 'token' });
    writeConfig({ auths: { [registry.host]: auth() } });
    await sourceOf(registry).resolve({});
    expect(registry.asked('/token')[0]?.headers.authorization).toBe(basicHeader(USER, PASSWORD));
    for (const { headers } of registry.asked('/v2/'))
      expect(headers.authorization ?? '').not.toMatch(/^Basic/);
  });

  it('exchanges an identity token by POST', async () => {
    const registry = await started({ auth: 'token' });
    writeConfig({ auths: { [registry.host]: { identitytoken: 'refresh-me' } } });
    await sourceOf(registry).resolve({});
    const { method, body, url } = registry.asked('/token')[0]!;
    expect([method, url]).toEqual(['POST', '/token']);
    expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
      grant_type: 'refresh_token',
      client_id: 'arch-build',
      refresh_token: 'refresh-me',
      service: 'fake',
      scope: 'repository:team/app:pull',
    });
  });

  it('sends a registry token as it is', async () => {
    const registry = await started({ auth: 'token' });
    registry.tokens.add('ready');
    writeConfig({ auths: { [registry.host]: { registrytoken: 'ready' } } });
    await sourceOf(registry).resolve({});
    expect(registry.asked('/token')).toEqual([]);
  });

  it('keeps tokens of repositories apart', async () => {
    const registry = await started({ auth: 'token' });
    const client = new RegistryClient({ environment: {}, certificateDirectories: [] });
    disposables.push(client);
    for (const path of ['one', 'two'])
      await new RegistrySource(client, { domain: registry.host, path }).resolve({});
    expect(
      registry.asked('/token').map(({ url }) => new URL(url, registry.origin).searchParams.get('scope')),
    ).toEqual(['repository:one:pull', 'repository:two:pull']);
  });

  it('takes access_token, and fetches a new token when the old one is refused', async () => {
    const registry = await started({ auth: 'token' });
    const source = sourceOf(registry);
    const root = await source.resolve({});
    registry.tokens.clear();
    registry.tokenAnswer = { token: '', access_token: 'second' };
    registry.behaviours.push((request) => {
      if (request.url?.startsWith('/token') === true) registry.tokens.add('second');
      return false;
    });
    await copyGraph(root, { from: source, to: new MemoryContent() });
    expect(registry.asked('/token')).toHaveLength(2);
  });

  it.each<[string, Record<string, unknown>]>([
    ['nothing', { token: undefined }],
    ['a number', { token: 5 }],
    ['a line break', { token: 'a\r\nx-evil: 1' }],
  ])('refuses %s as a token', async (_name, answer) => {
    const registry = await started({ auth: 'token' });
    registry.tokenAnswer = answer;
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
  });

  it('tries again when the realm is busy', async () => {
    const registry = await started({ auth: 'token' });
    let calls = 0;
    registry.behaviours.push((request, response) => {
      if (request.url?.startsWith('/token') !== true || calls++ > 1) return false;
      response.writeHead(503).end();
      return true;
    });
    await sourceOf(registry).resolve({});
    expect(registry.asked('/token')).toHaveLength(3);
  });

  it('says so when the password is wrong, with the words of the realm', async () => {
    const registry = await started({ auth: 'token' });
    writeConfig({ auths: { [registry.host]: auth('user:wrong') } });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
      message: expect.stringContaining('wrong password') as string,
    });
  });

  it.each([
    ['plain HTTP elsewhere', 'http://auth.invalid/token'],
    ['a file', 'file:///etc/passwd'],
    ['credentials of its own', 'https://a:b@auth.invalid/token'],
    ['nothing', ''],
  ])('does not send credentials to a realm with %s', async (_name, realm) => {
    const registry = await started({ auth: 'token', realm });
    writeConfig({ auths: { [registry.host]: auth() } });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
  });

  it('may name another port of loopback, when both are plain', async () => {
    const realm = await started({});
    realm.behaviours.push((_request, response) => {
      registry.tokens.add('from-realm');
      response.writeHead(200).end('{"token":"from-realm"}');
      return true;
    });
    const registry = await started({ auth: 'token', realm: `${realm.origin}/token` });
    await sourceOf(registry).resolve({});
    expect(realm.requests).toHaveLength(1);
  });
});

describe('Basic authentication', () => {
  it('sends the password when it is asked for, not before', async () => {
    const registry = await started({ auth: 'basic' });
    writeConfig({ auths: { [registry.host]: auth() } });
    const source = sourceOf(registry);
    await copyGraph(await source.resolve({}), { from: source, to: new MemoryContent() });
    const [first, ...others] = registry.asked('/v2/team/app/').map(({ headers }) => headers.authorization);
    expect(first).toBeUndefined();
    expect(new Set(others)).toEqual(new Set([basicHeader(USER, PASSWORD)]));
  });

  it('without credentials is REGISTRY_AUTH with a hint', async () => {
    const registry = await started({ auth: 'basic' });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
      hint: expect.stringContaining(`arch-build login ${registry.host}`) as string,
    });
  });

  it('with a wrong password is asked once more only', async () => {
    const registry = await started({ auth: 'basic' });
    writeConfig({ auths: { [registry.host]: auth('user:wrong') } });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    expect(registry.asked('/v2/team/app/')).toHaveLength(2);
  });
});

describe('credential helpers', () => {
  const helper = (name: string, script: string): void => {
    const path = join(directory, `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };

  it.each([
    ['credHelpers', (host: string) => ({ credHelpers: { [host]: 'test' } })],
    ['credsStore', () => ({ credsStore: 'test', auths: {} })],
  ])('are asked for the host by %s', async (_name, config) => {
    const registry = await started({ auth: 'basic' });
    helper('test', `cat > ${directory}/asked; echo '{"Username":"${USER}","Secret":"${PASSWORD}"}'`);
    writeConfig(config(registry.host));
    await sourceOf(registry).resolve({});
    expect(readFileSync(join(directory, 'asked'), 'utf8')).toBe(registry.host);
  });

  it('may give an identity token', async () => {
    const registry = await started({ auth: 'token' });
    helper('test', `echo '{"Username":"<token>","Secret":"refresh-me"}'`);
    writeConfig({ credsStore: 'test' });
    await sourceOf(registry).resolve({});
    expect(registry.asked('/token')[0]?.method).toBe('POST');
  });

  it('that know nothing leave the request anonymous', async () => {
    const registry = await started({ auth: 'token' });
    helper('test', `echo 'credentials not found in native keychain'; exit 1`);
    writeConfig({ credsStore: 'test' });
    await sourceOf(registry).resolve({});
    expect(registry.asked('/token')[0]?.headers.authorization).toBeUndefined();
  });

  it.each([
    ['break', `echo boom >&2; exit 1`, 'REGISTRY_AUTH'],
    ['talk nonsense', `echo secret-but-not-json`, 'REGISTRY_AUTH'],
  ])('that %s are an error that tells no secret', async (_name, script, code) => {
    const registry = await started({ auth: 'basic' });
    helper('test', script);
    writeConfig({ credsStore: 'test' });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({
      code,
      message: expect.not.stringContaining('secret-but') as string,
    });
  });

  it.each([
    ['is missing', 'not-there', 'TOOL_MISSING'],
    ['is a path', '../../bin/sh', 'REGISTRY_AUTH'],
  ])('whose program %s are an error', async (_name, credsStore, code) => {
    const registry = await started({ auth: 'basic' });
    writeConfig({ credsStore });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({ code });
  });
});

describe('TLS', () => {
  function selfSigned(): { cert: string; key: string; certFile: string } {
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    execFileSync(
      'openssl',
      `req -x509 -newkey rsa:2048 -nodes -keyout ${keyFile} -out ${certFile} -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1`.split(
        ' ',
      ),
      { stdio: 'ignore' },
    );
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile };
  }

  it('refuses a certificate nobody vouches for, and does not fall back to plain HTTP', async () => {
    const registry = await started({ tls: selfSigned() });
    await expect(sourceOf(registry).resolve({})).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('not trusted') as string,
      hint: expect.stringContaining('certs.d') as string,
    });
    expect(registry.requests).toEqual([]);
  });

  it.each(['certs.d', 'SSL_CERT_FILE', 'insecure'])('accepts it because of %s', async (reason) => {
    const { certFile, ...tls } = selfSigned();
    const registry = await started({ tls });
    mkdirSync(join(directory, 'certs', registry.host), { recursive: true });
    if (reason === 'certs.d') writeFileSync(join(directory, 'certs', registry.host, 'ca.crt'), tls.cert);
    const source = sourceOf(registry, 'team/app', {
      certificateDirectories: [join(directory, 'certs')],
      environment: reason === 'SSL_CERT_FILE' ? { SSL_CERT_FILE: certFile } : {},
      insecure: reason === 'insecure' ? [registry.host] : [],
    });
    await expect(source.resolve({})).resolves.toMatchObject({ size: expect.any(Number) as number });
  });

  it('refuses a redirect from HTTPS down to HTTP, even to loopback', async () => {
    const registry = await started({ tls: selfSigned() });
    const plain = await started({});
    const root = registry.tags.get('latest')!;
    registry.behaviours.push((request, response) => {
      if (request.url?.includes('/manifests/') !== true) return false;
      response.writeHead(307, { location: `${plain.origin}/v2/team/app/manifests/${root.digest}` }).end();
      return true;
    });
    const source = sourceOf(registry, 'team/app', { insecure: [registry.host] });
    await expect(source.resolve({})).rejects.toMatchObject({ code: 'REGISTRY' });
    expect(plain.requests).toEqual([]);
  });

  it('does not send the password of an HTTPS registry to a plain realm', async () => {
    const plain = await started({});
    const registry = await started({ tls: selfSigned(), auth: 'token', realm: `${plain.origin}/token` });
    writeConfig({ auths: { [registry.host]: auth() } });
    const source = sourceOf(registry, 'team/app', { insecure: [registry.host, plain.host] });
    await expect(source.resolve({})).rejects.toMatchObject({ code: 'REGISTRY_AUTH' });
    expect(plain.requests).toEqual([]);
  });
});

it('answers requests that are challenged at the same time with one token', async () => {
  const registry = await started({ auth: 'token' });
  const source = sourceOf(registry);
  await Promise.all(Array.from({ length: 8 }, async () => source.resolve({})));
  expect(registry.asked('/token')).toHaveLength(1);
});
