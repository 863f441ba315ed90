/** What kind of place this is: a container, WSL, a chroot; whether /proc and /sys are whole. */
import { existsSync, statSync } from 'node:fs';
import type { Mount } from './mounts.ts';
import { readText } from './read-text.ts';

export interface Surroundings {
  /** How we know that this is a container; empty outside. */
  readonly containerSigns: readonly string[];
  readonly wsl: 1 | 2 | undefined;
  /** Our root directory is not that of the mount namespace. */
  readonly chroot: boolean;
  readonly procMounted: boolean;
  /** Paths below /proc with something mounted over them: the kernel then refuses new mounts of proc in user namespaces. */
  readonly procCovered: readonly string[];
  readonly sysMounted: boolean;
}

const CONTAINER_FILES = ['/.dockerenv', '/run/.containerenv', '/run/systemd/container', '/dev/.lxd-mounts'];
const CONTAINER_GROUPS = /\/(?:docker|kubepods|lxc|libpod|machine\.slice\/libpod)[/.-]/;

export function surroundings(kernel: string, { mounts, environment }: SurroundingClues): Surroundings {
  return {
    containerSigns: containerSigns(mounts, environment),
    wsl: wslVersion(kernel),
    chroot: isChroot(mounts),
    procMounted: existsSync('/proc/self/status'),
    procCovered: coveredProc(mounts),
    sysMounted: mounts.some(({ directory, type }) => directory === '/sys' && type === 'sysfs'),
  };
}

export interface SurroundingClues {
  readonly mounts: readonly Mount[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

function containerSigns(mounts: readonly Mount[], environment: SurroundingClues['environment']): string[] {
  const named = environment['container'] ?? '';
  const root = mounts.findLast(({ directory }) => directory === '/');
  return [
    ...(named === '' ? [] : [`the variable container=${named}`]),
    ...(environment['KUBERNETES_SERVICE_HOST'] === undefined ? [] : ['Kubernetes variables']),
    ...CONTAINER_FILES.filter((path) => existsSync(path)),
    ...(CONTAINER_GROUPS.test(readText('/proc/self/cgroup')) ? ['the name of our control group'] : []),
    ...(root?.type === 'overlay' ? ['an overlay as root file system'] : []),
  ];
}

/** WSL 1 translates system calls and has no kernel of its own: nothing here can work on it. */
export function wslVersion(kernel: string): 1 | 2 | undefined {
  if (!/microsoft/i.test(kernel)) return undefined;
  return /wsl2|microsoft-standard/i.test(kernel) ? 2 : 1;
}

/**
 * mountinfo lists only mounts below our root: without one at `/`, our root is an ordinary directory. With one, it is
 * another than that of the first process in the same mount namespace.
 */
function isChroot(mounts: readonly Mount[]): boolean {
  if (mounts.length > 0 && !mounts.some(({ directory }) => directory === '/')) return true;
  const [own, first] = ['self', '1'].map((pid) => rootMount(readText(`/proc/${pid}/mountinfo`)));
  return sameMountNamespace() && own !== first;
}

/** The number of the mount at `/`. */
const rootMount = (mountinfo: string): string | undefined => /^(\d+) \S+ \S+ \S+ \/ /m.exec(mountinfo)?.[1];

function sameMountNamespace(): boolean {
  try {
    return statSync('/proc/self/ns/mnt').ino === statSync('/proc/1/ns/mnt').ino;
  } catch {
    return false;
  }
}

/** Directories of the kernel made to be mount points, and the table of emulators, hide nothing. */
function coveredProc(mounts: readonly Mount[]): string[] {
  return mounts
    .filter(
      ({ directory, type }) =>
        directory.startsWith('/proc/') && !['binfmt_misc', 'autofs', 'nfsd'].includes(type),
    )
    .map(({ directory }) => directory);
}
