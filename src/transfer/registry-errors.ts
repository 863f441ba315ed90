/** What goes wrong between us and a registry, in words, and whether trying again makes sense. */
import { ArchBuildError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import { domainOfHost } from './registry-endpoint.ts';

/** Worth another try; thrown to the user when the tries are used up. */
export class TransientError extends ArchBuildError {
  /** What the registry asked for with Retry-After. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails & { readonly retryAfterMs?: number } = {},
  ) {
    super(code, message, details);
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** What has come was wrong, and somebody else will be asked now: to be read again from its beginning, at once. */
export class StartAnewError extends ArchBuildError {
  constructor(cause: ArchBuildError) {
    super(cause.code, cause.message, { cause });
  }
}

/** What to do about a host, which depends on what is wanted of it. */
export interface Advice {
  readonly unreachable: string;
  readonly untrusted: string;
  readonly unknownClient: string;
}

/** For images, which are fetched and sent. */
const IMAGE_ADVICE: Advice = {
  unreachable:
    'check the name and the network; without a network, carry the image in an archive with `arch-build save` and `arch-build load`',
  untrusted:
    'put the CA certificate into /etc/docker/certs.d/HOST/ca.crt, or name a bundle with SSL_CERT_FILE; --insecure HOST skips the check',
  unknownClient: 'put NAME.cert and NAME.key into /etc/docker/certs.d/HOST/',
};

/** For files. */
export const FILE_ADVICE: Advice = {
  ...IMAGE_ADVICE,
  unreachable: 'check the address and the network; without a network, bring the file along in a directory',
};

interface Trouble {
  readonly words: string;
  readonly advice?: keyof Advice;
  readonly transient?: true;
}

const unknownHost: Trouble = { words: 'no such host', advice: 'unreachable' };
const unreachable: Trouble = { words: 'no way to it', advice: 'unreachable' };
const silent: Trouble = { words: 'it does not answer', advice: 'unreachable', transient: true };
const broken: Trouble = { words: 'the connection broke', transient: true };
const untrusted: Trouble = { words: 'its certificate is not trusted', advice: 'untrusted' };

const unknownClient: Trouble = {
  words: 'it wants a client certificate that it trusts',
  advice: 'unknownClient',
};

/** By the `code` of a Node or undici error. */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  ENOTFOUND: unknownHost,
  EAI_AGAIN: { ...unknownHost, transient: true },
  ECONNREFUSED: { words: 'it refuses connections', advice: 'unreachable' },
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: silent,
  UND_ERR_CONNECT_TIMEOUT: silent,
  UND_ERR_HEADERS_TIMEOUT: silent,
  UND_ERR_BODY_TIMEOUT: silent,
  ECONNRESET: broken,
  EPIPE: broken,
  UND_ERR_SOCKET: broken,
  UND_ERR_ABORTED: broken,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: broken,
  UND_ERR_HEADERS_OVERFLOW: { words: 'the headers of its answer are too large' },
  CERT_HAS_EXPIRED: { words: 'its certificate has expired', advice: 'untrusted' },
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: unknownClient,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: unknownClient,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: unknownClient,
  ERR_TLS_CERT_ALTNAME_INVALID: { words: 'its certificate is for another host' },
};

/** What a failed connection or a broken body means; errors without a code are bugs and come back as they are. */
export function networkError(host: string, cause: unknown, about: Advice = IMAGE_ADVICE): unknown {
  if (cause instanceof ArchBuildError) return cause;
  if (cause instanceof Error && cause.name === 'AbortError') {
    return new ArchBuildError('INTERRUPTED', 'the transfer was interrupted', { cause });
  }
  if (cause instanceof Error && cause.name === 'HTTPParserError') {
    return new ArchBuildError('NETWORK', `cannot talk to ${host}: what it answers is not HTTP`, { cause });
  }
  const code = codeOf(cause);
  if (code === undefined) return cause;
  const { words, advice, transient } = TROUBLES[code] ?? { words: code };
  const details = { cause, ...(advice === undefined ? {} : { hint: about[advice] }) };
  const message = `cannot talk to ${host}: ${words}`;
  return transient
    ? new TransientError('NETWORK', message, details)
    : new ArchBuildError('NETWORK', message, details);
}

/** The code of the error, or of the first of several attempts at several addresses. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined;
}

/** The code below an ArchBuildError of networkError. */
export const codeOfCause = (error: unknown): string | undefined =>
  error instanceof ArchBuildError ? codeOf(error.cause) : undefined;

export interface ErrorAnswer {
  readonly host: string;
  /** What was asked for. */
  readonly what: string;
  readonly status: number;
  /** The beginning of the body. */
  readonly text: string;
  readonly retryAfter: string | undefined;
  /** What is left of how much, as some registries tell. */
  readonly quota?: string | undefined;
}

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** The error for an answer that is not what was asked for, with the registry's own words. */
export function answerError({ host, what, status, text, retryAfter, quota }: ErrorAnswer): ArchBuildError {
  const words = registryWords(text);
  const message = `${host} answers ${status} to ${what}${words === '' ? '' : `: ${words}`}`;
  if (status === 401 || status === 403) {
    return new ArchBuildError('REGISTRY_AUTH', message, {
      hint: `log in with \`arch-build login ${domainOfHost(host)}\`, or check the name`,
    });
  }
  if (!TRANSIENT_STATUS.has(status)) return new ArchBuildError('REGISTRY', message);
  const retryAfterMs = parseRetryAfter(retryAfter);
  const details = {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(status === 429 ? { hint: tooMany(domainOfHost(host), quota, retryAfterMs) } : {}),
  };
  return new TransientError('REGISTRY', message, details);
}

function tooMany(domain: string, quota: string | undefined, waitMs: number | undefined): string {
  const left = quota === undefined ? '' : ` (${quota})`;
  const when = waitMs === undefined ? 'later' : `in ${Math.ceil(waitMs / 1000)} s`;
  return `the registry limits how much one may fetch${left}; log in with \`arch-build login ${domain}\`, or try ${when}`;
}

/** `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 0;w=21600`, as docker.io sends them, in words. */
export function quotaWords(limit: string | undefined, remaining: string | undefined): string | undefined {
  const [, count, window] = /^(\d{1,9})(?:;w=(\d{1,9}))?/.exec(limit ?? '') ?? [];
  if (count === undefined) return undefined;
  const [, left] = /^(\d{1,9})/.exec(remaining ?? '') ?? [];
  const span = window === undefined ? '' : ` in ${Math.round(Number(window) / 360) / 10} hours`;
  return `${count}${span}${left === undefined ? '' : `, ${left} left`}`;
}

/** Seconds or a date. RFC 9110 10.2.3. */
export function parseRetryAfter(text: string | undefined, now: number = Date.now()): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** `{"errors":[{"code","message","detail"}]}`, or the beginning of what was said instead, made harmless for a terminal. */
function registryWords(text: string): string {
  const listed = listedErrors(text);
  const words = listed.length > 0 ? listed.join('; ') : /^\s*</.test(text) ? '' : text;
  return words
    .replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, 300);
}

function listedErrors(text: string): string[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return [];
  }
  const { errors } = (document ?? {}) as { errors?: unknown };
  if (!Array.isArray(errors)) return [];
  return errors.slice(0, 5).map((entry: unknown) => {
    const { code, message } = (entry ?? {}) as { code?: unknown; message?: unknown };
    return [code, message]
      .filter((part): part is string => typeof part === 'string' && part !== '')
      .join(': ');
  });
}
