/**
 * The second rung: one named entry per machine in the host's own binfmt_misc, for the time of a build.
 *
 * Builds at the same time share their entries and the last one removes them (binfmt/host-table.ts). What is ours to
 * remove has a mark; everything else is never changed.
 */
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import type { Registration } from './binfmt-entry.ts';
import { BINFMT_DIRECTORY } from './binfmt-state.ts';
import { differencesOf } from './binfmt/differences.ts';
import { addEntry, entryOfName, useHostTable } from './binfmt/host-table.ts';
import { BUILD_MARKS, markState } from './binfmt/marks.ts';
import { rehearse } from './binfmt/rehearsal.ts';

/** Of a build's entry; those that stay have other names (binfmt/persistent.ts). */
export const entryNameOf = (arch: string): string => `arch-build-${arch}`;

/**
 * Registers what is missing, after a rehearsal. Disposing removes our entries and our mount, unless another build still
 * uses them.
 *
 * Throws BINFMT when a line would do harm, when an entry of our name is not what we would write, or when the table is
 * switched off; RegistrationRefusal (a BINFMT) when the kernel does not take a line. Lines without F are taken too:
 * their emulator need not exist here.
 */
export async function registerOnHost(registrations: readonly Registration[]): Promise<AsyncDisposable> {
  await rehearse(registrations);
  return useHostTable(() => {
    for (const registration of registrations) register(registration);
  });
}

function register(registration: Registration): void {
  const { name, interpreter } = registration;
  const entry = entryOfName(name);
  if (entry === undefined) {
    addEntry(registration, BUILD_MARKS);
    return;
  }
  const differences = differencesOf(entry, registration);
  const state = markState(BUILD_MARKS, name);
  if (state === 'stale') differences.push(`runs what ${interpreter} was before it was replaced`);
  if (differences.length === 0) return; // another build's, and the same
  throw new ArchBuildError(
    'BINFMT',
    `the host’s entry ${name}${state === 'none' ? '' : ', of another build,'} ${differences.join(', ')}`,
    {
      hint:
        state === 'none'
          ? `it is not of a build of ours; who made it may remove it: echo -1 > ${join(BINFMT_DIRECTORY, name)}`
          : 'wait for the build that made it',
    },
  );
}
