/**
 * A control group for the processes of one step, in each hierarchy that has something to limit. It is gone when it is
 * disposed, and when we are killed.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { startReaper } from '../reaper.ts';
import { readHierarchies, type Hierarchy } from './hierarchies.ts';
import { controllersFor, limitFiles, listNumbers, type Controller, type GroupLimits } from './limits.ts';
import type { LimitFile } from './limits.ts';
import { lacks, makeGroups, missingGroups, parentGroup, passControllers } from './parent-group.ts';

export interface GroupRequest {
  readonly limits: GroupLimits;
  /** The group it is made in, which is made when it is missing. */
  readonly parent?: string | undefined;
}

/** What the limits have done. */
export interface GroupEvents {
  /** Processes that the kernel killed because the memory was used up. */
  readonly killed: number;
  /** Processes that could not be started. */
  readonly refused: number;
}

export interface Group extends AsyncDisposable {
  /** Its directory in each hierarchy, by where that is mounted. */
  readonly directories: ReadonlyMap<string, string>;
  events(): GroupEvents;
}

/** What is to be made in one hierarchy. */
export interface PlannedGroup {
  readonly hierarchy: Hierarchy;
  readonly parent: string;
  readonly controllers: readonly Controller[];
  readonly files: readonly LimitFile[];
}

/**
 * Makes nothing. Nothing is planned where nothing is asked for; where a parent is, there is a group in every
 * hierarchy. Throws HOST_INCAPABLE.
 */
export function planGroup(
  { limits, parent }: GroupRequest,
  hierarchies: readonly Hierarchy[] = readHierarchies(),
): PlannedGroup[] {
  const needed = controllersFor(limits);
  if (needed.length === 0 && parent === undefined) return [];
  if (hierarchies.length === 0) throw noHierarchies();
  const homes = new Map(needed.map((name) => [name, homeOf(name, hierarchies)]));
  const missing = needed.filter((name) => homes.get(name) === undefined);
  if (missing.length > 0) throw lacks(hierarchies[0]?.directory ?? '', missing);
  return hierarchies.flatMap((hierarchy) => {
    const controllers = needed.filter((name) => homes.get(name) === hierarchy);
    if (controllers.length === 0 && parent === undefined) return [];
    const files = controllers.flatMap((name) => limitFiles(limits, name, hierarchy.version));
    return [{ hierarchy, parent: parentGroup(hierarchy, parent), controllers, files }];
  });
}

const homeOf = (name: Controller, hierarchies: readonly Hierarchy[]): Hierarchy | undefined =>
  hierarchies.find(({ controllers }) => controllers.includes(name));

const noHierarchies = (): ArchBuildError =>
  new ArchBuildError('HOST_INCAPABLE', 'steps cannot be limited here: no control groups are mounted', {
    hint: 'mount -t cgroup2 cgroup2 /sys/fs/cgroup',
  });

/** The caller disposes it. Throws HOST_INCAPABLE. */
export async function openGroup(
  request: GroupRequest,
  hierarchies: readonly Hierarchy[] = readHierarchies(),
): Promise<Group> {
  const plans = planGroup(request, hierarchies);
  const name = `arch-build-${process.pid}-${randomBytes(4).toString('hex')}`;
  const directories = new Map(
    plans.map(({ hierarchy, parent }) => [hierarchy.directory, join(parent, name)]),
  );
  for (const { parent } of plans) for (const group of missingGroups(parent)) madeHere.add(group);
  const made = [...madeHere].filter((group) => plans.some(({ parent }) => isAbove(group, parent))).reverse();
  const all = [...directories.values(), ...made];
  if (all.length === 0) return { directories, events: () => NO_EVENTS, [Symbol.asyncDispose]: NOTHING };
  const reaper = startReaper(REMOVE_SCRIPT, all);
  const dispose = async (): Promise<void> => {
    await removeGroups([...directories.values()], made);
    await reaper[Symbol.asyncDispose]();
  };
  try {
    for (const plan of plans) make(plan, name);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { directories, events: () => eventsOf(directories), [Symbol.asyncDispose]: dispose };
}

/** Parents that were missing: whichever step is the last one in them removes them. */
const madeHere = new Set<string>();
const isAbove = (group: string, parent: string): boolean => `${parent}/`.startsWith(`${group}/`);

/** Throws what `openGroup` would. */
export async function tryGroup(
  request: GroupRequest,
  hierarchies: readonly Hierarchy[] = readHierarchies(),
): Promise<void> {
  await using _group = await openGroup(request, hierarchies);
}

const NO_EVENTS: GroupEvents = { killed: 0, refused: 0 };
const NOTHING = (): Promise<void> => Promise.resolve();

/** Processes may still be dying; a parent that we made may be another step's by now. */
const REMOVE_SCRIPT =
  'for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do left=; for group; do rmdir -- "$group"; [ -d "$group" ] && left=1; done; [ "$left" ] || exit; sleep 0.2; done';

const ATTEMPTS = 20;

/** Another step may take the parent away at the same moment, since it was empty. */
function make({ hierarchy, parent, controllers, files }: PlannedGroup, name: string): void {
  const group = join(parent, name);
  for (let attempt = 1; ; attempt++) {
    try {
      makeGroups(hierarchy, parent);
      if (hierarchy.version === 2) passControllers(hierarchy, parent, controllers);
      makeGroups(hierarchy, group);
      break;
    } catch (cause) {
      const errno = systemErrorCode(cause);
      if ((errno === 'ENOENT' || errno === 'EEXIST') && attempt < ATTEMPTS) continue;
      throw cannotMake(parent, cause);
    }
  }
  for (const file of files) writeLimit(group, file);
}

function cannotMake(parent: string, cause: unknown): unknown {
  if (cause instanceof ArchBuildError) return cause;
  const errno = systemErrorCode(cause) ?? String(cause);
  return new ArchBuildError('HOST_INCAPABLE', `no control group can be made in ${parent}: ${errno}`, {
    hint: 'build as root, or name a control group that is this user’s by --cgroup-parent',
    cause,
  });
}

function writeLimit(group: string, { name, value, isOptional }: LimitFile): void {
  const path = join(group, name);
  if (isOptional === true && !existsSync(path)) return;
  try {
    if (!existsSync(path)) throw Object.assign(new Error(`no ${name}`), { code: 'ENOENT' });
    writeFileSync(path, value);
  } catch (cause) {
    throw refusedLimit(name, value, cause);
  }
  // Version 2 takes any processor there is, and where the group above has none of them gives all.
  const [wanted, got] = [value, effectiveOf(path)].map((text) => text && listNumbers(text));
  if (Array.isArray(wanted) && Array.isArray(got) && wanted.some((each) => !got.includes(each)))
    throw refusedLimit(name, value, new Error('not all of them can be used here'));
}

function effectiveOf(path: string): string | undefined {
  const effective = `${path}.effective`;
  return existsSync(effective) ? readFileSync(effective, 'utf8') : undefined;
}

function refusedLimit(name: string, value: string, cause: unknown): ArchBuildError {
  const why = systemErrorCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  const hint = LIMIT_HINTS.find(([pattern]) => pattern.test(name))?.[1];
  return new ArchBuildError('HOST_INCAPABLE', `the limit ${name} ${value} cannot be set: ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

const LIMIT_HINTS: readonly (readonly [RegExp, string])[] = [
  [/swap|memsw/, 'where swap is not accounted for, leave --memory-swap out'],
  [/cpuset/, 'name processors and memory nodes that are here and in the control group above'],
  [/cpu\./, 'the control group above may have less'],
];

/** Undone in any case: `groups` wait for their last process, of `made` those go that are empty. */
async function removeGroups(groups: readonly string[], made: readonly string[]): Promise<void> {
  for (const group of groups)
    for (let attempt = 0; attempt < 200 && !isRemoved(group); attempt++) await sleep(25);
  for (const group of made) if (isRemoved(group)) madeHere.delete(group);
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'ENOENT';
  }
}

function eventsOf(directories: Group['directories']): GroupEvents {
  const count = (file: string, word: string): number =>
    [...directories.values()]
      .map((directory) => numberIn(join(directory, file), word))
      .reduce((sum, each) => sum + each, 0);
  return {
    killed: count('memory.events', 'oom_kill') + count('memory.oom_control', 'oom_kill'),
    refused: count('pids.events', 'max'),
  };
}

/** The number behind a word that a line begins with; 0 where there is none. */
function numberIn(path: string, word: string): number {
  if (!existsSync(path)) return 0;
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${word} `));
  return Number(line?.slice(word.length + 1) ?? 0);
}
