/**
 * Undoing what the kernel does not undo when a process is killed: a shell that waits for the end of its input,
 * which comes with our death however we die, and then runs a short script.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Reaper extends AsyncDisposable {
  /** Undefined where it could not be started (no /bin/sh). */
  readonly pid: number | undefined;
}

/** `script` sees `args` as $1, $2, …. Disposing ends the reaper without running it. */
export function startReaper(script: string, args: readonly string[]): Reaper {
  const shell = spawn('/bin/sh', ['-c', `read _; ${script}`, 'arch-build-reaper', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C is not for it
    cwd: '/',
  });
  shell.on('error', () => undefined);
  shell.unref();
  return {
    pid: shell.pid,
    [Symbol.asyncDispose]: async () => {
      if (shell.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
      shell.ref();
      const exited = once(shell, 'exit');
      shell.kill('SIGKILL');
      await exited;
    },
  };
}
