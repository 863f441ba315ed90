/** What our own process is held to: limits, seccomp, no_new_privs, control groups. */
import { join } from 'node:path';
import type { Mount } from './mounts.ts';
import { readNumber, readText } from './read-text.ts';

export interface ProcessFacts {
  /** Soft and hard limits; undefined is unlimited. */
  readonly limits: Readonly<Record<LimitName, Limit>>;
  /** 0 none, 1 strict, 2 a filter: what a container runtime put around us. */
  readonly seccomp: number;
  /** Setuid programs stay without their powers, in us and in everything we start. */
  readonly noNewPrivileges: boolean;
  readonly groups: readonly GroupLimit[];
}

export type LimitName = 'addressSpace' | 'openFiles' | 'processes' | 'fileSize';

export interface Limit {
  readonly soft: number | undefined;
  readonly hard: number | undefined;
}

/** A limit of our control group or of one above it. */
export interface GroupLimit {
  readonly kind: 'pids' | 'memory';
  /** The file that holds it. */
  readonly path: string;
  readonly limit: number;
  readonly used: number;
}

const LIMITS: Readonly<Record<LimitName, string>> = {
  addressSpace: 'Max address space',
  openFiles: 'Max open files',
  processes: 'Max processes',
  fileSize: 'Max file size',
};

export function processFacts(mounts: readonly Mount[]): ProcessFacts {
  const status = readText('/proc/self/status');
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return {
    limits: parseLimits(readText('/proc/self/limits')),
    seccomp: field('Seccomp'),
    noNewPrivileges: field('NoNewPrivs') === 1,
    groups: groupDirectories(readText('/proc/self/cgroup'), mounts).flatMap(groupLimits),
  };
}

/** Pure. The text of /proc/self/limits. */
export function parseLimits(text: string): ProcessFacts['limits'] {
  const limit = (label: string): Limit => {
    const [, soft, hard] = new RegExp(`^${label}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(text) ?? [];
    return { soft: numberOf(soft), hard: numberOf(hard) };
  };
  return {
    addressSpace: limit(LIMITS.addressSpace),
    openFiles: limit(LIMITS.openFiles),
    processes: limit(LIMITS.processes),
    fileSize: limit(LIMITS.fileSize),
  };
}

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined || text === 'unlimited' ? undefined : Number(text);

/**
 * Pure. Where the control groups of a process are, from /proc/self/cgroup (`8:pids:/a/b`; version 2 is `0::/a/b`), each
 * followed by the groups above it: a limit anywhere up there holds too.
 */
export function groupDirectories(text: string, mounts: readonly Mount[]): string[] {
  return text.split('\n').flatMap((line) => {
    const [, id, controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === undefined) return [];
    const mount = mounts.find(({ type, directory }) =>
      controllers === '' ? type === 'cgroup2' : type === 'cgroup' && directory.endsWith(`/${controllers}`),
    );
    return mount === undefined ? [] : upwards(path).map((each) => join(mount.directory, each));
  });
}

const upwards = (path: string): string[] =>
  path === '/' || path === '' ? ['/'] : [path, ...upwards(path.slice(0, path.lastIndexOf('/')))];

/** Version 2 first, then version 1. */
const GROUP_FILES = [
  { kind: 'pids', limit: 'pids.max', used: 'pids.current' },
  { kind: 'memory', limit: 'memory.max', used: 'memory.current' },
  { kind: 'memory', limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes' },
] as const;

/** Version 1 says "no limit" with the largest multiple of the page size. */
const NO_LIMIT = 2 ** 62;

function groupLimits(directory: string): GroupLimit[] {
  return GROUP_FILES.flatMap(({ kind, limit: file, used }) => {
    const path = join(directory, file);
    const limit = readNumber(path);
    if (limit === undefined || limit >= NO_LIMIT) return [];
    return [{ kind, path, limit, used: readNumber(join(directory, used)) ?? 0 }];
  });
}
