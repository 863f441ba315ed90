/** `run`: a program of an image over a throw-away overlay, emulated where it is foreign. */
import { readlinkSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Emulation } from '../emulation/ladder.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { ImageConfig } from '../oci/image-config.ts';
import { environmentOf } from '../oci/image-config.ts';
import { platformOfConfig } from '../oci/platform.ts';
import { ownIdentity } from '../sys/identity.ts';
import { hasVolatileOverlay, kernelSurface, type MaskChanges } from '../sys/kernel-surface.ts';
import type { Outcome, SandboxOptions } from '../sys/sandbox.ts';
import type { Bind } from '../sys/step-plan.ts';
import { DEFAULT_PATH, ensureRootfs, type BaseImage } from './base-image.ts';
import { hostFiles, STEP_HOSTNAME } from './host-files.ts';
import type { NativeTwins } from './native-twins.ts';
import type { Job } from './options.ts';
import { readAccounts } from './rootfs-files.ts';
import { limitsReached } from './run-failure.ts';
import { runSandboxed } from './run-sandboxed.ts';
import { ensureWorkdir, placeMounts, prepareRootfs, writeHostFiles } from './step-rootfs.ts';
import { settingsMounts, type Sandbox } from './step-sandbox.ts';
import type { GroupSettings } from './step-settings.ts';
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
  readonly group: GroupSettings;
  readonly noNewPrivileges: boolean;
  readonly masks: MaskChanges;
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
  context: { emulation: Emulation; twins: Pick<NativeTwins, 'mounts'>; options: RunOptions },
): Promise<Outcome> {
  const { options } = context;
  const argv = commandOf(image.config, options);
  await ensureRootfs(job, image);
  const lowers = job.store.snapshots.trees(image.chain);
  const rootfs = rootfsFor(job, lowers, options);
  const workdir = options.workdir ?? (image.config.config?.WorkingDir || '/');
  ensureWorkdir(rootfs, lowers, workdir);
  const emulation = await context.emulation.forPlatform(image.config);
  const accelerated = { platform: platformOfConfig(image.config), origin: image.origin };
  const twins = await context.twins.mounts(accelerated, emulation);
  const { home, ...user } = lookUpUser(
    options.user ?? image.config.config?.User ?? '',
    readAccounts(new MergedTree(lowers)),
  );
  const variables = emulation.environmentOf(variablesOf(image.config, options, home));
  const sandbox: Sandbox = {
    ...rootfs,
    ...kernelSurface(options.masks),
    groupSettings: options.group,
    noNewPrivileges: options.noNewPrivileges,
    ids: ownIdentity(),
    pipes: [],
    mounts: placeMounts(rootfs, lowers, [...settingsMounts({ mounts: [], masks: options.masks }), ...twins]),
    isolation: emulation.isolation,
    noMemoryLimits: twins.length > 0,
    user,
    environment: [...variables].map(([key, value]) => `${key}=${value}`),
    network: options.network,
    hostname: STEP_HOSTNAME,
    volatile: hasVolatileOverlay(),
    terminal: options.terminal ? terminalPath(options.streams) : undefined,
    workdir,
    argv,
  };
  const { outcome, events } = await runSandboxed(job, sandbox, options.streams);
  const limited = limitsReached(events, options.group.limits);
  if (limited !== undefined)
    job.report({ type: 'warning', text: `${argv[0]}: ${limited.what}: ${limited.hint}` });
  return outcome;
}

function rootfsFor(
  job: Job,
  lowers: readonly string[],
  options: Pick<RunOptions, 'network' | 'volumes'>,
): ReturnType<typeof prepareRootfs> {
  const scratch = job.store.makeDirectory('run');
  writeHostFiles(scratch, hostFiles(options.network));
  return prepareRootfs(scratch, lowers, [
    { source: join(scratch, 'hosts'), target: '/etc/hosts', readOnly: false, kind: 'file' },
    { source: join(scratch, 'resolv.conf'), target: '/etc/resolv.conf', readOnly: false, kind: 'file' },
    ...options.volumes.map(bindOf),
  ]);
}

function variablesOf(
  config: ImageConfig,
  { terminal, env }: Pick<RunOptions, 'terminal' | 'env'>,
  home: string,
): Map<string, string> {
  const term: [string, string][] = terminal ? [['TERM', process.env['TERM'] ?? 'xterm']] : [];
  return new Map([['PATH', DEFAULT_PATH], ['HOME', home], ...term, ...environmentOf(config), ...env]);
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
