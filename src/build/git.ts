/**
 * The host's git, as a build uses it: nobody is asked for a password, nobody's configuration and hooks count, and only
 * protocols of the network are spoken, so that a repository cannot name files of the host as its submodule.
 */
import { ArchBuildError } from '../errors.ts';
import { runProgram } from '../sys/run-program.ts';
import type { BuildOptions } from './options.ts';

export interface GitCall {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly sshAgents: BuildOptions['sshAgents'];
  /** Hosts, with their port where it is not the usual one, whose certificate nobody has to vouch for. */
  readonly insecure: BuildOptions['insecure'];
  /** The repository may be one of this host's files. */
  readonly isLocal?: boolean;
}

const SETTINGS = [
  'core.hooksPath=/dev/null',
  'init.defaultBranch=main',
  'advice.detachedHead=false',
  'gc.auto=0',
  'http.lowSpeedLimit=1', // bytes a second: a server that says nothing for a minute is given up
  'http.lowSpeedTime=60',
];

const NETWORK_PROTOCOLS = 'git:http:https:ssh';

const FIXED = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
  LC_ALL: 'C',
};
/** What may decide how a server is reached. */
const INHERITED = /^(?:PATH|HOME|TMPDIR|SSL_CERT_\w+|GIT_SSL_CAINFO|(?:https?|ftp|all|no)_proxy)$/i;

/** Its standard output. Throws TOOL_MISSING without git, NETWORK with what git says when it ends with an error. */
export async function git(call: GitCall, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await tryGit(call, args);
  if (status === 0) return stdout;
  const words = stderr.trim().split('\n').slice(-3).join('; ');
  throw new ArchBuildError('NETWORK', `git ${args[0] ?? ''} ended with ${String(status)}: ${words}`);
}

/** The same whatever the status. */
export async function tryGit(
  { cwd, signal, sshAgents, insecure, isLocal = false }: GitCall,
  args: readonly string[],
): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> {
  const agent = sshAgents.get('default');
  const env = {
    ...inherited(),
    ...FIXED,
    GIT_ALLOW_PROTOCOL: isLocal ? `${NETWORK_PROTOCOLS}:file` : NETWORK_PROTOCOLS,
    ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }),
  };
  const believed = insecure.map((host) => `http.https://${host}/.sslVerify=false`);
  const settings = [...SETTINGS, ...believed].flatMap((setting) => ['-c', setting]);
  try {
    // The files of a repository have the modes that git gives them, not those of our umask.
    const words = ['-c', 'umask 022 && exec git "$@"', 'git', ...settings, ...args];
    const result = await runProgram('sh', words, { cwd, env, signal, endsWithUs: true });
    if (result.status !== 127) return result;
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'TOOL_MISSING') throw error;
  }
  throw new ArchBuildError('TOOL_MISSING', 'a git repository needs the program git', {
    hint: 'install it (Debian: git), or clone the repository and build from the files',
  });
}

const inherited = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && INHERITED.test(name) ? [[name, value]] : [],
    ),
  );
