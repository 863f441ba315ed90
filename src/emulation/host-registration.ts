/**
 * The second rung: one named entry per machine in the host's own binfmt_misc, for the time of a build.
 *
 * Whoever comes first registers, whoever leaves last removes: all builds hold one lock shared, and only who gets it
 * exclusively may remove. Entries that are not ours are never changed.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { acquireLock, tryLock } from '../sys/lock.ts';
import { startReaper } from '../sys/reaper.ts';
import { runProgram } from '../sys/run-program.ts';
import { formatEntry, parseEntry, type Registration } from './binfmt-entry.ts';
import { BINFMT_DIRECTORY } from './binfmt-state.ts';

const USERS_LOCK = '/run/arch-build-binfmt.users';
const CHANGE_LOCK = '/run/arch-build-binfmt.change';
const WAIT_MS = 30_000;

export const entryNameOf = (arch: string): string => `arch-build-${arch}`;

/**
 * Registers what is missing. Disposing removes our entries and our mount, unless another build still uses them.
 * Throws BINFMT when an entry of our name is not what we would write.
 */
export async function registerOnHost(registrations: readonly Registration[]): Promise<AsyncDisposable> {
  const users = await acquireLock(USERS_LOCK, 'shared', { waitMs: WAIT_MS });
  const names = registrations.map(({ name }) => name);
  const reaper = startReaper(CLEAN_UP_SCRIPT, [USERS_LOCK, BINFMT_DIRECTORY, MOUNT_MARK, ...names]);
  const leave = async (): Promise<void> => {
    users[Symbol.dispose]();
    await cleanUp(names);
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

/** Says that the mount is ours to take away; lives in /run, so a reboot forgets it with the mount. */
const MOUNT_MARK = '/run/arch-build-binfmt.mounted';

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
  try {
    writeFileSync(join(BINFMT_DIRECTORY, 'register'), formatEntry(registration));
  } catch (cause) {
    throw new ArchBuildError(
      'BINFMT',
      `cannot register ${registration.name}: ${systemErrorCode(cause) ?? String(cause)}`,
      {
        cause,
      },
    );
  }
}

async function cleanUp(names: readonly string[]): Promise<void> {
  using alone = tryLock(USERS_LOCK, 'exclusive');
  if (alone === undefined) return;
  for (const name of names) {
    const path = join(BINFMT_DIRECTORY, name);
    if (existsSync(path)) writeFileSync(path, '-1');
  }
  if (existsSync(MOUNT_MARK))
    await runProgram('sh', ['-c', 'umount "$1" && rm -f "$2"', 'sh', BINFMT_DIRECTORY, MOUNT_MARK]);
}

/** The same clean-up for a killed process; flock(1) waits until its steps are gone too. */
const CLEAN_UP_SCRIPT = `
users=$1 table=$2 mark=$3; shift 3
exec 9>>"$users"; flock -n -x 9 || exit
for name; do [ -e "$table/$name" ] && echo -1 > "$table/$name"; done
if [ -e "$mark" ]; then umount "$table" && rm -f "$mark"; fi`;
