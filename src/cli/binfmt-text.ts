/** The entries of the host's table as text for people. Pure. */
import { lineOf } from '../emulation/binfmt-entry.ts';
import type { EntryDescription } from '../emulation/binfmt/description.ts';
import { formatTable } from './table.ts';
import { terminalText } from './terminal-text.ts';

const COLUMNS = ['NAME', 'STATE', 'CATCHES', 'FLAGS', 'QEMU', 'OWNER', 'INTERPRETER', 'NOTES'];

export function formatEntries(entries: readonly EntryDescription[]): string {
  const rows = entries.map((entry) => [
    entry.name,
    entry.state,
    catches(entry),
    entry.flags || '-',
    entry.running ?? '-',
    entry.owner.words,
    entry.interpreter,
    notesOn(entry).join('; ') || '-',
  ]);
  return formatTable(
    COLUMNS,
    rows.map((row) => row.map(terminalText)),
  );
}

const MANY = 3;

function catches({ machines, match }: EntryDescription): string {
  if (match.kind === 'extension') return `*.${match.extension}`;
  if (machines.length > MANY)
    return `${machines.slice(0, MANY).join(' ')} and ${machines.length - MANY} more`;
  return machines.join(' ') || '-';
}

/** What is wrong or surprising about an entry; none for one that is as it should be. */
function notesOn(entry: EntryDescription): string[] {
  const { machines, missing, file, running, shadows, shadowedBy } = entry;
  const forMachines = machines.length > 0;
  return [
    ...(entry.catchesNative ? ['catches programs of this host itself'] : []),
    ...(shadowedBy.length > 0 ? [`shadowed by ${shadowedBy.join(', ')}`] : []),
    ...(shadows.length > 0 ? [`shadows ${shadows.join(', ')}`] : []),
    ...(forMachines && missing !== '' ? [`lacks ${missing}`] : []),
    ...(file.changed ? [changedNote(entry)] : []),
    ...(file.objection !== undefined && (forMachines || !file.exists) ? [`the file ${file.objection}`] : []),
    ...(!file.changed && running !== undefined && file.version !== undefined && running !== file.version
      ? [`the file is qemu ${file.version}`]
      : []),
  ];
}

function changedNote({ file }: EntryDescription): string {
  const now = file.version === undefined ? '' : ` (now qemu ${file.version})`;
  return file.exists
    ? `the file was replaced since${now}, the entry runs the old one`
    : 'the file is gone, the entry runs it all the same';
}

export function formatEntry(entry: EntryDescription): string {
  const { match, owner, file, name } = entry;
  const magic: [string, string][] =
    match.kind === 'magic'
      ? [
          ['offset', String(match.offset)],
          ['magic', match.magic.toString('hex')],
          ['mask', match.mask?.toString('hex') ?? '-'],
        ]
      : [];
  const rows: [string, string][] = [
    ['state', entry.state],
    ['catches', entry.machines.join(' ') || catches(entry)],
    ['flags', `${entry.flags || '-'}${entry.missing === '' ? '' : ` (lacks ${entry.missing})`}`],
    ['interpreter', entry.interpreter],
    ['its file', fileWords(file)],
    ['qemu that runs', entry.running ?? '-'],
    ['owner', owner.source === undefined ? owner.words : `${owner.words} (${owner.source})`],
    ['removed by', owner.removal],
    ...magic,
    ['line', lineOf(entry) ?? '-'],
    ['notes', notesOn(entry).join('; ') || '-'],
  ];
  const width = Math.max(...rows.map(([title]) => title.length));
  const lines = rows.map(([title, text]) => `  ${title.padEnd(width)}  ${terminalText(text)}\n`);
  return `${terminalText(name)}\n${lines.join('')}`;
}

function fileWords({ exists, linking, version, objection }: EntryDescription['file']): string {
  if (!exists) return 'does not exist';
  const facts = [linking, version === undefined ? undefined : `qemu ${version}`, objection];
  return facts.filter((fact) => fact !== undefined).join(', ') || 'exists';
}
