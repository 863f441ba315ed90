/** `buildah push`, `pull`, `login`, `logout`, `passwd`. */
import { spawnSync } from 'node:child_process';
import { archBuild, fail } from './program.mjs';
import { connection, CONNECTION } from './connection.mjs';
import { describe, nameOf } from './names.mjs';
import { readOptions } from './options.mjs';

const TRANSFER = {
  value: [
    'log-level',
    ...['signature-policy', 'format', 'compression-format', 'compression-level', 'digestfile', 'platform'],
    ...['arch', 'os', 'variant', 'policy', 'encryption-key', 'blob-cache'],
    ...CONNECTION.value,
  ],
  flag: [
    ...['q', 'quiet', 'force-compression', 'all', 'D', 'disable-compression', 'rm', 'remove-signatures'],
    ...CONNECTION.flag,
  ],
};
/** What would not be what was asked for. */
const REFUSED = ['encryption-key'];

export function push(args) {
  const { options, words } = readOptions(args, TRANSFER);
  for (const name of REFUSED) if (options[name] !== undefined) fail(`arch-build has no --${name}`);
  const [image, target = image] = words;
  const [, scheme, path] = /^(dir|oci|oci-archive|docker-archive):(.*)$/.exec(target) ?? [];
  if (scheme !== undefined) return pushToFile(nameOf(image), scheme, path);
  const { env, words: reach } = connection(options, [target]);
  const packing = (options['compression-format'] ?? []).flatMap((kind) => ['--compression', kind]);
  const forced = { true: ['--force-compression'], false: ['--no-force-compression'] };
  const force = forced[options['force-compression']] ?? [];
  archBuild(['push', ...reach, ...packing, ...force, nameOf(image), target.replace(/^docker:\/\//, '')], {
    env,
    show: true,
  });
}

/** skopeo writes what arch-build does not. */
function pushToFile(name, scheme, path) {
  const { status, stdout } = spawnSync('mktemp', ['-u', '--suffix=.tar'], { encoding: 'utf8' });
  if (status !== 0) fail('mktemp');
  archBuild(['save', '-o', stdout.trim(), name]);
  const copied = spawnSync('skopeo', [
    '--insecure-policy',
    'copy',
    `oci-archive:${stdout.trim()}`,
    `${scheme}:${path}`,
  ]);
  if (copied.status !== 0) fail(String(copied.stderr));
}

export function pull(args) {
  const { options, words } = readOptions(args, TRANSFER);
  const [, scheme, path] = /^(oci|oci-archive|docker-archive):(.*)$/.exec(words[0]) ?? [];
  if (scheme !== undefined) return pullFromFile(scheme, path);
  const name = words[0].replace(/^docker:\/\//, '');
  const { env, words: reach } = connection(options, [name]);
  const platform = options.platform?.[0] ?? `linux/${options.arch?.[0] ?? 'amd64'}`;
  archBuild(['pull', '--platform', platform, ...reach, name], { env, show: true });
  console.log(describe(name).id);
}

function pullFromFile(scheme, path) {
  const { status, stdout } = spawnSync('mktemp', ['-u', '--suffix=.tar'], { encoding: 'utf8' });
  if (status !== 0) fail('mktemp');
  const archive = stdout.trim();
  const copied = spawnSync('skopeo', [
    '--insecure-policy',
    'copy',
    `${scheme}:${path}`,
    `oci-archive:${archive}`,
  ]);
  if (copied.status !== 0) fail(String(copied.stderr));
  archBuild(['load', '-i', archive], { show: true });
}

export function login(args) {
  const { options, words } = readOptions(args, {
    value: ['username', 'u', 'password', 'p', ...CONNECTION.value],
    flag: [...CONNECTION.flag],
  });
  const { authfile, ...others } = options;
  const { env, words: reach } = connection(others, [`${words[0]}/any`]);
  const [user] = options.username ?? options.u ?? [];
  const [password] = options.password ?? options.p ?? [];
  archBuild(['login', '-u', user, '--password-stdin', ...reach, words[0]], {
    env: { ...env, ...(authfile && { REGISTRY_AUTH_FILE: authfile[0] }) },
    input: password,
  });
  console.log('Login Succeeded!');
}

export function logout() {
  fail('no test of bud.bats logs out');
}

/** The hash of a password, as a registry wants it. */
export function passwd([password]) {
  const { stdout } = spawnSync('htpasswd', ['-nbB', 'user', password], { encoding: 'utf8' });
  console.log(
    stdout
      .trim()
      .replace(/^user:/, '')
      .replace(/^\$2y/, '$2a'),
  );
}
