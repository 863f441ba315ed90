/** The binfmt_misc table of the host: who gets which program, and what is wrong with the entries. */
import {
  advice,
  asRoot,
  hostTableState,
  info,
  ok,
  safely,
  writing,
  type Check,
  type Finding,
  type Fix,
} from './check.ts';
import { featureFix } from './kernel.ts';
import type { Architecture } from '../architecture.ts';
import { matchesEntry, type BinfmtEntry } from '../binfmt-entry.ts';
import { dangerousEntries, effectiveEntry, missingFlags, shadowedEntries } from '../binfmt-state.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import { elfHeader } from '../probe.ts';

export const BINFMT_CHECKS: readonly Check[] = [
  {
    id: 'binfmt-kernel',
    title: 'binfmt_misc in the kernel',
    rungs: ['private', 'host-entry', 'host'],
    run: inKernel,
  },
  { id: 'binfmt-mount', title: 'binfmt_misc of the host', run: mounted },
  { id: 'binfmt-status', title: 'the switch of the whole table', run: switchedOn },
  { id: 'binfmt-instance', title: 'whose table this is', run: instance },
  { id: 'binfmt-disabled', title: 'entries that are switched off', run: disabledEntries },
  { id: 'binfmt-native', title: 'entries that catch native programs', run: native },
  {
    id: 'binfmt-entries',
    title: 'entries for the wanted platforms',
    run: (facts) => foreign(facts).flatMap((each) => entryOf(facts, each)),
  },
  { id: 'binfmt-unknown', title: 'entries that are not understood', run: unknownEntries },
  { id: 'binfmt-persistence', title: 'registration at boot', run: persistence },
];

function inKernel(facts: HostFacts): readonly Finding[] {
  const fix = featureFix(facts, 'binfmt_misc', 'CONFIG_BINFMT_MISC');
  if (fix === undefined) return ok('present');
  const why = 'without it foreign programs cannot be started transparently';
  const found =
    facts.features.get('binfmt_misc') === 'module'
      ? 'a module that is not loaded'
      : 'not in /proc/filesystems';
  return [{ state: 'fail', found, why, fix }];
}

function mounted(facts: HostFacts): readonly Finding[] {
  const { binfmt, binfmtMount } = facts;
  const state = hostTableState(facts);
  const why = 'an entry of the host cannot be used';
  if (!binfmt.mounted && binfmtMount?.type === 'autofs') {
    const fix = safely(['systemctl', 'restart', 'proc-sys-fs-binfmt_misc.automount']);
    return [{ state, found: 'the automount does not answer', why, fix }];
  }
  if (!binfmt.mounted) {
    if (state === 'info') return info('not mounted, and not needed');
    const fix = safely(['mount', '-t', 'binfmt_misc', 'binfmt_misc', binfmt.directory]);
    return [{ state, found: 'not mounted', why, fix }];
  }
  if (binfmtMount?.options.includes('ro') === true) {
    if (state === 'info') return info(`mounted read-only, ${binfmt.entries.length} entries`);
    const fix = asRoot([['mount', '-o', 'remount,rw', binfmt.directory]], 'in a container: on the host');
    return [{ state, found: 'mounted read-only', why: 'no entry can be made for a build', fix }];
  }
  return ok(`mounted, ${binfmt.entries.length} entries`);
}

/** Whoever switched it off may have had a reason: it is theirs to say. */
function switchedOn(facts: HostFacts): readonly Finding[] {
  const { binfmt } = facts;
  if (!binfmt.mounted || binfmt.enabled) return [];
  const why = 'no entry is looked at: every foreign program is an "Exec format error"';
  const fix = asRoot([writing('1', `${binfmt.directory}/status`)]);
  return [{ state: hostTableState(facts), found: 'switched off as a whole', why, fix }];
}

function disabledEntries(facts: HostFacts): readonly Finding[] {
  const { binfmt } = facts;
  const wanted = foreign(facts).map((machine) => elfHeader(machine));
  const off = binfmt.entries.filter(
    (entry) => !entry.enabled && wanted.some((header) => matchesEntry(entry, header)),
  );
  return off.map(({ name }) => ({
    state: hostTableState(facts),
    found: `${name} is switched off`,
    why: 'the kernel passes it over',
    fix: asRoot([writing('1', `${binfmt.directory}/${name}`)]),
  }));
}

/** Which table a step would see without one of its own. */
function instance({ user, binfmt }: HostFacts): readonly Finding[] {
  if (user.initialNamespace || !binfmt.mounted) return [];
  return info('we are in a user namespace: the table seen here may be its own, and not that of the host');
}

/** A mask so lax that it matches the host's own programs makes every exec fail with ELOOP. */
function native({ binfmt, host }: HostFacts): readonly Finding[] {
  if (host === undefined) return [];
  const headers = ([2, 3] as const).flatMap((type) =>
    [0, 3].map((osabi) => elfHeader(host, { type, osabi })),
  );
  return dangerousEntries(binfmt, headers).map(({ name, interpreter }) => ({
    state: 'fail',
    found: `${name} (${interpreter}) matches programs of ${host.arch} itself`,
    why: 'native programs are handed to it: slow at best, "Too many levels of symbolic links" at worst',
    fix: asRoot([writing('0', `${binfmt.directory}/${name}`)], 'back with echo 1'),
  }));
}

/** One finding for each machine that has entries; machines without are not worth a line when steps have their own. */
function entryOf(facts: HostFacts, machine: Architecture): Finding[] {
  const { binfmt } = facts;
  const header = elfHeader(machine);
  const entry = effectiveEntry(binfmt, header);
  if (entry === undefined) return [];
  const faults = [
    ...shadowedEntries(binfmt, header).map(({ name }) => `${name} never gets its turn`),
    ...flagFaults(missingFlags(entry)),
    ...(entry.flags.includes('P') && isOlder(facts.kernel, [5, 12])
      ? ['P with a kernel before 5.12: emulators not made for it take argv[0] for an argument']
      : []),
    ...maskFaults(facts, machine),
    ...[facts.interpreterObjections.get(entry.name) ?? []]
      .flat()
      .map((words) => `${entry.interpreter} ${words}`),
  ];
  const found = `${machine.arch}: ${entry.name} starts ${entry.interpreter} (flags ${entry.flags === '' ? 'none' : entry.flags})`;
  if (faults.length === 0) return [{ state: 'ok', arch: machine.arch, found }];
  return [
    {
      state: hostTableState(facts),
      arch: machine.arch,
      found,
      why: faults.join('; '),
      fix: entryFix(facts, entry),
    },
  ];
}

/** Switched off, not removed: whoever made it gets it back with `echo 1`, and builds make an entry of their own. */
function entryFix({ binfmt, user }: HostFacts, { name }: BinfmtEntry): Fix {
  if (user.uid !== 0)
    return advice(
      'builds do not use it where they can have a table of their own; else have it registered again with the flags POCF',
    );
  return asRoot(
    [writing('0', `${binfmt.directory}/${name}`)],
    'builds then register their own; or register it again with the flags POCF',
  );
}

const FLAG_FAULTS: Readonly<Record<string, string>> = {
  P: 'P is missing: login shells and programs that look at argv[0] go wrong',
  O: 'O is missing: programs that are not readable cannot be started',
  C: 'C is missing: sudo, su and ping lose their privileges',
  F: 'F is missing: the emulator would have to be inside the image',
};

const flagFaults = (missing: string): string[] =>
  missing.split('').flatMap((flag) => FLAG_FAULTS[flag] ?? []);

function maskFaults({ binfmt }: HostFacts, machine: Architecture): string[] {
  const missed = (header: Buffer): boolean => effectiveEntry(binfmt, header) === undefined;
  return [
    ...(missed(elfHeader(machine, { osabi: 3 }))
      ? ['static glibc programs (EI_OSABI 3) are not matched']
      : []),
    ...(missed(elfHeader(machine, { type: 3 }))
      ? ['position independent programs (ET_DYN) are not matched']
      : []),
  ];
}

/** Only to explain: what works is tried. */
function isOlder(kernel: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return a < major || (a === major && b < minor);
}

function unknownEntries({ binfmt }: HostFacts): readonly Finding[] {
  return binfmt.unreadable.flatMap((name) => info(`${name}: the kernel describes it in an unknown way`));
}

function persistence({ persistence: paths }: HostFacts): readonly Finding[] {
  const has = (part: string): boolean => paths.some((path) => path.includes(part));
  if (!has('systemd-binfmt') || !has('update-binfmts')) return [];
  return [
    {
      state: 'info',
      found: 'systemd-binfmt and binfmt-support are both installed',
      why: 'starting one empties the table of the other, so entries may vanish',
      fix: advice('keep one of them'),
    },
  ];
}

function foreign({ platforms }: HostFacts): Architecture[] {
  const machines = platforms.flatMap(({ native: runs, architecture }) => (runs ? [] : (architecture ?? [])));
  return [...new Map(machines.map((machine) => [machine.arch, machine])).values()];
}
