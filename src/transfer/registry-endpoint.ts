/** Where a registry is, and what may be said to it over which connection. */
import { ArchBuildError } from '../errors.ts';

/** The name in references is not the host that serves it. */
const SERVED_BY: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' };

/** `host[:port]` of the API. */
export const apiHost = (domain: string): string => SERVED_BY[domain] ?? domain;

/** What `login` takes for a host of the API. */
export const domainOfHost = (host: string): string =>
  Object.entries(SERVED_BY).find(([, served]) => served === host)?.[0] ?? host;

/** By name only: a name that resolves to a loopback address is not believed. */
export function isLoopbackHost(host: string): boolean {
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    /^127(?:\.\d{1,3}){3}$/.test(name)
  );
}

/** Plain HTTP and unverified certificates are for hosts the user listed; plain HTTP for loopback too. */
export function mayUsePlainHttp(host: string, insecure: readonly string[]): boolean {
  return isLoopbackHost(host) || isListed(host, insecure);
}

export function isListed(host: string, insecure: readonly string[]): boolean {
  return insecure.includes(host) || insecure.includes(host.replace(/:\d+$/, ''));
}

/**
 * The address a registry sends us on to. Throws REGISTRY for one that is no web address, and for a step from HTTPS
 * down to HTTP, and for plain HTTP on a host that is not listed, unless it goes from loopback to loopback.
 */
export function nextAddress(from: URL, location: string | undefined, insecure: readonly string[]): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new ArchBuildError('REGISTRY', `${from.host} redirects to nowhere`);
  }
  const to = new URL(location, from);
  const plain = to.protocol === 'http:';
  const known = plain || to.protocol === 'https:';
  const allowed = isListed(to.host, insecure) || (isLoopbackHost(to.host) && isLoopbackHost(from.host));
  if (!known || (plain && (from.protocol === 'https:' || !allowed))) {
    throw new ArchBuildError(
      'REGISTRY',
      `${from.host} redirects to ${to.protocol}//${to.host}, which is not safe`,
    );
  }
  return to;
}
