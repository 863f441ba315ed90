/** Programs that keep passwords for others. Protocol: docker-credential-helpers, `get`, `store` and `erase`. */
import { ArchBuildError } from '../errors.ts';
import { runProgram } from '../sys/run-program.ts';
import { texts, type Credentials, type Environment } from './auth-config.ts';

/** The name of docker.io in configs and helpers, from the time of its first API. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
/** The name of nobody: the secret is an identity token. */
export const TOKEN_USER = '<token>';
const TIMEOUT_MS = 60_000;

/** Under which name the credentials of a registry are kept. */
export const credentialKey = (domain: string): string => (domain === 'docker.io' ? DOCKER_HUB_KEY : domain);

/** Undefined when it knows none. Throws REGISTRY_AUTH, TOOL_MISSING; never with the helper's words when it gave some. */
export async function getFromHelper(
  name: string,
  domain: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  const { program, status, stdout, words } = await run(name, 'get', {
    input: credentialKey(domain),
    environment,
  });
  if (status === 0) return parseAnswer(program, stdout);
  if (/credentials not found|not found in native keychain/i.test(words)) return undefined;
  throw new ArchBuildError('REGISTRY_AUTH', `${program} gave no credentials for ${domain}: ${words}`);
}

/** Throws REGISTRY_AUTH, TOOL_MISSING. */
export async function storeInHelper(
  name: string,
  {
    domain,
    username,
    password,
  }: { readonly domain: string; readonly username: string; readonly password: string },
  environment: Environment,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: credentialKey(domain), Username: username, Secret: password });
  const { program, status, words } = await run(name, 'store', { input, environment });
  if (status !== 0)
    throw new ArchBuildError('REGISTRY_AUTH', `${program} did not keep the password: ${words}`);
}

/** Says nothing when there was none. Throws TOOL_MISSING. */
export async function eraseFromHelper(name: string, domain: string, environment: Environment): Promise<void> {
  await run(name, 'erase', { input: credentialKey(domain), environment });
}

interface Answer {
  readonly program: string;
  readonly status: number;
  readonly stdout: string;
  /** What it said, for an error. */
  readonly words: string;
}

async function run(
  name: string,
  verb: 'get' | 'store' | 'erase',
  { input, environment }: { readonly input: string; readonly environment: Environment },
): Promise<Answer> {
  if (!/^[\w.-]+$/.test(name)) {
    throw new ArchBuildError('REGISTRY_AUTH', `not the name of a credential helper: ${JSON.stringify(name)}`);
  }
  const program = `docker-credential-${name}`;
  const env = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const { status, stdout, stderr } = await runProgram(program, [verb], { input, env, timeoutMs: TIMEOUT_MS });
  return { program, status, stdout, words: `${stdout}${stderr}`.trim().slice(0, 300) };
}

function parseAnswer(program: string, stdout: string): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(stdout);
  } catch {
    throw new ArchBuildError('REGISTRY_AUTH', `${program} answered something that is not JSON`); // it may be secret
  }
  const { Username: username, Secret: secret } = texts(answer);
  if (!secret) return undefined;
  if (username === TOKEN_USER) return { type: 'identity-token', token: secret };
  return username ? { type: 'password', username, password: secret } : undefined;
}
