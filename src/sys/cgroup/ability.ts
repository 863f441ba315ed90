/**
 * What of a step can be limited here, and by groups made where: found out by making one, but where that would leave
 * something behind (see `passControllers`); there the permissions are looked at.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { isWritable } from '../writable.ts';
import { planGroup, tryGroup } from './group.ts';
import { readHierarchies, type Hierarchy } from './hierarchies.ts';
import { CONTROLLERS, type Controller, type GroupLimits } from './limits.ts';
import { groupsToPass, passRefusal } from './parent-group.ts';

export type ControllerAbility = { readonly controller: Controller } & (LimitPlace | LimitObstacle);

export interface LimitPlace {
  readonly works: true;
  readonly version: 1 | 2;
  /** The group that those of steps are made in. */
  readonly parent: string;
  /** Groups that have to hand the controller down first, and go on doing so. */
  readonly enables: readonly string[];
}

export interface LimitObstacle {
  readonly works: false;
  readonly words: string;
  readonly hint: string;
}

/** One for each controller that a limit can need. Leaves everything as it was. */
export async function controllerAbilities(
  hierarchies: readonly Hierarchy[] = readHierarchies(),
): Promise<ControllerAbility[]> {
  const abilities: ControllerAbility[] = [];
  for (const controller of CONTROLLERS)
    abilities.push({ controller, ...(await placeFor(controller, hierarchies)) });
  return abilities;
}

async function placeFor(
  controller: Controller,
  hierarchies: readonly Hierarchy[],
): Promise<LimitPlace | LimitObstacle> {
  try {
    const limits = TRIALS[controller]();
    const [plan] = planGroup({ limits }, hierarchies);
    if (plan === undefined) throw new TypeError(`a trial of ${controller} that needs no group`);
    const { hierarchy, parent } = plan;
    const lacking = hierarchy.version === 2 ? groupsToPass(hierarchy, parent, [controller]) : [];
    const enables = lacking.map(({ group }) => group);
    const closed = enables.find((group) => !isWritable(join(group, 'cgroup.subtree_control')));
    if (closed !== undefined) throw passRefusal(closed, [controller], { errno: 'EACCES' });
    if (enables.length === 0) await tryGroup({ limits }, hierarchies);
    return { works: true, version: hierarchy.version, parent, enables };
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    return { works: false, words: error.message, hint: error.hint ?? '' };
  }
}

/** Limits that any group can have. */
const TRIALS: Readonly<Record<Controller, () => GroupLimits>> = {
  memory: () => ({ memoryBytes: 2 ** 30 }),
  cpu: () => ({ cpuShares: 1024 }),
  cpuset: () => ({ cpus: firstProcessor() }),
  pids: () => ({ pids: 1000 }),
};

/** Of those that we may use ourselves. */
const firstProcessor = (): string =>
  /^Cpus_allowed_list:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
