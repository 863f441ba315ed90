/** Below which control group a new one is made, and what that one needs before. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { isHostRoot } from '../identity.ts';
import { wordsOf, type Hierarchy } from './hierarchies.ts';
import type { Controller } from './limits.ts';
import { isWritable } from '../writable.ts';

/**
 * The asked-for one counts from the top of what we see. Without it, in version 1 it is our own; in version 2, where a
 * group that divides what it has may hold no process, the nearest one above that is free and may be written to.
 * Throws HOST_INCAPABLE.
 */
export function parentGroup(hierarchy: Hierarchy, asked: string | undefined): string {
  const { version, directory, own } = hierarchy;
  if (asked !== undefined) return join(directory, pathOf(asked));
  if (version === 1) return join(directory, own);
  for (let path = own; ; path = path.slice(0, path.lastIndexOf('/'))) {
    if (canDivide(join(directory, path))) return join(directory, path);
    if (path === '') throw noGroup(join(directory, own));
  }
}

/** Nothing of it leads out. A slice of systemd says in its name which ones it lies in. */
function pathOf(asked: string): string {
  const path = posix.resolve('/', asked);
  const name = posix.basename(path);
  if (path.lastIndexOf('/') > 0 || !/^[^-]+(?:-[^-]+)*\.slice$/.test(name)) return path;
  const words = name.slice(0, -'.slice'.length).split('-');
  return `/${words.map((_, index) => `${words.slice(0, index + 1).join('-')}.slice`).join('/')}`;
}

/** The top of the machine has processes and may divide all the same; it is the only one without a type. */
function canDivide(group: string): boolean {
  const files = ['', 'cgroup.procs', 'cgroup.subtree_control'].map((name) => join(group, name));
  if (!files.every(isWritable)) return false;
  return !existsSync(join(group, 'cgroup.type')) || wordsOf(join(group, 'cgroup.procs')).length === 0;
}

function noGroup(own: string): ArchBuildError {
  const scope = 'systemd-run --user --scope -p Delegate=yes arch-build …';
  const message = `steps cannot be limited here: neither in ${own} nor in a control group above it may one be made`;
  return new ArchBuildError('HOST_INCAPABLE', message, {
    hint: isHostRoot()
      ? `those that can be written to have processes; in a container, give these a group of their own first: ${MOVE}`
      : `start in a control group that is this user’s: ${scope}`,
  });
}

const MOVE =
  'mkdir /sys/fs/cgroup/init && xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs';

/** Makes the group and those above it where they are missing. */
export function makeGroups(hierarchy: Hierarchy, group: string): void {
  if (existsSync(group)) return;
  makeGroups(hierarchy, dirname(group));
  mkdirSync(group, { mode: 0o755 });
  if (hierarchy.version === 1 && hierarchy.controllers.includes('cpuset')) inheritCpuset(group);
}

/** In version 1 a new group has no processors and no memory, and takes no process. */
function inheritCpuset(group: string): void {
  for (const name of ['cpuset.cpus', 'cpuset.mems'])
    writeFileSync(join(group, name), readFileSync(join(dirname(group), name)));
}

/** Those of a path from the top down to it that are missing: what `makeGroups` would make. */
export function missingGroups(group: string): string[] {
  return existsSync(group) ? [] : [...missingGroups(dirname(group)), group];
}

interface Passing {
  readonly group: string;
  readonly missing: readonly Controller[];
}

/** Version 2: those from the top down to `parent` that do not hand all of the controllers down. Throws HOST_INCAPABLE. */
export function groupsToPass(
  { directory, controllers }: Hierarchy,
  parent: string,
  needed: readonly Controller[],
): Passing[] {
  const lacking = needed.filter((name) => !controllers.includes(name));
  if (lacking.length > 0) throw lacks(directory, lacking);
  const below = parent.slice(directory.length).split('/').filter(Boolean);
  return Array.from({ length: below.length + 1 }, (_, depth) => join(directory, ...below.slice(0, depth)))
    .map((group): Passing => {
      const passed = wordsOf(join(group, 'cgroup.subtree_control'));
      return { group, missing: needed.filter((name) => !passed.includes(name)) };
    })
    .filter(({ missing }) => missing.length > 0);
}

/**
 * Version 2: groups below `parent` get these controllers. Throws HOST_INCAPABLE.
 *
 * This is not undone where the group was there before. Whether somebody else has begun to rely on the controller cannot
 * be asked and answered in one step: between looking at the groups below and writing `-memory`, another program may make
 * one and set its limits, which the kernel would then drop without a word (it refuses only where a group below hands the
 * controller further down). What keeps others from making groups meanwhile, `cgroup.max.descendants`, makes their attempts
 * fail, and stays when we are killed. A controller without limits costs next to nothing; a limit that is lost does not.
 */
export function passControllers(hierarchy: Hierarchy, parent: string, needed: readonly Controller[]): void {
  for (const { group, missing } of groupsToPass(hierarchy, parent, needed)) {
    const words = missing.map((name) => `+${name}`).join(' ');
    try {
      writeFileSync(join(group, 'cgroup.subtree_control'), words);
    } catch (cause) {
      throw passRefusal(group, missing, { errno: systemErrorCode(cause) ?? String(cause), cause });
    }
  }
}

export function passRefusal(
  group: string,
  missing: readonly Controller[],
  { errno, cause }: { readonly errno: string; readonly cause?: unknown },
): ArchBuildError {
  return new ArchBuildError('HOST_INCAPABLE', `${group} does not pass on ${missing.join(', ')}: ${errno}`, {
    hint: HINTS[errno] ?? 'name another control group by --cgroup-parent',
    cause,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  EBUSY: 'it has processes of its own: name a control group without by --cgroup-parent',
  EACCES:
    'this user was not given them: `systemctl edit user@.service` with [Service] Delegate=cpu cpuset memory pids',
  ENOENT: 'the control groups above have not been given them',
};

export function lacks(where: string, controllers: readonly Controller[]): ArchBuildError {
  const names = controllers.join(', ');
  return new ArchBuildError('HOST_INCAPABLE', `the control groups at ${where} do not know ${names}`, {
    hint: 'leave the limits out that need them, or start the kernel with these controllers',
  });
}
