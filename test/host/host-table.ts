/** The host's own binfmt_misc, which the tests in this folder change for a moment: what it was, and putting it back. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatEntry, type Registration } from '../../src/emulation/binfmt-entry.ts';
import { BINFMT_DIRECTORY } from '../../src/emulation/binfmt-state.ts';
import { captureHostState, type HostState } from '../support/host-state.ts';

/** Where the program notes that it has mounted the table. */
const MOUNT_MARK = '/run/arch-build-binfmt.mounted';

export type HostTables = Pick<HostState, 'mounts' | 'binfmt'>;

/** What must be as it was afterwards, whatever else goes on on this machine. */
export function hostTables(): HostTables {
  const { mounts, binfmt } = captureHostState({ directory: '/nonexistent' });
  return { mounts, binfmt };
}

export const entryFile = (name: string): string => join(BINFMT_DIRECTORY, name);
export const isMounted = (): boolean => existsSync(entryFile('status'));

function removeEntry(name: string): void {
  if (existsSync(entryFile(name))) writeFileSync(entryFile(name), '-1');
}

/** As somebody else would: a mount and an entry that are not ours. */
export function mountForeign(): Disposable {
  const mounted = isMounted();
  if (!mounted) spawnSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', BINFMT_DIRECTORY]);
  return { [Symbol.dispose]: () => (mounted ? undefined : unmount()) };
}

export function registerForeign(registration: Registration): Disposable {
  writeFileSync(entryFile('register'), formatEntry(registration));
  return { [Symbol.dispose]: () => removeEntry(registration.name) };
}

/** Whatever a test did. Whether it was necessary, `hostTables` from before tells. */
export function putBack(
  { binfmt }: HostTables,
  { entries, marks = [] }: { readonly entries: readonly string[]; readonly marks?: readonly string[] },
): void {
  for (const name of entries) removeEntry(name);
  if (binfmt === 'not mounted' && isMounted()) unmount();
  for (const path of [MOUNT_MARK, ...marks]) rmSync(path, { recursive: true, force: true });
}

const unmount = (): void => void spawnSync('umount', [BINFMT_DIRECTORY]);
