/**
 * A machine that has nothing but a root file system: pivoted into, in a network namespace where not even the loopback
 * interface is up. Whatever works there needs no Node, no library of ours and no network.
 */
import { mkdir } from 'node:fs/promises';
import { runTool } from './foreign-tools.ts';

const ENTER = `set -e
mount --bind "$1" "$1"
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
cd "$1"
mkdir -p .before
pivot_root . .before
umount -l .before
shift
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"`;

const NAMESPACES = ['--net', '--mount', '--propagation', 'private'];

export interface BareHost {
  /** Its root directory, seen from here. */
  readonly root: string;
  /** A script of its own shell, with the words as $1, $2…; what it prints. Throws unless it ends with 0. */
  run(script: string, ...words: string[]): Promise<string>;
}

/** Unpacks the tar of a root file system for this machine into `root`, which the caller removes. */
export async function openBareHost(rootfs: string, root: string): Promise<BareHost> {
  await mkdir(root);
  await runTool('tar', ['-xf', rootfs, '-C', root]);
  return {
    root,
    run: (script, ...words) =>
      runTool('unshare', [
        ...NAMESPACES,
        'sh',
        '-c',
        ENTER,
        'sh',
        root,
        '/bin/sh',
        '-ec',
        script,
        'sh',
        ...words,
      ]),
  };
}
