/**
 * The second rung: one named entry per machine in the host's own binfmt_misc, for the time of a build.
 *
 * Whoever comes first registers, whoever leaves last removes: all builds hold one lock shared, and only who gets it
 * exclusively may remove. What is ours to remove has a mark in /run, which a reboot forgets with the table itself;
 * everything else is never changed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { acquireLock, tryLock } from '../sys/lock.ts';
import { startReaper } from '../sys/reaper.ts';
import { runProgram } from '../sys/run-program.ts';
import { formatEntry, parseEntry, type Registration } from './binfmt-entry.ts';
import { BINFMT_DIRECTORY } from './binfmt-state.ts';

const USERS_LOCK = '/run/arch-build-binfmt.users';
const CHANGE_LOCK = '/run/arch-build-binfmt.change';
/** One empty file for each entry of ours, by name. */
const ENTRY_MARKS = '/run/arch-build-binfmt.entries';
const MOUNT_MARK = '/run/arch-build-binfmt.mounted';
const WAIT_MS = 30_000;

export const entryNameOf = (arch: string): string => `arch-build-${arch}`;

/**
 * Registers what is missing. Disposing removes our entries and our mount, unless another build still uses them.
 * Throws BINFMT when an entry of our name is not what we would write.
 */
export async function registerOnHost(registrations: readonly Registration[]): Promise<AsyncDisposable> {
  const users = await acquireLock(USERS_LOCK, 'shared', { waitMs: WAIT_MS });
  const reaper = startReaper(CLEAN_UP_SCRIPT, [USERS_LOCK, BINFMT_DIRECTORY, MOUNT_MARK, ENTRY_MARKS]);
  const leave = async (): Promise<void> => {
    users[Symbol.dispose]();
    await cleanUp();
    await reaper[Symbol.asyncDispose]();
  };
  try {
    using _change = await acquireLock(CHANGE_LOCK, 'exclusive', { waitMs: WAIT_MS });
    await ensureMounted();
    for (const registration of registrations) register(registration);
  } catch (error) {
    await leave();
    throw error;
  }
  return { [Symbol.asyncDispose]: leave };
}

async function ensureMounted(): Promise<void> {
  if (existsSync(join(BINFMT_DIRECTORY, 'status'))) return;
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

function register(registration: Registration): void {
  const path = join(BINFMT_DIRECTORY, registration.name);
  if (existsSync(path)) {
    const { interpreter, enabled } = parseEntry(registration.name, readFileSync(path, 'utf8'));
    if (interpreter === registration.interpreter && enabled) return; // another build's, and the same
    throw new ArchBuildError('BINFMT', `the host's entry ${registration.name} belongs to ${interpreter}`, {
      hint: `wait for the build that made it, or remove it: echo -1 > ${path}`,
    });
  }
  const mark = join(ENTRY_MARKS, registration.name);
  mkdirSync(ENTRY_MARKS, { recursive: true });
  writeFileSync(mark, ''); // first: who is killed in between leaves no entry that nobody removes
  try {
    writeFileSync(join(BINFMT_DIRECTORY, 'register'), formatEntry(registration));
  } catch (cause) {
    rmSync(mark, { force: true });
    const reason = systemErrorCode(cause) ?? String(cause);
    throw new ArchBuildError('BINFMT', `cannot register ${registration.name}: ${reason}`, { cause });
  }
}

/** Removes what is ours, everybody's, unless somebody still uses it. */
async function cleanUp(): Promise<void> {
  using alone = tryLock(USERS_LOCK, 'exclusive');
  if (alone === undefined) return;
  for (const name of existsSync(ENTRY_MARKS) ? readdirSync(ENTRY_MARKS) : []) {
    const path = join(BINFMT_DIRECTORY, name);
    if (existsSync(path)) writeFileSync(path, '-1');
    rmSync(join(ENTRY_MARKS, name), { force: true });
  }
  if (existsSync(MOUNT_MARK))
    await runProgram('sh', ['-c', 'umount "$1" && rm -f "$2"', 'sh', BINFMT_DIRECTORY, MOUNT_MARK]);
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
  [ -e "$table/$name" ] && echo -1 > "$table/$name"
  rm -f "$entry"
done
if [ -e "$mark" ]; then umount "$table" && rm -f "$mark"; fi`;
