import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCredentials } from '../../src/transfer/credentials.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'credentials-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const auth = (name: string): { auth: string } => ({ auth: Buffer.from(`${name}:p:w`).toString('base64') });
const user = (username: string): object => ({ type: 'password', username, password: 'p:w' });

function write(path: string, config: unknown): string {
  const full = join(directory, path);
  mkdirSync(join(full, '..'), { recursive: true });
  writeFileSync(full, typeof config === 'string' ? config : JSON.stringify(config));
  return full;
}

const HUB = { domain: 'docker.io', path: 'library/app' };
const REPOSITORY = { domain: 'registry.test:5000', path: 'team/group/app' };

describe('keys', () => {
  it.each<[string, Record<string, object>, object | undefined]>([
    ['nothing', {}, undefined],
    ['the host', { 'registry.test:5000': auth('host') }, user('host')],
    ['the host in the old form', { 'https://registry.test:5000/v1/': auth('old') }, user('old')],
    ['the host with a slash', { 'http://registry.test:5000/': auth('slash') }, user('slash')],
    [
      'the longest prefix',
      {
        'registry.test:5000': auth('host'),
        'registry.test:5000/team': auth('team'),
        'registry.test:5000/team/group': auth('group'),
      },
      user('group'),
    ],
    [
      'the repository',
      { 'registry.test:5000/team/group/app': auth('app'), 'registry.test:5000/team': auth('team') },
      user('app'),
    ],
    [
      'no half component',
      { 'registry.test:5000/te': auth('te'), 'registry.test:5000/team/group/ap': auth('ap') },
      undefined,
    ],
    ['no other port', { 'registry.test': auth('other'), 'registry.test:50': auth('other') }, undefined],
    ['no other host', { 'evil.registry.test:5000': auth('other'), 'test:5000': auth('other') }, undefined],
    ['an empty entry, as with a store', { 'registry.test:5000': {} }, undefined],
    ['user name and password', { 'registry.test:5000': { username: 'u', password: 'p:w' } }, user('u')],
    [
      'an identity token',
      { 'registry.test:5000': { ...auth('x'), identitytoken: 't' } },
      { type: 'identity-token', token: 't' },
    ],
    [
      'a registry token',
      { 'registry.test:5000': { registrytoken: 't' } },
      { type: 'registry-token', token: 't' },
    ],
  ])('find %s', async (_name, auths, expected) => {
    write('config.json', { auths });
    expect(await findCredentials(REPOSITORY, { DOCKER_CONFIG: directory })).toEqual(expected);
  });

  it.each([
    'https://index.docker.io/v1/',
    'docker.io',
    'index.docker.io',
    'docker.io/library',
    'https://registry-1.docker.io/v2/',
  ])('of docker.io may be %s', async (key) => {
    write('config.json', { auths: { [key]: auth('hub') } });
    expect(await findCredentials(HUB, { DOCKER_CONFIG: directory })).toEqual(user('hub'));
  });
});

describe('files', () => {
  const config = (name: string): object => ({ auths: { 'docker.io': auth(name) } });

  it('are looked at in the order of the tools, the first that knows wins', async () => {
    const environment = {
      XDG_RUNTIME_DIR: join(directory, 'run'),
      XDG_CONFIG_HOME: join(directory, 'config'),
      DOCKER_CONFIG: join(directory, 'docker'),
      HOME: join(directory, 'home'),
    };
    const without: Partial<Record<keyof typeof environment, undefined>> = {};
    const found = async (): Promise<unknown> => findCredentials(HUB, { ...environment, ...without });
    write('run/containers/auth.json', config('run'));
    write('config/containers/auth.json', config('config'));
    write('home/.config/containers/auth.json', config('home-config'));
    write('docker/config.json', config('docker'));
    write('home/.docker/config.json', config('home'));
    write('home/.dockercfg', { 'https://index.docker.io/v1/': auth('old') });
    expect(await found()).toEqual(user('run'));
    without.XDG_RUNTIME_DIR = undefined;
    expect(await found()).toEqual(user('config'));
    without.XDG_CONFIG_HOME = undefined;
    expect(await found()).toEqual(user('home-config'));
    write('home/.config/containers/auth.json', {});
    expect(await found()).toEqual(user('docker'));
    without.DOCKER_CONFIG = undefined;
    expect(await found()).toEqual(user('home'));
    write('home/.docker/config.json', {});
    expect(await found()).toEqual(user('old'));
  });

  it('are one, when $REGISTRY_AUTH_FILE names it', async () => {
    write('docker/config.json', config('docker'));
    const named = write('auth-file.json', config('named'));
    const environment = { REGISTRY_AUTH_FILE: named, DOCKER_CONFIG: join(directory, 'docker') };
    expect(await findCredentials(HUB, environment)).toEqual(user('named'));
    write('auth-file.json', { auths: {} });
    expect(await findCredentials(HUB, environment)).toBeUndefined();
    rmSync(named);
    await expect(findCredentials(HUB, environment)).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
      message: expect.stringContaining(named) as string,
    });
  });

  it('that are not there are none', async () => {
    expect(
      await findCredentials(HUB, { DOCKER_CONFIG: join(directory, 'nope'), HOME: '/dev/null' }),
    ).toBeUndefined();
    expect(await findCredentials(HUB, {})).toBeUndefined();
  });

  it.each([
    ['not JSON', '{'],
    ['bad base64', { auths: { 'docker.io': { auth: '!!!' } } }],
    [
      'base64 without a colon',
      { auths: { 'docker.io': { auth: Buffer.from('useronly').toString('base64') } } },
    ],
    [
      'base64 without a user',
      { auths: { 'docker.io': { auth: Buffer.from(':secret').toString('base64') } } },
    ],
  ])('with %s are an error that names the file, not the secret', async (_name, content) => {
    const path = write('config.json', content);
    await expect(findCredentials(HUB, { DOCKER_CONFIG: directory })).rejects.toMatchObject({
      code: 'REGISTRY_AUTH',
      message: expect.stringMatching(new RegExp(`${path}.*`)) as string,
    });
    await expect(findCredentials(HUB, { DOCKER_CONFIG: directory })).rejects.not.toThrow(/useronly|secret/);
  });

  it.each([
    null,
    [],
    5,
    { auths: 5 },
    { auths: { 'docker.io': null } },
    { auths: { 'docker.io': { auth: 5 } } },
    { credHelpers: [], credsStore: 5 },
  ])('of another shape (%j) know nothing', async (content) => {
    write('config.json', content);
    expect(await findCredentials(HUB, { DOCKER_CONFIG: directory })).toBeUndefined();
  });
});
