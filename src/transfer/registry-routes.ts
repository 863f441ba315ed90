/**
 * Where the content of a name really is to be asked for: mirrors first, then the registry itself, each under the name
 * that the content has there. What registries.conf says of a name wins over what containerd's hosts.toml says.
 */
import { ArchBuildError } from '../errors.ts';
import { parseReference, type Reference } from '../oci/reference.ts';
import type { TlsIdentity } from './certificates.ts';
import { CONTAINERD_DIRECTORY, containerdHosts, type ContainerdHost } from './containerd-hosts.ts';
import { apiHost, domainOfHost } from './registry-endpoint.ts';
import { readRegistryRules, type Mirror, type RegistryRule } from './registries-conf.ts';
import type { RegistryOptions } from './registry-options.ts';

export interface Route {
  readonly domain: string;
  readonly path: string;
  /** Its certificate is not checked, and plain HTTP is allowed. */
  readonly insecure: boolean;
  readonly isMirror: boolean;
  /** On top of what certs.d says of the host. */
  readonly identity?: TlsIdentity;
}

export type Purpose = 'pull' | 'push';

/** At least one; a push has exactly one. Throws REGISTRY for a name that is blocked and for configs that are wrong. */
export async function routesOf(
  reference: Reference,
  purpose: Purpose,
  options: RegistryOptions = {},
): Promise<readonly [Route, ...Route[]]> {
  const { environment = process.env, containerdDirectory = CONTAINERD_DIRECTORY } = options;
  const rule = ruleFor(reference, await readRegistryRules(environment));
  if (rule !== undefined) return routesOfRule(reference, rule, purpose);
  const hosts = await containerdHosts(reference.domain, containerdDirectory);
  const routes = (hosts ?? [])
    .filter(({ canPull, canPush }) => (purpose === 'pull' ? canPull : canPush))
    .map((host, index, all) => routeOfHost(reference, host, index < all.length - 1));
  const [first = plainRoute(reference), ...rest] = purpose === 'push' ? routes.slice(-1) : routes;
  return [first, ...rest];
}

/** The options for a client that is to go there. */
export function withRoutes<Options extends RegistryOptions>(
  options: Options,
  routes: readonly Route[],
): Options {
  const insecure = routes.filter((route) => route.insecure).map(({ domain }) => apiHost(domain));
  const identities = routes.flatMap(({ domain, identity }) =>
    identity === undefined ? [] : [[apiHost(domain), identity] as const],
  );
  return {
    ...options,
    insecure: [...(options.insecure ?? []), ...insecure],
    identities: new Map([...(options.identities ?? []), ...identities]),
  };
}

const plainRoute = ({ domain, path }: Reference): Route => ({
  domain,
  path,
  insecure: false,
  isMirror: false,
});

function routeOfHost(
  { path }: Reference,
  { host, pathPrefix, insecure, ca, client }: ContainerdHost,
  isMirror: boolean,
): Route {
  return {
    domain: domainOfHost(host),
    path: pathPrefix + path,
    insecure,
    isMirror,
    ...(ca.length === 0 && client === undefined ? {} : { identity: { ca, ...client } }),
  };
}

/** The one with the longest prefix. */
function ruleFor(reference: Reference, rules: readonly RegistryRule[]): RegistryRule | undefined {
  return rules
    .filter(({ prefix }) => matchedBy(prefix, reference) !== undefined)
    .sort((a, b) => b.prefix.length - a.prefix.length)[0];
}

/** How much of the name the prefix stands for. */
function matchedBy(prefix: string, { domain, path }: Reference): number | undefined {
  const name = `${domain}/${path}`;
  if (prefix.startsWith('*.')) {
    const suffix = prefix.slice(1);
    return domain.endsWith(suffix) ? domain.length : undefined;
  }
  return name === prefix || name.startsWith(`${prefix}/`) ? prefix.length : undefined;
}

function routesOfRule(
  reference: Reference,
  rule: RegistryRule,
  purpose: Purpose,
): readonly [Route, ...Route[]] {
  const { domain, path, digest } = reference;
  if (rule.blocked) {
    throw new ArchBuildError('REGISTRY', `${domain}/${path} is blocked`, {
      hint: `registries.conf says so of ${rule.prefix}`,
    });
  }
  const serves = (mirror: Mirror): boolean =>
    mirror.for === 'all' || (mirror.for === 'digest-only') === (digest !== undefined);
  const own = rerouted(reference, rule, { ...rule, isMirror: false });
  const mirrors = purpose === 'push' ? [] : rule.mirrors.filter(serves);
  const [first = own, ...rest] = mirrors.map((mirror) =>
    rerouted(reference, rule, { ...mirror, isMirror: true }),
  );
  return first === own ? [own] : [first, ...rest, own];
}

function rerouted(
  reference: Reference,
  { prefix }: RegistryRule,
  { location, insecure, isMirror }: { location: string; insecure: boolean; isMirror: boolean },
): Route {
  if (location === '') return { ...plainRoute(reference), insecure };
  const name = `${reference.domain}/${reference.path}`;
  const text = location + name.slice(matchedBy(prefix, reference));
  const { domain, path } = parseReference(text);
  if (!text.startsWith(`${domain}/`))
    throw new ArchBuildError('REGISTRY', `registries.conf sends ${name} to ${text}, which names no host`);
  return { domain, path, insecure, isMirror };
}
