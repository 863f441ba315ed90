/**
 * The hierarchies of control groups that this process sees, and where in each it is. A machine has those of version 1
 * (one for each controller or a few), the one of version 2, or both side by side. See cgroups(7).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mountTable, type MountedAt } from '../mount-table.ts';

export interface Hierarchy {
  readonly version: 1 | 2;
  /** Where it is mounted: the top of what we see. */
  readonly directory: string;
  readonly controllers: readonly string[];
  /** Our own group: a path below `directory`, '' for the top. */
  readonly own: string;
}

/** None where nothing of it is mounted. */
export function readHierarchies(): Hierarchy[] {
  try {
    return parseHierarchies(readFileSync('/proc/self/cgroup', 'utf8'), mountTable())
      .map((each) => (each.version === 2 ? { ...each, controllers: wordsOf(topControllers(each)) } : each))
      .filter(({ directory, own }) => existsSync(join(directory, own, 'cgroup.procs')));
  } catch {
    return []; // a kernel without control groups
  }
}

const topControllers = ({ directory }: Hierarchy): string => join(directory, 'cgroup.controllers');

/** The words of a one-line file; none where it is missing. */
export function wordsOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split(/\s+/).filter(Boolean) : [];
}

/** Pure: `/proc/self/cgroup` and the mounts. What controllers version 2 has is in its files only. */
export function parseHierarchies(text: string, mounts: readonly MountedAt[]): Hierarchy[] {
  return text.split('\n').flatMap((line): Hierarchy[] => {
    const [, id, names = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === undefined) return [];
    const version = names === '' ? 2 : 1;
    const controllers = names === '' ? [] : names.split(',');
    const found = mounts.flatMap((mount) => {
      const own = isHierarchy(mount, version, controllers) ? pathBelow(mount.root, path) : undefined;
      return own === undefined ? [] : [{ version, directory: mount.directory, controllers, own } as const];
    });
    return found.slice(0, 1);
  });
}

const isHierarchy = (
  { type, options }: MountedAt,
  version: 1 | 2,
  controllers: readonly string[],
): boolean =>
  version === 2
    ? type === 'cgroup2'
    : type === 'cgroup' && controllers.every((controller) => options.includes(controller));

/** A mount may show a part of the hierarchy only, and we may be outside of it. */
function pathBelow(root: string, path: string): string | undefined {
  if (path.startsWith('/..') || root.startsWith('/..')) return undefined;
  const base = root === '/' ? '' : root;
  if (path !== base && !path.startsWith(`${base}/`)) return undefined;
  return path.slice(base.length).replace(/^\/$/, '');
}
