/**
 * The host's own binfmt_misc while we use it: mounted when it was not, changed under a lock, and put back as it was.
 *
 * All users hold one lock shared; only who gets it exclusively may clean up, so whoever leaves last does it. Whoever
 * comes first cleans up too: what is marked as a build's then was left by processes that were killed together with
 * their reapers.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { acquireLock, tryLock } from '../../sys/lock.ts';
import { startReaper } from '../../sys/reaper.ts';
import { runProgram } from '../../sys/run-program.ts';
import { formatEntry, parseEntry, type BinfmtEntry, type Registration } from '../binfmt-entry.ts';
import { BINFMT_DIRECTORY, readBinfmtState } from '../binfmt-state.ts';
import { BUILD_MARKS, markedNames, markState, removeMark, writeMark, type MarkFolder } from './marks.ts';
import { RegistrationRefusal } from './refusal.ts';

const USERS_LOCK = '/run/arch-build-binfmt.users';
const CHANGE_LOCK = '/run/arch-build-binfmt.change';
const MOUNT_MARK = '/run/arch-build-binfmt.mounted';
const WAIT_MS = 30_000;

/**
 * Joins the users of the table and lets `change` have it alone. Disposing leaves the table: the last one removes the
 * entries of builds, and the mount if it was ours and nobody's entry needs it.
 * Throws BINFMT when there is no table, or when it is switched off (unless `evenOff`).
 */
export async function useHostTable(
  change: () => void,
  { evenOff = false }: { readonly evenOff?: boolean } = {},
): Promise<AsyncDisposable> {
  await cleanUp();
  const users = await acquireLock(USERS_LOCK, 'shared', { waitMs: WAIT_MS });
  const reaper = startReaper(CLEAN_UP_SCRIPT, [
    USERS_LOCK,
    BINFMT_DIRECTORY,
    MOUNT_MARK,
    BUILD_MARKS.directory,
  ]);
  const leave = async (): Promise<void> => {
    users[Symbol.dispose]();
    await cleanUp();
    await reaper[Symbol.asyncDispose]();
  };
  try {
    using _change = await acquireLock(CHANGE_LOCK, 'exclusive', { waitMs: WAIT_MS });
    await ensureMounted();
    if (!evenOff) refuseDisabled();
    change();
  } catch (error) {
    await leave();
    throw error;
  }
  return { [Symbol.asyncDispose]: leave };
}

/** Undefined when there is none of this name. Throws BINFMT when it is not understood. */
export function entryOfName(name: string): BinfmtEntry | undefined {
  const path = join(BINFMT_DIRECTORY, name);
  return existsSync(path) ? parseEntry(name, readFileSync(path, 'utf8')) : undefined;
}

/** Writes the line and marks the entry as ours. Throws RegistrationRefusal. */
export function addEntry(registration: Registration, marks: MarkFolder): void {
  const line = formatEntry(registration);
  writeMark(marks, registration);
  try {
    writeFileSync(join(BINFMT_DIRECTORY, 'register'), line);
  } catch (cause) {
    removeMark(marks, registration.name);
    const errno = systemErrorCode(cause);
    if (errno === undefined) throw cause;
    throw new RegistrationRefusal(registration, errno, cause);
  }
  writeMark(marks, registration);
}

/** Removes the entry if it is the marked one; the mark in any case. */
export function removeEntry(name: string, marks: MarkFolder): void {
  if (markState(marks, name) !== 'none') deleteEntry(name);
  removeMark(marks, name);
}

/** Whoever's it is. */
export function deleteEntry(name: string): void {
  writeFileSync(join(BINFMT_DIRECTORY, name), '-1');
}

export function disableEntry(name: string): void {
  writeFileSync(join(BINFMT_DIRECTORY, name), '0');
}

/** Reading `status` wakes an automount; only when that does not help is there something to mount. */
async function ensureMounted(): Promise<void> {
  if (readBinfmtState().mounted) return;
  const { status, stderr } = await runProgram('mount', [
    '-t',
    'binfmt_misc',
    'binfmt_misc',
    BINFMT_DIRECTORY,
  ]);
  if (status !== 0) {
    throw new ArchBuildError('BINFMT', `cannot mount binfmt_misc: ${stderr.trim()}`, {
      hint: 'load it with `modprobe binfmt_misc`, or see `arch-build doctor`',
    });
  }
  writeFileSync(MOUNT_MARK, '');
}

/** Somebody wanted it so; it is not for a build to know better. */
function refuseDisabled(): void {
  if (readBinfmtState().enabled) return;
  throw new ArchBuildError('BINFMT', 'the host’s binfmt_misc is switched off as a whole', {
    hint: `switch it on: echo 1 > ${BINFMT_DIRECTORY}/status`,
  });
}

/** Removes what is a build's, everybody's, unless somebody still uses it. */
async function cleanUp(): Promise<void> {
  using alone = tryLock(USERS_LOCK, 'exclusive');
  if (alone === undefined) return;
  for (const name of markedNames(BUILD_MARKS)) removeEntry(name, BUILD_MARKS);
  if (!existsSync(MOUNT_MARK)) return;
  const { entries, unreadable } = readBinfmtState();
  if (entries.length + unreadable.length > 0) return; // the table, and all in it, would go with its last mount
  const { status } = await runProgram('umount', [BINFMT_DIRECTORY]);
  if (status === 0 || !readBinfmtState().mounted) rmSync(MOUNT_MARK, { force: true });
}

/** The same clean-up for a killed process; its lock may be freed a moment after the reaper hears of its death. */
const CLEAN_UP_SCRIPT = `
users=$1 table=$2 mark=$3 entries=$4
exec 9>>"$users"
attempt=0
until flock -n -x 9; do attempt=$((attempt + 1)); [ "$attempt" -lt 10 ] || exit; sleep 0.2; done
for entry in "$entries"/*; do
  [ -e "$entry" ] || continue
  name=\${entry##*/}
  [ -e "$table/$name" ] && [ "$(sed 1d "$table/$name")" = "$(sed 1d "$entry")" ] && echo -1 > "$table/$name"
  rm -f "$entry"
done
[ -e "$mark" ] && [ "$(ls -A "$table" | wc -l)" -le 2 ] && umount "$table" && rm -f "$mark"`;
