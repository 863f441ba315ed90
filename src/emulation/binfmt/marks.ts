/**
 * Marks: one file in /run for each entry that is ours, so that nothing else is ever removed. A reboot forgets them
 * together with the table itself.
 *
 * The first line says which file the emulator was when it was registered, the rest is what the kernel shows for the
 * entry below its first line (`enabled`): an entry that differs from its mark has been replaced by somebody else.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FULL_FLAGS, type Registration } from '../binfmt-entry.ts';
import { BINFMT_DIRECTORY } from '../binfmt-state.ts';

export interface MarkFolder {
  readonly directory: string;
}

/** For the time of a build: whoever leaves the table last removes these entries. */
export const BUILD_MARKS: MarkFolder = { directory: '/run/arch-build-binfmt.entries' };
/** Until they are unregistered, or the next boot. */
export const PERSISTENT_MARKS: MarkFolder = { directory: '/run/arch-build-binfmt.persistent' };

export type MarkState =
  /** No mark, or no entry that fits it. */
  | 'none'
  | 'ours'
  /** Ours, but its emulator's file is gone or another one by now: the entry goes on running the old one. */
  | 'stale';

/** Before the entry is registered: who is killed in between leaves no entry that nobody removes. */
export function writeMark({ directory }: MarkFolder, registration: Registration): void {
  mkdirSync(directory, { recursive: true });
  const { name, interpreter } = registration;
  const shown = entryText(name) ?? `\n${foretell(registration)}`;
  writeFileSync(join(directory, name), `${fileState(interpreter)}\n${afterFirstLine(shown)}`);
}

export function removeMark({ directory }: MarkFolder, name: string): void {
  rmSync(join(directory, name), { force: true });
}

export function markedNames({ directory }: MarkFolder): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Whether the entry of this name in the host's table is the one the mark was made for. */
export function markState({ directory }: MarkFolder, name: string): MarkState {
  const path = join(directory, name);
  const text = entryText(name);
  if (text === undefined || !existsSync(path)) return 'none';
  const mark = readFileSync(path, 'utf8');
  if (afterFirstLine(mark) !== afterFirstLine(text)) return 'none';
  const interpreter = /^interpreter (?<path>[^]*?)\nflags: /m.exec(text)?.groups?.['path'] ?? '';
  return mark.split('\n', 1)[0] === fileState(interpreter) ? 'ours' : 'stale';
}

/** What tells one file from another, also when it was replaced by rename under the same path. */
function fileState(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return 'absent';
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs].join(':');
}

function entryText(name: string): string | undefined {
  const path = join(BINFMT_DIRECTORY, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

const afterFirstLine = (text: string): string => text.slice(text.indexOf('\n') + 1);

/** What the kernel will show; once it does, the mark is written anew from that. */
function foretell({ interpreter, flags, magic, mask }: Registration): string {
  return `interpreter ${interpreter}\nflags: ${shownFlags(flags)}\noffset 0\nmagic ${magic}\nmask ${mask}\n`;
}

/** The flags an entry has when registered with these: in the kernel's order, and C brings O. */
export function shownFlags(flags: string): string {
  const known = FULL_FLAGS.replaceAll(/./g, (flag) =>
    flags.includes(flag) || (flag === 'O' && flags.includes('C')) ? flag : '',
  );
  return known + flags.replaceAll(new RegExp(`[${FULL_FLAGS}]`, 'g'), '');
}
