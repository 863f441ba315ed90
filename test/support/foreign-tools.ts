/**
 * The tools of others that our images are checked with. They get storage, run directories, home and policy of their
 * own, so that neither the host's configuration has a say nor its storage an image more.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { openScratch, type Scratch } from './scratch.ts';

export interface ToolOptions {
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Standard output, as text. Throws an error with the command line and standard error unless the status is 0. */
export type Tool = (args: readonly string[], options?: ToolOptions) => Promise<string>;

export interface ForeignTools extends AsyncDisposable {
  readonly scratch: Scratch;
  readonly skopeo: Tool;
  readonly umoci: Tool;
  /** Shares its storage with `podman`. */
  readonly buildah: Tool;
  readonly podman: Tool;
}

/** The caller disposes it. That the programs are there is for the test to require (requires.ts). */
export async function openForeignTools(): Promise<ForeignTools> {
  const scratch = await openScratch('tools');
  const env = await privateEnvironment(scratch);
  const podman = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
  const folders = ['--tmpdir', scratch.path('libpod'), '--network-config-dir', scratch.path('networks')];
  const tool = (name: string, globals: readonly string[]): Tool => {
    return (args, options = {}) =>
      runTool(name, [...globals, ...args], { ...options, env: { ...env, ...options.env } });
  };
  return {
    scratch,
    skopeo: tool('skopeo', ['--policy', scratch.path('policy.json'), '--tmpdir', scratch.path('tmp')]),
    umoci: tool('umoci', []),
    buildah: tool('buildah', []),
    podman: tool('podman', [...podman, ...folders]),
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

/** Images are unpacked as plain directories: no mounts, and it works on any file system. */
const storageConfiguration = (scratch: Scratch): string => `[storage]
driver = "vfs"
graphroot = "${scratch.path('storage')}"
runroot = "${scratch.path('run')}"
`;

const ACCEPT_ALL = JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] });

async function privateEnvironment(scratch: Scratch): Promise<Record<string, string>> {
  await scratch.write('policy.json', ACCEPT_ALL);
  await scratch.write('home/.config/containers/policy.json', ACCEPT_ALL);
  await mkdir(scratch.path('tmp'));
  await mkdir(scratch.path('xdg'), { mode: 0o700 });
  return {
    HOME: scratch.path('home'),
    TMPDIR: scratch.path('tmp'),
    XDG_CONFIG_HOME: scratch.path('home/.config'),
    XDG_RUNTIME_DIR: scratch.path('xdg'),
    REGISTRY_AUTH_FILE: await scratch.write('auth.json', '{}'),
    CONTAINERS_CONF: await scratch.write('containers.conf', '[engine]\nlock_type = "file"\n'),
    CONTAINERS_STORAGE_CONF: await scratch.write('storage.conf', storageConfiguration(scratch)),
    CONTAINERS_REGISTRIES_CONF: await scratch.write(
      'registries.conf',
      'unqualified-search-registries = []\n',
    ),
    BUILDAH_ISOLATION: 'chroot',
  };
}

/** Any other program of the host, the same way: GNU tar, openssl, htpasswd. */
export async function runTool(
  name: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const child = spawn(name, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined); // it may end without having read its input
  child.stdin.end(options.input);
  const [status] = (await once(child, 'close')) as [number | null];
  if (status === 0) return Buffer.concat(stdout).toString('utf8');
  const end = status === null ? `signal ${String(child.signalCode)}` : `exit status ${String(status)}`;
  throw new Error(`${[name, ...args].join(' ')}: ${end}\n${Buffer.concat(stderr).toString('utf8')}`);
}
