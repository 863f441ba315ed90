/** `binfmt ls`, `show`, `check`: they look at the host's table and change nothing. */
import { hostArchitecture, type Architecture } from '../../emulation/architecture.ts';
import {
  effectiveEntry,
  missingFlags,
  readBinfmtState,
  shadowedEntries,
  type BinfmtState,
} from '../../emulation/binfmt-state.ts';
import { lineOf } from '../../emulation/binfmt-entry.ts';
import { describeEntries, type EntryDescription } from '../../emulation/binfmt/description.ts';
import { tryEntry } from '../../emulation/binfmt/entry-trial.ts';
import { elfHeader } from '../../emulation/probe.ts';
import { ArchBuildError } from '../../errors.ts';
import { printJson } from '../answer.ts';
import { architecturesNamed } from '../architectures.ts';
import { formatEntries, formatEntry } from '../binfmt-text.ts';
import { HOST_INCAPABLE } from '../explain.ts';
import { wantsJson, type ListFlags } from '../flags.ts';
import type { Globals } from '../globals.ts';
import { formatTable } from '../table.ts';

export async function list(globals: Globals, flags: ListFlags): Promise<void> {
  const state = readBinfmtState();
  const entries = await describe(globals, state);
  if (wantsJson(flags)) {
    const { mounted, enabled, unreadable } = state;
    printJson({ mounted, enabled, entries: entries.map(jsonEntry), unreadable });
    return;
  }
  tellAbout(state);
  process.stdout.write(formatEntries(entries));
}

/** Throws USAGE for a name that is neither an entry nor a machine, BINFMT for a machine without entries. */
export async function show(globals: Globals, names: readonly string[], flags: ListFlags): Promise<void> {
  const state = readBinfmtState();
  const entries = await describe(globals, state);
  const chosen = [...new Set(names.flatMap((name) => entriesFor(entries, name)))];
  if (flags.json === true) printJson(chosen.map(jsonEntry));
  else process.stdout.write(chosen.map(formatEntry).join('\n'));
}

function entriesFor(entries: readonly EntryDescription[], name: string): EntryDescription[] {
  const named = entries.filter((entry) => entry.name === name);
  if (named.length > 0) return named;
  const [architecture] = machineOrEntry(name);
  const found = entries.filter(
    ({ machines }) => architecture === undefined || machines.includes(architecture.arch),
  );
  if (name === 'all' || found.length > 0) return name === 'all' ? [...entries] : found;
  throw new ArchBuildError('BINFMT', `no entry of the host’s binfmt_misc is for ${name}`, {
    hint: 'builds need none where steps have a table of their own; `arch-build binfmt register` makes one',
  });
}

function machineOrEntry(name: string): Architecture[] {
  try {
    return architecturesNamed([name]);
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    throw new ArchBuildError('USAGE', `no entry and no machine is called ${JSON.stringify(name)}`, {
      hint: '`arch-build binfmt ls` lists the entries',
      cause: error,
    });
  }
}

const describe = ({ root }: Globals, state: BinfmtState): Promise<EntryDescription[]> =>
  describeEntries(state, { storeDirectory: root, root: '/' });

function tellAbout({ mounted, enabled, unreadable }: BinfmtState): void {
  if (!mounted)
    process.stderr.write('binfmt_misc is not mounted here; builds use a private table of their own\n');
  else if (!enabled) process.stderr.write('the whole table is switched off (status)\n');
  for (const name of unreadable) process.stderr.write(`not understood: the entry ${name}\n`);
}

export async function check(names: readonly string[], flags: ListFlags): Promise<number> {
  const state = readBinfmtState();
  const answers: Answer[] = [];
  for (const architecture of architecturesNamed(names)) answers.push(await answerFor(state, architecture));
  if (wantsJson(flags)) printJson(answers);
  else {
    const rows = answers.map(({ arch, runs, entry, version, missing, shadowed, failure }) => [
      arch,
      runs,
      entry ?? '-',
      version ?? '-',
      missing === '' ? '-' : missing,
      shadowed.length === 0 ? '-' : shadowed.join(' '),
      failure ?? '-',
    ]);
    const columns = ['ARCH', 'RUNS', 'ENTRY', 'QEMU', 'MISSING FLAGS', 'SHADOWED', 'NOTES'];
    process.stdout.write(formatTable(columns, rows));
  }
  const asked = names.length > 0 && !names.includes('all');
  return asked && answers.some(({ runs }) => runs === 'no') ? HOST_INCAPABLE : 0;
}

interface Answer {
  readonly arch: string;
  readonly runs: 'natively' | 'emulated' | 'no';
  readonly entry: string | null;
  readonly interpreter: string | null;
  /** Of the qemu that really ran a program. */
  readonly version: string | null;
  readonly missing: string;
  readonly shadowed: readonly string[];
  /** Why a program of the machine did not run, or not in another root. */
  readonly failure: string | null;
}

async function answerFor(state: BinfmtState, architecture: Architecture): Promise<Answer> {
  const header = elfHeader(architecture);
  const entry = effectiveEntry(state, header);
  const native = architecture.arch === hostArchitecture().arch;
  const trial = entry === undefined ? undefined : await tryEntry(architecture);
  const runs = trial?.failure === undefined ? 'emulated' : 'no';
  const inRoot = trial?.rootFailure === undefined ? null : `not in another root: ${trial.rootFailure}`;
  return {
    arch: architecture.arch,
    runs: entry !== undefined ? runs : native ? 'natively' : 'no',
    entry: entry?.name ?? null,
    interpreter: entry?.interpreter ?? null,
    version: trial?.version ?? null,
    missing: entry === undefined ? '' : missingFlags(entry),
    shadowed: shadowedEntries(state, header).map(({ name }) => name),
    failure: trial?.failure ?? inRoot,
  };
}

function jsonEntry({ match, running, owner, file, ...entry }: EntryDescription): object {
  const { linking, version, objection } = file;
  return {
    ...entry,
    running: running ?? null,
    owner: { ...owner, source: owner.source ?? null },
    file: { ...file, linking: linking ?? null, version: version ?? null, objection: objection ?? null },
    match:
      match.kind === 'magic'
        ? { ...match, magic: match.magic.toString('hex'), mask: match.mask?.toString('hex') ?? null }
        : match,
    line: lineOf({ ...entry, match }) ?? null,
  };
}
