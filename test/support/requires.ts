/**
 * What a test needs of the host. Where the host lacks it the test is skipped and the reason printed, except under
 * CI=true, where it fails: a suite that skips what it cannot do proves nothing.
 *
 * Capabilities are tried, not guessed from versions.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { describe, it, type TestContext } from 'vitest';
import { nativeLibrary } from '../../src/sys/native.ts';
import { isWritable } from '../../src/sys/writable.ts';

export type Requirement = keyof typeof PROBES | `command:${string}`;

/** `describe` for tests that need all of these. */
export function describeWith(requirements: readonly Requirement[], name: string, body: () => void): void {
  const reason = whyMissing(requirements);
  if (reason === undefined) {
    describe(name, body);
  } else if (failsWhenMissing()) {
    describe(name, () => it('has what it needs', () => refuse(reason)));
  } else {
    console.warn(`skipping ${name}: ${reason}`);
    describe.skip(name, body);
  }
}

export function describeWithRoot(name: string, body: () => void): void {
  describeWith(['root'], name, body);
}

/**
 * Within a test: ends it as skipped, or as failed under CI=true, unless the host has all of these.
 * @public
 */
export function requireOf(context: TestContext, ...requirements: Requirement[]): void {
  const reason = whyMissing(requirements);
  if (reason === undefined) return;
  if (failsWhenMissing()) refuse(reason);
  console.warn(`skipping ${context.task.name}: ${reason}`);
  context.skip(reason);
}

/** Why this host cannot do all of these, in one sentence without full stop; undefined when it can. */
function whyMissing(requirements: readonly Requirement[]): string | undefined {
  const reasons = requirements.map(probe).filter((reason) => reason !== undefined);
  return reasons.length === 0 ? undefined : reasons.join(', ');
}

function refuse(reason: string): never {
  throw new Error(`the host lacks what this test needs, and CI=true: ${reason}`);
}

function failsWhenMissing(): boolean {
  return process.env.CI === 'true';
}

/** Each answers with the reason why not. */
const PROBES = {
  root: () => (process.getuid?.() === 0 ? undefined : 'needs root'),
  overlay: probeOverlay,
  'control-groups': probeControlGroups,
  'files-library': () =>
    nativeLibrary('files') === undefined ? 'needs dist/native/files.so (npm run build)' : undefined,
  'user-namespaces': () => tryCommand(['unshare', '--user', 'true'], 'needs user namespaces'),
  /** Kernel 6.7: binfmt_misc belongs to the user namespace that mounts it. */
  'private-binfmt': () =>
    tryCommand(
      [
        'unshare',
        '--user',
        '--map-root-user',
        '--mount',
        'mount',
        '-t',
        'binfmt_misc',
        'none',
        '/proc/sys/fs/binfmt_misc',
      ],
      'needs a kernel with binfmt_misc per user namespace (6.7)',
    ),
};

const answers = new Map<Requirement, string | undefined>();

function probe(requirement: Requirement): string | undefined {
  if (!answers.has(requirement)) {
    const reason = isProbe(requirement)
      ? PROBES[requirement]()
      : findCommand(requirement.slice('command:'.length));
    answers.set(requirement, reason);
  }
  return answers.get(requirement);
}

function isProbe(requirement: Requirement): requirement is keyof typeof PROBES {
  return requirement in PROBES;
}

function findCommand(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => isExecutable(join(folder, name))) ? undefined : `needs the command ${name}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function tryCommand([file = '', ...args]: string[], reason: string): string | undefined {
  const { error, status, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 });
  if (error === undefined && status === 0) return undefined;
  return `${reason}: ${(error?.message ?? stderr).trim()}`;
}

/** Of either version, with what limits steps. */
function probeControlGroups(): string | undefined {
  const [top, unified] = ['/sys/fs/cgroup', '/sys/fs/cgroup/cgroup.controllers'];
  const names = existsSync(unified) ? readFileSync(unified, 'utf8').split(/\s+/) : [];
  const placeOf = (name: string): string => (names.includes(name) ? top : join(top, name));
  const missing = ['memory', 'cpu', 'cpuset', 'pids'].filter((name) => !isWritable(placeOf(name)));
  return missing.length === 0 ? undefined : `needs control groups for ${missing.join(', ')}`;
}

/** In a mount namespace of its own, so that nothing is to be undone. */
function probeOverlay(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'arch-build-probe-'));
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(directory, name));
    const options = `lowerdir=${directory}/lower,upperdir=${directory}/upper,workdir=${directory}/work`;
    const mount = ['mount', '-t', 'overlay', 'overlay', '-o', options, `${directory}/merged`];
    return tryCommand(['unshare', '--mount', ...mount], 'needs overlay mounts');
  } finally {
    rmSync(directory, { recursive: true });
  }
}
