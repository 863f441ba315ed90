/** What a step reads from the rootfs it runs in, without mounting it. */
import { toBytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import type { Accounts } from './user-lookup.ts';

/** Larger account files are no account files (they would only exhaust our memory). */
const ACCOUNT_LIMIT = 10 << 20;

export function readAccounts(rootfs: MergedTree): Accounts {
  return { passwd: readText(rootfs, '/etc/passwd'), group: readText(rootfs, '/etc/group') };
}

/** Empty when there is no such file; anything but a regular file of sensible size is an error. */
function readText(rootfs: MergedTree, path: string): string {
  const { path: resolved, node } = rootfs.resolve(toBytePath(path));
  return node === undefined ? '' : rootfs.readFile(resolved, ACCOUNT_LIMIT).toString('utf8');
}
