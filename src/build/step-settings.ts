/** What the command line says of the sandbox of every RUN. */
import { DEFAULT_CAPABILITIES } from '../sys/capabilities.ts';
import type { GroupRequest } from '../sys/cgroup/group.ts';
import { NO_CHANGES, type MaskChanges } from '../sys/kernel-surface.ts';
import type { Limit } from '../sys/limits.ts';
import type { StepMount } from '../sys/step-mounts.ts';

/** The control group of a command. */
export interface GroupSettings extends GroupRequest {
  /** Whether the command sees where its group is, and the others. */
  readonly namespace: 'private' | 'host';
}

export const DEFAULT_GROUP: GroupSettings = { limits: {}, namespace: 'private' };

export interface StepSettings {
  /** The image's own /etc/hosts is seen. */
  readonly ownHosts: boolean;
  /** /etc/hostname is the step's instead of the image's. */
  readonly hostnameFile: boolean;
  /** Names that /etc/hosts has, before those of the host. */
  readonly hosts: readonly { readonly names: readonly string[]; readonly address: string }[];
  /** Each list takes the place of the host's when it is not empty. */
  readonly dns: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  /** Directories, files and devices of the host. */
  readonly mounts: readonly Extract<StepMount, { type: 'bind' }>[];
  readonly shmBytes: number | undefined;
  /** Names and numbers of the image's groups that RUN is in besides. */
  readonly groups: readonly string[];
  /** RUN reads what we are given. */
  readonly stdin: boolean;
  readonly limits: readonly Limit[];
  readonly capabilities: bigint;
  readonly group: GroupSettings;
  readonly noNewPrivileges: boolean;
  readonly masks: MaskChanges;
}

export const DEFAULT_SETTINGS: StepSettings = {
  ownHosts: false,
  hostnameFile: false,
  hosts: [],
  dns: { servers: [], search: [], options: [] },
  mounts: [],
  shmBytes: undefined,
  groups: [],
  stdin: false,
  limits: [],
  capabilities: DEFAULT_CAPABILITIES,
  group: DEFAULT_GROUP,
  noNewPrivileges: false,
  masks: NO_CHANGES,
};

/**
 * For the key of a step: what it can see, and what it may do. What is in a mounted directory is no part of it, nor are
 * the room in /dev/shm, control groups, masks and new privileges: they only decide whether a step gets through.
 */
export function settingsKey(settings: StepSettings): [string, string][] {
  const { ownHosts, hostnameFile, hosts, dns, mounts, groups, stdin, limits, capabilities } = settings;
  const parts: readonly (readonly [name: string, value: unknown, isDefault: boolean])[] = [
    ['#own-hosts', ownHosts, !ownHosts],
    ['#hostname-file', hostnameFile, !hostnameFile],
    ['#hosts', hosts, hosts.length === 0],
    ['#dns', dns, Object.values(dns).every((list) => list.length === 0)],
    ['#volumes', mounts, mounts.length === 0],
    ['#groups', groups, groups.length === 0],
    ['#stdin', stdin, !stdin],
    ['#limits', limits.map((limit) => Object.values(limit).map(String)), limits.length === 0],
    ['#capabilities', capabilities.toString(16), capabilities === DEFAULT_CAPABILITIES],
  ];
  return parts.flatMap(([name, value, isDefault]) => (isDefault ? [] : [[name, JSON.stringify(value)]]));
}
