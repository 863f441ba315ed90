/** The one way to arch-build: its exit status becomes buildah's. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));

/** Of the buildah whose tests these are. */
export const VERSION = '1.39.3';

/** Set once, from buildah's `--root`. */
export const store = { directory: '' };

/** Set once, from buildah's `--log-level`. */
export const log = { level: 'warn' };

export const isDebugging = () => log.level === 'debug';

/** A line of buildah's log. */
export function debug(message) {
  if (isDebugging()) process.stderr.write(`level=debug msg=${JSON.stringify(message)}\n`);
}

const environment = (extra = {}) => ({
  ...process.env,
  ARCH_BUILD_ROOT: store.directory,
  NO_COLOR: '1',
  ...extra,
});

/** Ends the shim when arch-build fails, unless failures are `tolerated`. */
export function archBuild(
  args,
  { show = false, tolerated = false, bytes = false, env, explain, input } = {},
) {
  const outcome = spawnSync(process.execPath, [PROGRAM, ...args], {
    env: environment(env),
    encoding: bytes ? 'buffer' : 'utf8',
    maxBuffer: 2 ** 28,
    ...(input === undefined ? { stdio: ['inherit', 'pipe', 'pipe'] } : { input }),
  });
  if (show) process.stdout.write(outcome.stdout);
  if (show || (outcome.status !== 0 && !tolerated)) process.stderr.write(outcome.stderr);
  if (outcome.status !== 0 && !tolerated) {
    process.stderr.write(explain?.(outcome.stderr) ?? '');
    process.exit(125);
  }
  return outcome;
}

/** A running arch-build, which gets the signals that we get. */
export function startArchBuild(args, { env, stdio = ['inherit', 'pipe', 'pipe'] } = {}) {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: environment(env), stdio });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return child;
}

export function fail(message, status = 125) {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(status);
}

/** The images of the store with their platforms, names and digests. */
export const listAll = () => JSON.parse(archBuild(['images', '--json']).stdout);
