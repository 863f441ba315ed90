/** `run`: a program of an image over a throw-away overlay, emulated where it is foreign. */
import { readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Emulation } from '../emulation/ladder.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { ImageConfig } from '../oci/image-config.ts';
import { environmentOf } from '../oci/image-config.ts';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, kernelSurface } from '../sys/kernel-surface.ts';
import type { Outcome, SandboxOptions } from '../sys/sandbox.ts';
import type { Bind, StepPlanOptions } from '../sys/step-plan.ts';
import { DEFAULT_PATH, ensureRootfs, type BaseImage } from './base-image.ts';
import { hostFiles, STEP_HOSTNAME } from './host-files.ts';
import type { Job } from './options.ts';
import { readAccounts } from './rootfs-files.ts';
import { runSandboxed } from './run-sandboxed.ts';
import { ensureWorkdir, prepareRootfs, writeHostFiles } from './step-rootfs.ts';
import { lookUpUser } from './user-lookup.ts';

export interface RunOptions {
  /** Instead of the image's Cmd. */
  readonly command: readonly string[];
  /** Instead of the image's Entrypoint; empty for none. */
  readonly entrypoint: readonly string[] | undefined;
  readonly env: ReadonlyMap<string, string>;
  readonly user: string | undefined;
  readonly workdir: string | undefined;
  readonly volumes: readonly Volume[];
  readonly network: 'host' | 'none';
  readonly terminal: boolean;
  readonly streams: Omit<SandboxOptions, 'signal'>;
}

export interface Volume {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** `HOST:IMAGE[:ro|rw]`. Throws USAGE. */
export function parseVolume(text: string): Volume {
  const [source, target, mode = 'rw', ...rest] = text.split(':');
  const valid =
    source && target?.startsWith('/') === true && ['ro', 'rw'].includes(mode) && rest.length === 0;
  if (!valid) {
    throw new ArchBuildError('USAGE', `not a volume: ${JSON.stringify(text)}`, {
      hint: 'write -v HOST:IMAGE or HOST:IMAGE:ro',
    });
  }
  return { source: resolve(source), target, readOnly: mode === 'ro' };
}

export async function runImage(
  job: Job,
  image: BaseImage,
  context: { emulation: Emulation; options: RunOptions },
): Promise<Outcome> {
  const { options } = context;
  const argv = commandOf(image.config, options);
  await ensureRootfs(job, image);
  const lowers = job.store.snapshots.trees(image.chain);
  const scratch = job.store.makeDirectory('run');
  writeHostFiles(scratch, hostFiles(options.network));
  const rootfs = prepareRootfs(scratch, lowers, [
    { source: join(scratch, 'hosts'), target: '/etc/hosts', readOnly: false, kind: 'file' },
    { source: join(scratch, 'resolv.conf'), target: '/etc/resolv.conf', readOnly: false, kind: 'file' },
    ...options.volumes.map(bindOf),
  ]);
  const workdir = options.workdir ?? (image.config.config?.WorkingDir || '/');
  ensureWorkdir(rootfs, lowers, workdir);
  const emulation = await context.emulation.forPlatform(image.config);
  const { home, ...user } = lookUpUser(
    options.user ?? image.config.config?.User ?? '',
    readAccounts(new MergedTree(lowers)),
  );
  const term: [string, string][] = options.terminal ? [['TERM', process.env['TERM'] ?? 'xterm']] : [];
  const variables = new Map([
    ['PATH', DEFAULT_PATH],
    ['HOME', home],
    ...term,
    ...environmentOf(image.config),
    ...options.env,
  ]);
  const environment = [...emulation.environmentOf(variables)].map(([key, value]) => `${key}=${value}`);
  const sandbox: StepPlanOptions = {
    ...rootfs,
    ...kernelSurface(),
    ids: ownIdentity(),
    pipes: [],
    mounts: [],
    isolation: emulation.isolation,
    user,
    environment,
    network: options.network,
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: options.terminal ? terminalPath(options.streams) : undefined,
    workdir,
    argv,
  };
  return runSandboxed(job, sandbox, options.streams);
}

/** Where the terminal's own name is, on the host. */
export const terminalPath = ({ terminal }: RunOptions['streams']): string | undefined =>
  terminal === undefined ? undefined : readlinkSync(`/proc/self/fd/${terminal}`);

function commandOf({ config = {} }: ImageConfig, { entrypoint, command }: RunOptions): string[] {
  const first = entrypoint ?? config.Entrypoint ?? [];
  const inherited = entrypoint === undefined ? (config.Cmd ?? []) : [];
  const argv = [...first, ...(command.length === 0 ? inherited : command)];
  if (argv.length > 0) return argv;
  throw new ArchBuildError('USAGE', 'the image names no program to run', {
    hint: 'write the command after the image',
  });
}

function bindOf({ source, target, readOnly }: Volume): Bind & { kind: 'file' | 'directory' } {
  try {
    return { source, target, readOnly, kind: statSync(source).isDirectory() ? 'directory' : 'file' };
  } catch (cause) {
    throw new ArchBuildError('USAGE', `cannot mount ${source}: ${systemErrorCode(cause) ?? String(cause)}`, {
      cause,
    });
  }
}
