/** What a caller may say about talking to registries; everything has a default. */
import type { Reporter } from '../events.ts';
import type { Credentials, Environment } from './auth-config.ts';
import type { TlsIdentity } from './certificates.ts';

export interface RegistryOptions {
  /** Instead of what the environment's configs say. */
  readonly credentials?: Credentials;
  /** Ask an issuer of tokens for one that can be kept in the place of the password. */
  readonly wantsIdentityToken?: boolean;
  /** Hosts (`host` or `host:port`) that may be spoken to without TLS or with a certificate nobody vouches for. */
  readonly insecure?: readonly string[];
  /** Where credentials, proxies and certificates are looked up; the process's own by default. */
  readonly environment?: Environment;
  /** Directories with one directory per host of `*.crt` and `*.cert` + `*.key`. */
  readonly certificateDirectories?: readonly string[];
  /** By host, on top of what those directories have. */
  readonly identities?: ReadonlyMap<string, TlsIdentity>;
  /** containerd's, with one directory per host of hosts.toml. */
  readonly containerdDirectory?: string;
  /** A connection that brings next to nothing for so long is given up. Milliseconds, 60 s by default. */
  readonly stallMs?: number;
  /** The wait before the first retry, doubled for each one after. Milliseconds, 500 by default. */
  readonly backoffMs?: number;
  readonly signal?: AbortSignal;
  readonly report?: Reporter;
}
