/** The one way to arch-build: its exit status becomes buildah's. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));

/** Set once, from buildah's `--root`. */
export const store = { directory: '' };

export const environment = () => ({ ...process.env, ARCH_BUILD_ROOT: store.directory, NO_COLOR: '1' });

export function archBuild(args, { show = false } = {}) {
  const outcome = spawnSync(process.execPath, [PROGRAM, ...args], {
    env: environment(),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['inherit', 'pipe', 'pipe'],
  });
  if (show) process.stdout.write(outcome.stdout);
  if (show || outcome.status !== 0) process.stderr.write(outcome.stderr);
  // `run` has the status of its program
  if (outcome.status !== 0) process.exit(args[0] === 'run' ? outcome.status : 125);
  return outcome;
}

export function fail(message) {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(125);
}

/** What the cache of `_prefetch` has by this name, as if it were pulled: when it is missing, or by policy `always`. */
export function pullFromCache(name, policy) {
  const full = name.includes('/') ? name : `docker.io/library/${name}`;
  const archive = `${process.env._BUILDAH_IMAGE_CACHEDIR}/${full.replace(/:latest$/, '').replace(/[^a-zA-Z0-9.-]/g, '-')}-/image.tar`;
  if (policy === 'never' || !existsSync(archive)) return;
  const listed = JSON.parse(archBuild(['images', '--format', 'json']).stdout);
  const names = [full, `${full}:latest`, `localhost/${name}:latest`, `localhost/${name}`];
  if (policy !== 'always' && listed.some((image) => names.includes(image.name))) return;
  archBuild(['load', '-i', archive]);
}
