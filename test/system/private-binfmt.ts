/**
 * A binfmt_misc of its own in a throw-away user and mount namespace: the table of the host is never touched.
 * Root sees it from outside through /proc/PID/root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { runProgram, type ProgramResult } from '../../src/sys/run-program.ts';

export interface PrivateBinfmt extends AsyncDisposable {
  /** Where the table is, seen from outside. */
  readonly directory: string;
  /** Runs a program inside. Name the environment: nothing is inherited. */
  run(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<ProgramResult>;
}

const MOUNT = 'mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && echo ready && read -r _';

export async function openPrivateBinfmt(): Promise<PrivateBinfmt> {
  const child = spawn('unshare', ['-Urm', 'sh', '-c', MOUNT], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const pid = String(child.pid);
  return {
    directory: `/proc/${pid}/root/proc/sys/fs/binfmt_misc`,
    run: (argv, env = {}) => {
      const enter = ['--target', pid, '--user', '--mount', '--preserve-credentials', '--', ...argv];
      return runProgram('/usr/bin/nsenter', enter, { env: { PATH: '/usr/bin:/usr/sbin', ...env } });
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await once(child, 'close');
    },
  };
}
