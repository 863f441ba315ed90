/** The options of `buildah build`, by what becomes of them. */
import { fail } from './program.mjs';

/** Passed on as they are: what arch-build does not know it refuses. */
export const PASSED = [
  ...[
    'build-arg',
    'build-arg-file',
    'label',
    'unsetlabel',
    'annotation',
    'unsetannotation',
    'target',
    'secret',
    'ssh',
  ],
  ...['build-context', 'cache-from', 'cache-to', 'output', 'o', 'metadata-file', 'ignorefile', 'from'],
  ...['env', 'unsetenv', 'add-host', 'dns', 'dns-search', 'dns-option', 'volume', 'v', 'device'],
  ...['cpp-flag', 'logfile', 'skip-unused-stages', 'layer-label', 'hooks-dir', 'cache-ttl', 'group-add'],
  ...['cap-add', 'cap-drop', 'ulimit', 'shm-size', 'cgroup-parent', 'cpu-quota', 'cpu-period', 'cpuset-cpus'],
  ...['security-opt', 'cpuset-mems', 'cpu-shares', 'c', 'memory', 'm', 'memory-swap', 'cgroupns'],
  ...['rusage-logfile', 'decryption-key'],
];

/** About buildah's storage, its sandbox, or resources of builds that no instruction sees. */
export const DROPPED = [
  ...['signature-policy', 'isolation', 'format', 'log-level'],
  ...['userns', 'pid', 'ipc', 'uts', 'userns-uid-map', 'userns-gid-map', 'userns-uid-map-user'],
  'userns-gid-map-group',
];

/** Handled by build.mjs. */
export const VALUES = [
  ...[
    'file',
    'f',
    'tag',
    't',
    'manifest',
    'platform',
    'arch',
    'os',
    'variant',
    'network',
    'net',
    'iidfile',
    'timestamp',
  ],
  ...['runtime', 'runtime-flag', 'jobs', 'os-version', 'os-feature'],
];
export const FLAGS = [
  ...['layers', 'no-cache', 'quiet', 'q', 'pull', 'pull-always', 'pull-never', 'rm', 'force-rm', 'compress'],
  ...['no-hosts', 'no-hostname', 'all-platforms', 'squash', 'identity-label', 'omit-history', 'http-proxy'],
  ...['compat-volumes', 'log-rusage', 'logsplit', 'stdin', 'disable-compression', 'D'],
];

/** Flags as ours; those that buildah has unless it is told otherwise are `true`. */
export const SWITCHES = {
  'identity-label': { ours: '--identity-label', usual: true },
  'omit-history': { ours: '--omit-history', usual: false },
  'no-hosts': { ours: '--no-hosts', usual: false },
  'no-hostname': { ours: '--no-hostname', otherwise: '--hostname-file', usual: false },
  squash: { ours: '--squash-all', usual: false },
  stdin: { ours: '--stdin', usual: false },
  'log-rusage': { ours: '--log-rusage', usual: false },
  logsplit: { ours: '--logsplit', usual: false },
};

const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy'];

/** `--http-proxy`, which buildah has on: steps see the variables that say where a proxy is. */
export function proxyArguments(options) {
  if (options['http-proxy'] === false) return [];
  const names = PROXIES.flatMap((name) => [name, name.toUpperCase()]);
  return names.filter((name) => process.env[name] !== undefined).flatMap((name) => ['--build-arg', name]);
}

/** Of these flags only the value that is our behaviour anyway may be given. */
export const ALWAYS = {
  'compat-volumes': false,
  rm: true,
};

/** Sandboxes of containers that the tests look into. */
const SANDBOX = ['runtime', 'runtime-flag'];

export function checkNumbers(options) {
  for (const value of [...(options['cpu-shares'] ?? []), ...(options.c ?? [])])
    if (!/^\d+$/.test(value))
      fail(
        `invalid argument ${JSON.stringify(value)} for "-c, --cpu-shares" flag: strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
  for (const name of SANDBOX)
    for (const value of options[name] ?? []) fail(`arch-build has no --${name}=${value}`);
}
