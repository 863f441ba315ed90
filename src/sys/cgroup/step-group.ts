/** What a plan does about control groups: which ones the command joins, and what of them stands at /sys/fs/cgroup. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CLONE, MS, type Operation } from '../plan.ts';
import type { Hierarchy } from './hierarchies.ts';

export interface StepGroup {
  /** Directories, on the host. */
  readonly joined: readonly string[];
  /** The command's groups are the top of what it sees. */
  readonly isPrivate: boolean;
  readonly shown: readonly ShownGroup[];
}

export interface ShownGroup {
  /** On the host. */
  readonly source: string;
  /** Below /sys/fs/cgroup; '' for the one that stands there itself. */
  readonly name: string;
  /** Other names of it. */
  readonly links: readonly string[];
}

/** Where they are by convention. */
const PLACE = '/sys/fs/cgroup';

/** `groups`, by where their hierarchy is mounted, are those the command joins; in other hierarchies it stays in ours. */
export function stepGroup(
  hierarchies: readonly Hierarchy[],
  groups: ReadonlyMap<string, string>,
  namespace: 'private' | 'host',
): StepGroup {
  const isPrivate = namespace === 'private' && existsSync('/proc/self/ns/cgroup');
  const shown = isPrivate
    ? hierarchies.map((each) =>
        shownGroup(each, groups.get(each.directory) ?? join(each.directory, each.own)),
      )
    : [{ source: PLACE, name: '', links: [] }].filter(({ source }) => existsSync(source));
  return { joined: [...groups.values()], isPrivate, shown };
}

function shownGroup({ version, directory, controllers }: Hierarchy, source: string): ShownGroup {
  if (directory === PLACE) return { source, name: '', links: [] };
  const name = directory.startsWith(`${PLACE}/`)
    ? directory.slice(PLACE.length + 1)
    : version === 2
      ? 'unified'
      : controllers.join(',').replace(/^name=/, '');
  return { source, name, links: controllers.length > 1 ? controllers.filter((each) => each !== name) : [] };
}

/** While the host's paths are there. */
export const openGroups = ({ joined }: StepGroup): Operation[] =>
  joined.map((directory) => ({ op: 'group', path: join(directory, 'cgroup.procs') }));

/** In the process that becomes the command. */
export const joinGroups = ({ joined, isPrivate }: StepGroup): Operation[] => [
  ...(joined.length === 0 ? [] : [{ op: 'join' } as const]),
  ...(isPrivate ? [{ op: 'unshare', flags: CLONE.NEWCGROUP } as const] : []),
];

/** `sys` is a relative path of the step's /sys. */
export function showGroups({ shown }: StepGroup, sys: string): Operation[] {
  const place = `${sys}/fs/cgroup`;
  const [first] = shown;
  if (first === undefined) return [];
  if (first.name === '') return bindGroup(first.source, place);
  const flags = MS.NOSUID | MS.NODEV | MS.NOEXEC;
  return [
    { op: 'mount', source: 'tmpfs', target: place, type: 'tmpfs', flags, data: 'mode=755,size=64k' },
    ...shown.flatMap(({ source, name, links }): Operation[] => [
      { op: 'mkdir', path: `${place}/${name}`, mode: 0o755 },
      ...bindGroup(source, `${place}/${name}`),
      ...links.map((link): Operation => ({ op: 'symlink', target: name, path: `${place}/${link}` })),
    ]),
    { op: 'restrict', target: place, flags: MS.RDONLY },
  ];
}

const bindGroup = (source: string, target: string): Operation[] => [
  { op: 'mount', source, target, type: '', flags: MS.BIND | MS.REC, data: '' },
  { op: 'restrict', target, flags: MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC },
];
