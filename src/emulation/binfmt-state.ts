/**
 * The binfmt_misc table that is in force here, and what it would do with a given program.
 *
 * Order matters: the entry registered last wins. Reading the directory gives that order (newest first), but only
 * entry by entry: `readdir` of Node sorts.
 */
import { existsSync, opendirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { FULL_FLAGS, matchesEntry, parseEntry, type BinfmtEntry } from './binfmt-entry.ts';

export interface BinfmtState {
  readonly directory: string;
  readonly mounted: boolean;
  /** The switch for the whole table; an entry has its own. */
  readonly enabled: boolean;
  /** In the order the kernel tries them. */
  readonly entries: readonly BinfmtEntry[];
  /** Entries the kernel describes in a way that is not understood. */
  readonly unreadable: readonly string[];
}

export const BINFMT_DIRECTORY = '/proc/sys/fs/binfmt_misc';

/** Reads the table; an absent or unmounted directory is an empty one. Reading triggers an automount. */
export function readBinfmtState(directory = BINFMT_DIRECTORY): BinfmtState {
  const status = tryRead(join(directory, 'status'));
  const mounted = status !== undefined && existsSync(join(directory, 'register'));
  if (!mounted) return { directory, mounted, enabled: false, entries: [], unreadable: [] };
  const entries: BinfmtEntry[] = [];
  const unreadable: string[] = [];
  for (const name of namesInOrder(directory)) {
    const text = tryRead(join(directory, name));
    if (text === undefined) continue; // unregistered while we looked
    const entry = tryParse(name, text);
    if (entry === undefined) unreadable.push(name);
    else entries.push(entry);
  }
  return { directory, mounted, enabled: status.trim() === 'enabled', entries, unreadable };
}

/** The entry that gets programs which begin with these bytes. */
export function effectiveEntry(state: BinfmtState, beginning: Uint8Array): BinfmtEntry | undefined {
  return matchingEntries(state, beginning)[0];
}

/** Enabled entries that match too but never get their turn. */
export function shadowedEntries(state: BinfmtState, beginning: Uint8Array): readonly BinfmtEntry[] {
  return matchingEntries(state, beginning).slice(1);
}

/** Enabled entries that catch programs of this host itself: each exec of one goes astray (ELOOP). */
export function dangerousEntries(
  state: BinfmtState,
  nativeHeaders: readonly Uint8Array[],
): readonly BinfmtEntry[] {
  const caught = new Set(nativeHeaders.flatMap((header) => matchingEntries(state, header)));
  return state.entries.filter((entry) => caught.has(entry));
}

/** The letters of POCF that the entry lacks. */
export function missingFlags(entry: BinfmtEntry): string {
  return FULL_FLAGS.replaceAll(/./g, (flag) => (entry.flags.includes(flag) ? '' : flag));
}

/** Enabled entries that match, the one in force first. */
export function matchingEntries(
  { enabled, entries }: BinfmtState,
  beginning: Uint8Array,
): readonly BinfmtEntry[] {
  return enabled ? entries.filter((entry) => entry.enabled && matchesEntry(entry, beginning)) : [];
}

function* namesInOrder(directory: string): Iterable<string> {
  const opened = opendirSync(directory);
  try {
    for (let entry = opened.readSync(); entry !== null; entry = opened.readSync()) {
      if (entry.name !== 'register' && entry.name !== 'status') yield entry.name;
    }
  } finally {
    opened.closeSync();
  }
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return undefined;
  }
}

function tryParse(name: string, text: string): BinfmtEntry | undefined {
  try {
    return parseEntry(name, text);
  } catch {
    return undefined;
  }
}
