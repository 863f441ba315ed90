/** `login` and `logout`: a password is checked with the registry, then kept where docker, podman and we look for it. */
import { ArchBuildError } from '../errors.ts';
import { parseReference } from '../oci/reference.ts';
import {
  configFiles,
  editAuths,
  fileToMake,
  readAuthConfig,
  type AuthConfig,
  type Environment,
} from './auth-config.ts';
import { credentialKey, eraseFromHelper, storeInHelper, TOKEN_USER } from './credential-program.ts';
import { RegistryClient } from './registry-client.ts';
import type { RegistryOptions } from './registry-options.ts';
import { retrying } from './registry-retry.ts';
import { discardBody } from './response-body.ts';

export interface Password {
  /** `docker.io`, or `host[:port]`. */
  readonly domain: string;
  readonly username: string;
  readonly password: string;
}

/**
 * A registry that gives an identity token for the password has that kept instead.
 * Returns where it is kept: the path of a config file, or the name of a credential helper.
 * Throws REGISTRY_AUTH when the registry does not take it, NETWORK, IO, USAGE for what is not a host.
 */
export async function login(given: Password, options: RegistryOptions = {}): Promise<string> {
  const { domain, username, password } = { ...given, domain: checkedDomain(given.domain) };
  await using client = new RegistryClient({
    ...options,
    credentials: { type: 'password', username, password },
    wantsIdentityToken: true,
  });
  const access = { repository: { domain, path: '' }, actions: 'pull' } as const;
  await retrying(options, async () => {
    const response = await client.exchange(access, { method: 'GET', path: '', what: 'the log-in' });
    await discardBody(response.body, client.stallMs);
  });
  const token = await client.identityToken(access);
  const { environment = process.env } = options;
  const { path, helper } = await placeFor(domain, environment);
  if (helper === undefined) {
    const auth = Buffer.from(`${username}:${token === undefined ? password : ''}`).toString('base64');
    const entry = token === undefined ? { auth } : { auth, identitytoken: token };
    await editAuths(path, (auths) => (auths[credentialKey(domain)] = entry));
    return path;
  }
  const secret = token === undefined ? { username, password } : { username: TOKEN_USER, password: token };
  await storeInHelper(helper, { domain, ...secret }, environment);
  return helper;
}

/** Forgets what all files and helpers know of the host. False when nobody knew it. */
export async function logout(host: string, environment: Environment = process.env): Promise<boolean> {
  const domain = checkedDomain(host);
  let known = false;
  for (const path of configFiles(environment)) {
    const config = await readAuthConfig(path);
    const helper = config === undefined ? undefined : helperOf(config, domain);
    if (helper !== undefined) await eraseFromHelper(helper, domain, environment);
    const keys = [domain, credentialKey(domain)].filter((key) => config?.auths[key] !== undefined);
    known ||= helper !== undefined || keys.length > 0;
    if (keys.length > 0) {
      await editAuths(path, (auths) => keys.forEach((key) => Reflect.deleteProperty(auths, key)));
    }
  }
  return known;
}

/** The file that is asked first when it is there; else docker's, which every tool reads. */
async function placeFor(
  domain: string,
  environment: Environment,
): Promise<{ path: string; helper?: string }> {
  for (const path of configFiles(environment)) {
    const config = await readAuthConfig(path);
    if (config === undefined) continue;
    const helper = helperOf(config, domain);
    return helper === undefined ? { path } : { path, helper };
  }
  const path = fileToMake(environment);
  if (path !== undefined) return { path };
  throw new ArchBuildError('IO', 'there is no place to keep the password', {
    hint: 'set HOME or DOCKER_CONFIG',
  });
}

const helperOf = ({ credHelpers, credsStore }: AuthConfig, domain: string): string | undefined =>
  credHelpers[domain] ?? credHelpers[credentialKey(domain)] ?? credsStore;

/** What people write: `docker.io`, `https://host:5000/`. */
function checkedDomain(text: string): string {
  const domain = text.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');
  try {
    const { domain: parsed, path } = parseReference(`${domain}/x`);
    if (path === 'x' || (parsed === 'docker.io' && path === 'library/x')) return parsed;
  } catch {
    // said below
  }
  throw new ArchBuildError('USAGE', `not the host of a registry: ${JSON.stringify(text.slice(0, 160))}`);
}
