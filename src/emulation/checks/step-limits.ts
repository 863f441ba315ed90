/** Limits of steps: they need control groups that we may make, and nothing else of a build does. */
import type { ControllerAbility, LimitObstacle, LimitPlace } from '../../sys/cgroup/ability.ts';
import type { Controller } from '../../sys/cgroup/limits.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import { advice, type Check, type Finding } from './check.ts';

export const STEP_LIMIT_CHECKS: readonly Check[] = [
  { id: 'step-limits', title: 'limits of steps', run: stepLimits },
];

const OPTIONS: Readonly<Record<Controller, string>> = {
  memory: '--memory, --memory-swap',
  cpu: '--cpu-shares, --cpu-period, --cpu-quota',
  cpuset: '--cpuset-cpus, --cpuset-mems',
  pids: '--pids-limit',
};

type Possible = ControllerAbility & LimitPlace;
type Impossible = ControllerAbility & LimitObstacle;

function stepLimits(facts: HostFacts): Finding[] {
  const possible = facts.stepLimits.filter((each): each is Possible => each.works);
  const impossible = facts.stepLimits.filter((each): each is Impossible => !each.works);
  return [
    ...([1, 2] as const).flatMap((version) =>
      possibleFinding(
        possible.filter((each) => each.version === version),
        facts,
      ),
    ),
    ...[...new Set(impossible.map(({ hint }) => hint))].map((hint) =>
      impossibleFinding(
        impossible.filter((each) => each.hint === hint),
        hint,
      ),
    ),
  ];
}

function possibleFinding(abilities: readonly Possible[], facts: HostFacts): Finding[] {
  const [first] = abilities;
  if (first === undefined) return [];
  const places = [...new Set(abilities.map(({ parent }) => parent))].join(', ');
  const found = `${namesOf(abilities)}, ${whoOf(facts)}: control groups of version ${first.version} in ${places}`;
  const enabling = abilities.filter(({ enables }) => enables.length > 0);
  if (enabling.length === 0) return [{ state: 'ok', found }];
  const groups = [...new Set(enabling.flatMap(({ enables }) => enables))].join(', ');
  const why = `the first step with a limit makes ${groups} hand down ${namesOf(enabling)} to all groups below, and that stays`;
  return [{ state: 'info', found, why }];
}

function impossibleFinding(abilities: readonly Impossible[], hint: string): Finding {
  const options = abilities.map(({ controller }) => OPTIONS[controller]).join(', ');
  const words = [...new Set(abilities.map((each) => each.words))].join('; ');
  const why = `${options} end in an error; builds without them are not affected`;
  return { state: 'info', found: `not ${namesOf(abilities)}: ${words}`, why, fix: advice(hint) };
}

const namesOf = (abilities: readonly ControllerAbility[]): string =>
  abilities.map(({ controller }) => controller).join(', ');

function whoOf({ user: { uid, initialNamespace } }: HostFacts): string {
  if (uid !== 0) return 'in groups that this user was given';
  return initialNamespace ? 'as root' : 'as root of a user namespace';
}
