/** `binfmt ls`, `binfmt check`. */
import type { Architecture } from '../../emulation/architecture.ts';
import {
  effectiveEntry,
  missingFlags,
  readBinfmtState,
  shadowedEntries,
  type BinfmtState,
} from '../../emulation/binfmt-state.ts';
import type { BinfmtEntry } from '../../emulation/binfmt-entry.ts';
import { hostArchitecture } from '../../emulation/architecture.ts';
import { elfHeader } from '../../emulation/probe.ts';
import { printJson } from '../answer.ts';
import { architecturesNamed } from '../architectures.ts';
import { HOST_INCAPABLE } from '../explain.ts';
import { wantsJson, type ListFlags } from '../flags.ts';
import { formatTable } from '../table.ts';

export function list(flags: ListFlags): void {
  const state = readBinfmtState();
  if (wantsJson(flags)) {
    const { mounted, enabled, entries, unreadable } = state;
    printJson({ mounted, enabled, entries: entries.map(jsonEntry), unreadable });
    return;
  }
  if (!state.mounted)
    process.stderr.write('binfmt_misc is not mounted here; builds use a private table of their own\n');
  else if (!state.enabled) process.stderr.write('the whole table is switched off (status)\n');
  const rows = state.entries.map(({ name, enabled, interpreter, flags: letters }) => [
    name,
    enabled ? 'enabled' : 'disabled',
    letters || '-',
    interpreter,
  ]);
  process.stdout.write(formatTable(['NAME', 'STATE', 'FLAGS', 'INTERPRETER'], rows));
}

export function check(names: readonly string[], flags: ListFlags): Promise<number> {
  const state = readBinfmtState();
  const answers = architecturesNamed(names).map((architecture) => answerFor(state, architecture));
  if (wantsJson(flags)) printJson(answers);
  else {
    const rows = answers.map(({ arch, runs, entry, missing, shadowed }) => [
      arch,
      runs,
      entry ?? '-',
      missing === '' ? '-' : missing,
      shadowed.length === 0 ? '-' : shadowed.join(' '),
    ]);
    process.stdout.write(formatTable(['ARCH', 'RUNS', 'ENTRY', 'MISSING FLAGS', 'SHADOWED'], rows));
  }
  const asked = names.length > 0 && !names.includes('all');
  return Promise.resolve(asked && answers.some(({ runs }) => runs === 'no') ? HOST_INCAPABLE : 0);
}

interface Answer {
  readonly arch: string;
  readonly runs: 'natively' | 'emulated' | 'no';
  readonly entry: string | null;
  readonly interpreter: string | null;
  readonly missing: string;
  readonly shadowed: readonly string[];
}

function answerFor(state: BinfmtState, architecture: Architecture): Answer {
  const header = elfHeader(architecture);
  const entry = effectiveEntry(state, header);
  const native = architecture.arch === hostArchitecture().arch;
  return {
    arch: architecture.arch,
    runs: entry !== undefined ? 'emulated' : native ? 'natively' : 'no',
    entry: entry?.name ?? null,
    interpreter: entry?.interpreter ?? null,
    missing: entry === undefined ? '' : missingFlags(entry),
    shadowed: shadowedEntries(state, header).map(({ name }) => name),
  };
}

const jsonEntry = ({ match, ...entry }: BinfmtEntry): object => ({
  ...entry,
  match:
    match.kind === 'magic'
      ? { ...match, magic: match.magic.toString('hex'), mask: match.mask?.toString('hex') ?? null }
      : match,
});
