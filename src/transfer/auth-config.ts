/**
 * The config files of docker and of the containers tools, as far as they are about credentials.
 *
 *   $REGISTRY_AUTH_FILE                                                  alone, when it is set
 *   $XDG_RUNTIME_DIR/containers/auth.json, else /run/containers/<uid>/   podman, skopeo, buildah
 *   $XDG_CONFIG_HOME/containers/auth.json, else ~/.config/containers/    the same, across reboots
 *   $DOCKER_CONFIG/config.json, else ~/.docker/config.json               docker
 *   ~/.dockercfg                                                         docker, long ago: `auths` alone
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Credentials =
  | { readonly type: 'password'; readonly username: string; readonly password: string }
  /** To be exchanged for an access token. */
  | { readonly type: 'identity-token'; readonly token: string }
  /** Already an access token. */
  | { readonly type: 'registry-token'; readonly token: string };

const FILE_LIMIT = 4 << 20;

/** Those the environment names, in the order in which they are asked. */
export function configFiles(environment: Environment): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, HOME } = environment;
  if (REGISTRY_AUTH_FILE) return [REGISTRY_AUTH_FILE];
  const runtime = XDG_RUNTIME_DIR
    ? join(XDG_RUNTIME_DIR, 'containers')
    : `/run/containers/${process.getuid?.() ?? 0}`;
  const atHome = (path: string): string | undefined => (HOME ? join(HOME, path) : undefined);
  const config = XDG_CONFIG_HOME ? XDG_CONFIG_HOME : atHome('.config');
  const docker = DOCKER_CONFIG ? DOCKER_CONFIG : atHome('.docker');
  return [
    join(runtime, 'auth.json'),
    config && join(config, 'containers/auth.json'),
    docker && join(docker, 'config.json'),
    atHome(LEGACY_NAME),
  ].filter((path): path is string => path !== undefined);
}

const LEGACY_NAME = '.dockercfg';

/** Where a password goes when none of those is there: what the environment names, else docker's, which all tools read. */
export const fileToMake = (environment: Environment): string | undefined =>
  environment['REGISTRY_AUTH_FILE'] || environment['DOCKER_CONFIG'] || environment['HOME']
    ? configFiles(environment).findLast((path) => basename(path) !== LEGACY_NAME)
    : undefined;

export interface AuthEntry {
  readonly auth?: string;
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

export interface AuthConfig {
  readonly path: string;
  readonly auths: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | undefined;
}

/** Undefined when there is no such file. Throws REGISTRY_AUTH, naming the file. */
export async function readAuthConfig(path: string): Promise<AuthConfig | undefined> {
  const document = await readJson(path);
  if (document === undefined) return undefined;
  const config = basename(path) === LEGACY_NAME ? { auths: document } : record(document);
  const { credsStore } = config as { credsStore?: unknown };
  return {
    path,
    auths: Object.fromEntries(
      Object.entries(record(config['auths'])).map(([key, entry]) => [key, texts(entry)]),
    ),
    credHelpers: texts(config['credHelpers']),
    credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined,
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    if ((await stat(path)).size > FILE_LIMIT) throw badConfig(path, 'it is too large');
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof ArchBuildError) throw error;
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw badConfig(
      path,
      error instanceof SyntaxError ? 'it is not JSON' : (code ?? 'unknown reason'),
      error,
    );
  }
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/** The entries of an object that are texts. */
export const texts = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

/** Changes the entries of `auths` and nothing else; the file is made, for its owner only, when it is missing. */
export async function editAuths(path: string, edit: (auths: Record<string, unknown>) => void): Promise<void> {
  const isLegacy = basename(path) === LEGACY_NAME;
  const document = record(await readJson(path));
  const auths = { ...(isLegacy ? document : record(document['auths'])) };
  edit(auths);
  const edited = isLegacy ? auths : { ...document, auths };
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(temporary, `${JSON.stringify(edited, undefined, '\t')}\n`, {
      flag: 'wx',
      mode: 0o600,
    });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new ArchBuildError('IO', `cannot write ${path}: ${systemErrorCode(error) ?? 'unknown reason'}`, {
      cause: error,
    });
  }
}

export const badConfig = (path: string, why: string, cause?: unknown): ArchBuildError =>
  new ArchBuildError(
    'REGISTRY_AUTH',
    `cannot use the credentials in ${path}: ${why}`,
    cause === undefined ? {} : { cause },
  );
