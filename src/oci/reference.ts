/**
 * Image references: `[domain/]path[:tag][@digest]`, after the grammar of distribution/reference.
 *
 *   domain     host names, IPv4, or IPv6 in brackets, with an optional port
 *   path       components of lower-case letters and digits, joined by one of . _ __ or any number of -
 *   tag        a word character, then at most 127 word characters, dots and dashes
 *   digest     sha256 or sha512
 *
 * The first component is a domain when it is `localhost` or has a `.`, a `:` or an upper-case letter; everything else
 * lives on docker.io, single names in its `library/`.
 */
import { ArchBuildError } from '../errors.ts';
import { parseDigest, type Digest } from './digest.ts';

/** Always normalised: `ubuntu` is `{ domain: 'docker.io', path: 'library/ubuntu' }`. */
export interface Reference {
  readonly domain: string;
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL = 'library/';
const PATH_LIMIT = 255;
/** More than any reference can have: 255 of path, 128 of tag, 135 of digest, and a host name. */
const TEXT_LIMIT = 1024;

const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN_PATTERN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_COMPONENT_PATTERN = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG_PATTERN = /^\w[\w.-]{0,127}$/;
const HEX_ID_PATTERN = /^[a-f0-9]{64}$/;

/** Throws REFERENCE_INVALID with the text in the message and, as a hint, which part is wrong. */
export function parseReference(text: string): Reference {
  if (text.length > TEXT_LIMIT) throw invalid(text, 'references are much shorter');
  if (HEX_ID_PATTERN.test(text))
    throw invalid(text, 'a bare image id is not a name; write sha256: in front of it');
  if (text.includes('://')) throw invalid(text, 'leave out the scheme and ://');
  const { name, tag, digest } = splitSuffixes(text);
  const { domain, path } = splitDomain(name);
  if (!DOMAIN_PATTERN.test(domain)) throw invalid(text, `${quote(domain)} is not a registry host`);
  checkPath(text, path);
  if (tag !== undefined && !TAG_PATTERN.test(tag)) {
    throw invalid(text, 'a tag has at most 128 letters, digits, _ . and -, and begins with none of . and -');
  }
  return {
    domain,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: digestOfReference(text, digest) }),
  };
}

/** The full form: `docker.io/library/ubuntu:24.04`. `parseReference` gives the same reference back. */
export function formatReference({ domain, path, tag, digest }: Reference): string {
  return `${domain}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The short form people write: `ubuntu:24.04`. `parseReference` gives the same reference back. */
export function familiarReference(reference: Reference): string {
  const { domain, path } = reference;
  const full = formatReference(reference);
  const name = `${domain}/${path}`;
  return familiarName(domain, path) + full.slice(name.length);
}

/** Adds `:latest` to a reference that has neither tag nor digest. */
export function withDefaultTag(reference: Reference, tag = 'latest'): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag } : reference;
}

/** What people write, in the full form and with a tag. Throws REFERENCE_INVALID. */
export const fullName = (text: string): string => formatReference(withDefaultTag(parseReference(text)));

function familiarName(domain: string, path: string): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const name = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  const short = name.includes('/') ? path : name;
  // `docker.io/localhost/x` keeps its domain: without, its first component would be taken for one.
  return splitDomain(short).path === path ? short : `${domain}/${path}`;
}

interface Split {
  readonly name: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** A colon is a tag's only after the last slash: before it, it is a port's. */
function splitSuffixes(text: string): Split {
  const at = text.indexOf('@');
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  return {
    name: colon < 0 ? named : named.slice(0, colon),
    ...(colon < 0 ? {} : { tag: named.slice(colon + 1) }),
    ...(at < 0 ? {} : { digest: text.slice(at + 1) }),
  };
}

function splitDomain(name: string): { readonly domain: string; readonly path: string } {
  const slash = name.indexOf('/');
  if (slash < 0) return { domain: DEFAULT_DOMAIN, path: OFFICIAL + name };
  const first = name.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const path = isDomain ? name.slice(slash + 1) : name;
  const domain = !isDomain || first === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first;
  return { domain, path: domain === DEFAULT_DOMAIN && !path.includes('/') ? OFFICIAL + path : path };
}

function checkPath(text: string, path: string): void {
  if (path.length > PATH_LIMIT) throw invalid(text, `a repository name has at most ${PATH_LIMIT} characters`);
  if (path.split('/').every((component) => PATH_COMPONENT_PATTERN.test(component))) return;
  throw invalid(
    text,
    path === path.toLowerCase()
      ? 'write [host/]name[:tag][@sha256:…], the name of lower-case letters, digits and single . _ or - between them'
      : 'a repository name has no upper-case letters',
  );
}

function digestOfReference(text: string, digest: string): Digest {
  try {
    return parseDigest(digest);
  } catch (error) {
    throw invalid(text, 'write the digest as sha256: and 64 lower-case hexadecimal digits', error);
  }
}

const quote = (text: string): string => JSON.stringify(text.slice(0, 160));

function invalid(text: string, hint: string, cause?: unknown): ArchBuildError {
  const details = cause === undefined ? { hint } : { hint, cause };
  return new ArchBuildError('REFERENCE_INVALID', `not an image reference: ${quote(text)}`, details);
}
