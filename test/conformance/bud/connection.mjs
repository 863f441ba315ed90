/** How registries are reached: buildah's options as arch-build's option and environment. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from './program.mjs';

export const CONNECTION = {
  value: ['authfile', 'creds', 'cert-dir', 'retry', 'retry-delay'],
  flag: ['tls-verify'],
};

/** The registries of some image names, and the servers of URLs. */
const hostsOf = (names) => [
  ...new Set(
    names.flatMap((name) => /^(?:docker:\/\/|https:\/\/)?([^/]*[.:][^/]*|localhost)\//.exec(name)?.[1] ?? []),
  ),
];

export function connection(options, names) {
  const hosts = hostsOf(names);
  const [authFile] = options.authfile ?? [];
  if (authFile !== undefined && !existsSync(authFile))
    fail(`credential file is not accessible: faccessat ${authFile}: no such file or directory`);
  const [creds] = options.creds ?? [];
  const [certificates] = options['cert-dir'] ?? [];
  return {
    words: [
      ...(options['tls-verify'] === false ? hosts.flatMap((host) => ['--insecure', host]) : []),
      ...(options.retry ?? []).flatMap((count) => ['--retry', count]),
      ...(options['retry-delay'] ?? []).flatMap((time) => ['--retry-delay', time]),
    ],
    env: {
      ...(authFile === undefined ? {} : { REGISTRY_AUTH_FILE: authFile }),
      ...(creds === undefined ? {} : { REGISTRY_AUTH_FILE: credentialsFile(creds, hosts) }),
      ...(certificates === undefined ? {} : { SSL_CERT_FILE: bundleOf(certificates) }),
    },
  };
}

const temporary = (name) => join(mkdtempSync(join(tmpdir(), 'shim-')), name);

function credentialsFile(creds, hosts) {
  const path = temporary('auth.json');
  const auth = Buffer.from(creds).toString('base64');
  writeFileSync(path, JSON.stringify({ auths: Object.fromEntries(hosts.map((host) => [host, { auth }])) }));
  return path;
}

/** The world's authorities and those of a directory. */
function bundleOf(directory) {
  const path = temporary('bundle.crt');
  const files = readdirSync(directory).filter((name) => name.endsWith('.crt'));
  const parts = [process.env.SSL_CERT_FILE, ...files.map((name) => join(directory, name))];
  writeFileSync(path, parts.map((part) => (part === undefined ? '' : readFileSync(part, 'utf8'))).join('\n'));
  return path;
}
