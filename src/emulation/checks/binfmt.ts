/** The binfmt_misc table of the host: who gets which program, and what is wrong with the entries. */
import { hostTableState, info, ok, type Check, type Finding } from './check.ts';
import type { Architecture } from '../architecture.ts';
import { dangerousEntries, effectiveEntry, missingFlags, shadowedEntries } from '../binfmt-state.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import { elfHeader } from '../probe.ts';

export const BINFMT_CHECKS: readonly Check[] = [
  { id: 'binfmt-kernel', title: 'binfmt_misc in the kernel', run: inKernel },
  { id: 'binfmt-mount', title: 'binfmt_misc of the host', run: mounted },
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
  if (facts.fileSystems.has('binfmt_misc')) return ok('present');
  const why = 'without it foreign programs cannot be started transparently';
  return [
    {
      state: 'fail',
      found: 'not in /proc/filesystems',
      why,
      fix: 'modprobe binfmt_misc (as root, outside containers)',
    },
  ];
}

function mounted(facts: HostFacts): readonly Finding[] {
  const { binfmt, binfmtMount } = facts;
  const why = 'an entry of the host cannot be used';
  if (!binfmt.mounted && binfmtMount?.type === 'autofs') {
    return [
      {
        state: hostTableState(facts),
        found: 'the automount does not answer',
        why,
        fix: 'systemctl restart proc-sys-fs-binfmt_misc.automount',
      },
    ];
  }
  if (!binfmt.mounted) {
    const state = hostTableState(facts);
    return state === 'info'
      ? info('not mounted, and not needed')
      : [{ state, found: 'not mounted', why, fix: `mount -t binfmt_misc binfmt_misc ${binfmt.directory}` }];
  }
  if (!binfmt.enabled) {
    return [
      {
        state: hostTableState(facts),
        found: 'switched off as a whole',
        why,
        fix: `echo 1 > ${binfmt.directory}/status`,
      },
    ];
  }
  const readOnly = binfmtMount?.options.includes('ro') === true ? ', read-only' : '';
  return ok(`mounted${readOnly}, ${binfmt.entries.length} entries`);
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
    fix: `echo -1 > ${binfmt.directory}/${name}`,
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
    ...maskFaults(facts, machine),
    ...[facts.interpreterObjections.get(entry.name) ?? []]
      .flat()
      .map((words) => `${entry.interpreter} ${words}`),
  ];
  const found = `${machine.arch}: ${entry.name} starts ${entry.interpreter} (flags ${entry.flags === '' ? 'none' : entry.flags})`;
  if (faults.length === 0) return ok(found);
  const fix = 'builds with --isolation private do not use it; or register it again with the flags POCF';
  return [{ state: hostTableState(facts), found, why: faults.join('; '), fix }];
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
      fix: 'keep one of them',
    },
  ];
}

function foreign({ platforms }: HostFacts): Architecture[] {
  const machines = platforms.flatMap(({ native: runs, architecture }) => (runs ? [] : (architecture ?? [])));
  return [...new Map(machines.map((machine) => [machine.arch, machine])).values()];
}
