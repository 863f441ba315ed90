/**
 * What the kernel lets us do, found out by doing it in throw-away namespaces: version numbers and switches only
 * explain a refusal, they never decide.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { runProgram } from '../../sys/run-program.ts';

/** `works` undefined: could not be tried; `words` says why, or what the kernel said. */
export interface Trial {
  readonly works: boolean | undefined;
  readonly words: string;
}

export interface Trials {
  /** A user namespace of one's own. */
  readonly userNamespace: Trial;
  /** A binfmt_misc of one's own in there (Linux 6.7). */
  readonly privateBinfmt: Trial;
  /** An overlay as a build mounts it, with its upper directory on the store's file system. */
  readonly overlay: Trial;
}

/** `storeDirectory` need not exist; the trial of the overlay uses the nearest directory above it. */
export async function tryKernel(writable: string | undefined, isRoot: boolean): Promise<Trials> {
  const userNamespace = await attempt(['-Ur', 'true']);
  const scratch = mkdtempSync(join(tmpdir(), 'arch-build-trial-'));
  try {
    const privateBinfmt = await attempt(['-Urm', 'mount', '-t', 'binfmt_misc', 'none', scratch]);
    return { userNamespace, privateBinfmt, overlay: await tryOverlay(writable, isRoot) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Root mounts it outside the step's user namespace, everybody else inside their own. */
async function tryOverlay(writable: string | undefined, isRoot: boolean): Promise<Trial> {
  if (writable === undefined) return { works: undefined, words: 'no directory at the store is writable' };
  const scratch = mkdtempSync(join(writable, '.arch-build-trial-'));
  const script =
    'cd "$1" && mkdir l u w m && mount -t overlay -o "lowerdir=l,upperdir=u,workdir=w$2" overlay m && : > m/x && test -e u/x';
  const namespaces = isRoot ? ['-m'] : ['-Urm'];
  try {
    return await attempt([...namespaces, 'sh', '-c', script, 'sh', scratch, isRoot ? '' : ',userxattr']);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const TIMEOUT_MS = 10_000;

async function attempt(args: readonly string[]): Promise<Trial> {
  try {
    const { status, stderr } = await runProgram('unshare', args, { timeoutMs: TIMEOUT_MS });
    return { works: status === 0, words: status === 0 ? '' : (stderr.trim().split('\n').at(-1) ?? '') };
  } catch (error) {
    if (error instanceof ArchBuildError) return { works: undefined, words: error.message };
    throw error;
  }
}
