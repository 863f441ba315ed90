/**
 * What every host of a cluster gets of a cluster image, as a value: hosts and image in, a list of steps for each host
 * out. What sealer does with the same image is the model: the tree to every host, the registry of all platforms on
 * the first master, the image's scripts, then what the image starts. Pure.
 */
import { digestOf, type Digest } from '../oci/digest.ts';
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.ts';
import { ArchBuildError } from '../errors.ts';
import { shellWord } from '../sys/shell-word.ts';
import { hostsEntry, initCommands, registryCommand, type RegistryStart } from './host-commands.ts';

export interface Host {
  /** An IP address: it goes into /etc/hosts. */
  readonly address: string;
  readonly role: 'master' | 'node';
  readonly platform: Platform;
}

/** One platform of the image. */
export interface PlatformFacts {
  readonly platform: Platform;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Names below `scripts/`. */
  readonly scripts: readonly string[];
  /** The registry program in the tree, such as `bin/registry`. */
  readonly registryProgram: string | undefined;
}

export interface ImageFacts {
  readonly name: string;
  readonly digest: Digest;
  readonly platforms: readonly PlatformFacts[];
  /** It holds container images. */
  readonly hasRegistry: boolean;
  /** `docker`, `containerd`, when the image says which one it brings. */
  readonly runtime: string | undefined;
  /** What ENV of the image says. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the first master runs at the end, each in its directory below the tree. */
  readonly launch: readonly LaunchCommand[];
}

export interface LaunchCommand {
  readonly directory: string;
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface PlanOptions {
  /** Of the cluster: part of the paths on the hosts. */
  readonly cluster: string;
  /** Name and port the registry is known by. */
  readonly domain: string;
  readonly port: number;
  /** Over the image's own. */
  readonly environment: Readonly<Record<string, string>>;
}

export const PLAN_DEFAULTS = { cluster: 'my-cluster', domain: 'sea.hub', port: 5000 } as const;

/** All hosts finish one phase before any begins the next. */
export const PHASES = ['rootfs', 'hosts', 'init', 'registry', 'launch'] as const;
export type Phase = (typeof PHASES)[number];

interface StepBase {
  readonly phase: Phase;
  /** For people: what it does. */
  readonly text: string;
}

export type HostStep =
  /** The tree of the host's platform without `registry/`, its templates rendered with the host's environment. */
  | (StepBase & { readonly action: 'send-rootfs'; readonly platform: string; readonly digest: Digest })
  /** The registries of all platforms as one. */
  | (StepBase & { readonly action: 'send-registry' })
  /** A shell's text, run as root with the host's environment. */
  | (StepBase & { readonly action: 'run'; readonly command: string; readonly always?: boolean });

export interface HostPlan {
  readonly address: string;
  readonly role: Host['role'];
  readonly platform: string;
  readonly directories: HostDirectories;
  readonly environment: Readonly<Record<string, string>>;
  readonly steps: readonly HostStep[];
}

export interface HostDirectories {
  /** Everything of the cluster on this host. */
  readonly cluster: string;
  /** The tree. */
  readonly rootfs: string;
  /** The registry's storage; the tree has a link to it. */
  readonly registry: string;
  /** What we keep there: which steps are done, the registry's log. */
  readonly state: string;
}

export interface ClusterPlan {
  /** Of the plan itself: a step is done when it was done for this plan. */
  readonly digest: Digest;
  readonly image: { readonly name: string; readonly digest: Digest };
  /** Undefined when the image has no container images and no script that starts a registry. */
  readonly registry: { readonly host: string; readonly url: string; readonly storage: string } | undefined;
  readonly hosts: readonly HostPlan[];
}

/** Throws PLATFORM_NOT_FOUND naming all hosts the image is not for, USAGE without a master. */
export function planCluster(image: ImageFacts, hosts: readonly Host[], options: PlanOptions): ClusterPlan {
  const first = hosts.find(({ role }) => role === 'master');
  if (first === undefined) {
    throw new ArchBuildError('USAGE', 'a cluster needs a master', { hint: 'name one with -m' });
  }
  requirePlatforms(image, hosts);
  const start = registryStart(image, first);
  const directories = directoriesOf(options.cluster);
  const context = { image, options, directories, first, start };
  const plan = {
    image: { name: image.name, digest: image.digest },
    registry:
      start === undefined
        ? undefined
        : {
            host: first.address,
            url: `${options.domain}:${options.port}`,
            storage: directories.registry,
          },
    hosts: hosts.map((host) => planHost(host, context)),
  };
  return { digest: digestOf(JSON.stringify(plan)), ...plan };
}

interface Context {
  readonly image: ImageFacts;
  readonly options: PlanOptions;
  readonly directories: HostDirectories;
  readonly first: Host;
  readonly start: RegistryStart | undefined;
}

function requirePlatforms({ name, platforms }: ImageFacts, hosts: readonly Host[]): void {
  const lost = hosts.filter(
    (host) => !platforms.some(({ platform }) => matchesPlatform(host.platform, platform)),
  );
  if (lost.length === 0) return;
  throw new ArchBuildError('PLATFORM_NOT_FOUND', `${name} is not for every host`, {
    items: lost.map(({ address, platform }) => `${address} is ${formatPlatform(platform)}`),
    hint: `the image is for ${platforms.map(({ platform }) => formatPlatform(platform)).join(', ')}`,
  });
}

/** As sealer has it: the image's script; else its program; else one of the host. */
function registryStart(image: ImageFacts, host: Host): RegistryStart | undefined {
  const { scripts, registryProgram } = factsFor(image, host);
  if (scripts.includes('init-registry.sh')) return { kind: 'script' };
  if (!image.hasRegistry) return undefined;
  return registryProgram === undefined ? { kind: 'host' } : { kind: 'program', path: registryProgram };
}

function factsFor({ platforms }: ImageFacts, host: Host): PlatformFacts {
  const found = platforms.find(({ platform }) => matchesPlatform(host.platform, platform));
  if (found === undefined) throw new TypeError(`no platform for ${host.address}`);
  return found;
}

function directoriesOf(cluster: string): HostDirectories {
  const top = `/var/lib/sealer/data/${cluster}`;
  return {
    cluster: top,
    rootfs: `${top}/rootfs`,
    registry: `${top}/registry`,
    state: `${top}/arch-build`,
  };
}

function planHost(host: Host, context: Context): HostPlan {
  const { image, options, directories } = context;
  const facts = factsFor(image, host);
  const platform = formatPlatform(facts.platform);
  const environment = environmentFor(host, context);
  const init = initCommands(facts.scripts, { ...directories, ...options, runtime: image.runtime });
  return {
    address: host.address,
    role: host.role,
    platform,
    directories,
    environment,
    steps: [
      {
        phase: 'rootfs',
        action: 'send-rootfs',
        platform,
        digest: facts.digest,
        text: `send the tree of ${platform}`,
      },
      ...hostsSteps(context),
      ...init.map(({ text, command }) => ({ phase: 'init', action: 'run', text, command }) as const),
      ...(host === context.first ? firstMasterSteps(context) : []),
    ],
  };
}

function hostsSteps({ start, first, options }: Context): HostStep[] {
  if (start === undefined) return [];
  const text = `${options.domain} is ${first.address}`;
  return [{ phase: 'hosts', action: 'run', text, command: hostsEntry(options.domain, first.address) }];
}

function firstMasterSteps({ image, options, directories, start }: Context): HostStep[] {
  const command = start && registryCommand(start, { ...directories, ...options });
  return [
    ...(image.hasRegistry
      ? [
          {
            phase: 'registry',
            action: 'send-registry',
            text: `send the container images of ${image.platforms.map(({ platform }) => formatPlatform(platform)).join(', ')}`,
          } as const,
        ]
      : []),
    ...(command === undefined ? [] : [{ phase: 'registry', action: 'run', ...command } as const]),
    ...image.launch.map(
      (launch) =>
        ({
          phase: 'launch',
          action: 'run',
          text: launch.command,
          command: launchCommand(directories.rootfs, launch),
        }) as const,
    ),
  ];
}

/** Programs of the image are found without their path. */
function launchCommand(rootfs: string, { directory, command, environment }: LaunchCommand): string {
  const place = directory === '' ? rootfs : `${rootfs}/${directory}`;
  const settings = Object.entries(environment).map(([key, value]) => `export ${key}=${shellWord(value)}\n`);
  return `${settings.join('')}export PATH=${shellWord(`${rootfs}/bin`)}:"$PATH"\ncd ${shellWord(place)} || exit\n${command}`;
}

/** By the names that the images of sealer know. */
function environmentFor(host: Host, { image, options, start }: Context): Record<string, string> {
  return {
    ...image.environment,
    ...(start === undefined
      ? {}
      : {
          RegistryDomain: options.domain,
          RegistryPort: String(options.port),
          RegistryURL: `${options.domain}:${options.port}`,
        }),
    ...(image.runtime === undefined ? {} : { ContainerRuntime: image.runtime }),
    HostIP: host.address,
    ...options.environment,
  };
}
