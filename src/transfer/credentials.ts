/**
 * Which credentials a registry gets. The first config file that knows it wins; in it a credential helper of its own,
 * then `auths`, then the general store. Keys may name a host, a namespace or a repository; the longest fits best.
 */
import {
  badConfig,
  configFiles,
  readAuthConfig,
  type AuthConfig,
  type AuthEntry,
  type Credentials,
  type Environment,
} from './auth-config.ts';
import { getFromHelper } from './credential-program.ts';

/** Undefined when nobody knows the registry. Throws REGISTRY_AUTH for a config or a helper that does not work. */
export async function findCredentials(
  repository: { readonly domain: string; readonly path: string },
  environment: Environment,
): Promise<Credentials | undefined> {
  for (const path of configFiles(environment)) {
    const config = await readAuthConfig(path);
    if (config === undefined && path === environment['REGISTRY_AUTH_FILE'])
      throw badConfig(path, 'there is no such file');
    const found = config === undefined ? undefined : await lookUp(config, repository, environment);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function lookUp(
  config: AuthConfig,
  { domain, path }: { readonly domain: string; readonly path: string },
  environment: Environment,
): Promise<Credentials | undefined> {
  const wanted = candidates(domain, path);
  const helper = wanted.map((key) => config.credHelpers[key]).find((name) => name !== undefined);
  if (helper !== undefined) return getFromHelper(helper, domain, environment);
  const byKey = new Map(Object.entries(config.auths).map(([key, entry]) => [normalizeKey(key), entry]));
  for (const key of wanted) {
    const found = credentialsOf(config.path, key, byKey.get(key) ?? {});
    if (found !== undefined) return found;
  }
  return config.credsStore === undefined ? undefined : getFromHelper(config.credsStore, domain, environment);
}

/** The keys that fit, best first: the repository, its namespaces, the host, the host's other names. */
function candidates(domain: string, path: string): string[] {
  const components = path.split('/');
  const paths = components.map(
    (_, index) => `${domain}/${components.slice(0, components.length - index).join('/')}`,
  );
  const aliases = domain === 'docker.io' ? ['index.docker.io', 'registry-1.docker.io'] : [];
  return [...paths, domain, ...aliases];
}

/** `https://host/v1/` is how old clients wrote `host`. */
const normalizeKey = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '');

function credentialsOf(file: string, key: string, entry: AuthEntry): Credentials | undefined {
  if (entry.registrytoken) return { type: 'registry-token', token: entry.registrytoken };
  if (entry.identitytoken) return { type: 'identity-token', token: entry.identitytoken };
  if (entry.username && entry.password)
    return { type: 'password', username: entry.username, password: entry.password };
  if (!entry.auth) return undefined;
  const decoded = Buffer.from(entry.auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  if (colon < 1) throw badConfig(file, `the auth of ${key} is not base64 of user:password`);
  return { type: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
