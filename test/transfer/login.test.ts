import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCredentials } from '../../src/transfer/credentials.ts';
import { login, logout } from '../../src/transfer/login.ts';
import { FakeRegistry, PASSWORD, USER } from './fake-registry.ts';

let directory: string;
let environment: Record<string, string>;
let registry: FakeRegistry;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'login-'));
  environment = {
    DOCKER_CONFIG: join(directory, 'docker'),
    PATH: `${directory}:${process.env['PATH'] ?? ''}`,
  };
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const config = (): string => join(directory, 'docker/config.json');
const options = (): object => ({ environment, backoffMs: 1, stallMs: 2000, certificateDirectories: [] });
const found = async (): Promise<unknown> =>
  findCredentials({ domain: registry.host, path: 'any/app' }, environment);
const given = (): { domain: string; username: string; password: string } => ({
  domain: registry.host,
  username: USER,
  password: PASSWORD,
});

describe.each(['basic', 'token'] as const)('login (%s)', (auth) => {
  beforeEach(async () => {
    registry = await FakeRegistry.start({ auth });
  });

  it('keeps a password the registry takes, for the owner only, and logout forgets it', async () => {
    expect(await login(given(), options())).toBe(config());
    expect(await found()).toEqual({ type: 'password', username: USER, password: PASSWORD });
    expect(statSync(config()).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(directory, 'docker'))).toEqual(['config.json']);
    expect(await logout(registry.host, environment)).toBe(true);
    expect(await found()).toBeUndefined();
    expect(await logout(registry.host, environment)).toBe(false);
  });

  it('does not keep one it refuses', async () => {
    await expect(login({ ...given(), password: 'wrong' }, options())).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
    });
    expect(existsSync(config())).toBe(false);
  });

  it('checks the given password, not the one that is kept', async () => {
    await login(given(), options());
    await expect(login({ ...given(), password: 'wrong' }, options())).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
    });
    expect(await found()).toMatchObject({ password: PASSWORD });
  });
});

describe('login', () => {
  beforeEach(async () => {
    registry = await FakeRegistry.start({ auth: 'basic' });
  });

  it('keeps the identity token of an issuer instead of the password, and uses it', async () => {
    await using guarded = await FakeRegistry.start({ auth: 'token' });
    guarded.tokenAnswer = { refresh_token: 'refresh-me' };
    const place = await login({ ...given(), domain: guarded.host }, options());
    const { searchParams } = new URL(guarded.asked('/token')[0]!.url, guarded.origin);
    expect(searchParams.get('offline_token')).toBe('true');
    const { auths } = JSON.parse(readFileSync(place, 'utf8')) as { auths: Record<string, unknown> };
    expect(auths[guarded.host]).toEqual({
      auth: Buffer.from(`${USER}:`).toString('base64'),
      identitytoken: 'refresh-me',
    });
    expect(await findCredentials({ domain: guarded.host, path: 'x' }, environment)).toEqual({
      type: 'identity-token',
      token: 'refresh-me',
    });
  });

  it('leaves everything else in the config as it is', async () => {
    mkdirSync(join(directory, 'docker'));
    const before = {
      detachKeys: 'ctrl-x',
      auths: { 'other.test': { auth: 'abc' } },
      proxies: { default: {} },
    };
    writeFileSync(config(), JSON.stringify(before));
    await login(given(), options());
    await logout(registry.host, environment);
    expect(JSON.parse(readFileSync(config(), 'utf8'))).toEqual(before);
  });

  it('goes to the file of the containers tools when that is named', async () => {
    environment['REGISTRY_AUTH_FILE'] = join(directory, 'auth.json');
    expect(await login(given(), options())).toBe(join(directory, 'auth.json'));
    expect(existsSync(config())).toBe(false);
  });

  it('gives the password to the credential helper, and nothing to the file', async () => {
    mkdirSync(join(directory, 'docker'));
    writeFileSync(config(), '{"credsStore":"test"}');
    const helper = join(directory, 'docker-credential-test');
    writeFileSync(helper, `#!/bin/sh\ncat > ${directory}/$1\n`);
    chmodSync(helper, 0o755);
    expect(await login(given(), options())).toBe('test');
    expect(JSON.parse(readFileSync(join(directory, 'store'), 'utf8'))).toEqual({
      ServerURL: registry.host,
      Username: USER,
      Secret: PASSWORD,
    });
    expect(readFileSync(config(), 'utf8')).not.toContain('auth');
    expect(await logout(registry.host, environment)).toBe(true);
    expect(readFileSync(join(directory, 'erase'), 'utf8')).toBe(registry.host);
  });

  it.each(['', 'no-dots', 'host.test/path', '../x', 'a b.test', 'HTTP://'])(
    'refuses %j as a host',
    async (domain) => {
      await expect(login({ ...given(), domain }, options())).rejects.toMatchObject({ code: 'USAGE' });
      await expect(logout(domain, environment)).rejects.toMatchObject({ code: 'USAGE' });
    },
  );
});
