/**
 * What the kernel lets us do, found out by doing it in throw-away namespaces: version numbers and switches only
 * explain a refusal, they never decide. The trials are small plans for the sandbox helper, so they use the very system
 * calls of a build and need no program of the host.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { CLONE, MS, type Operation } from '../../sys/plan.ts';
import { runSandbox, SandboxRefusal } from '../../sys/sandbox.ts';
import { identityMap, isRoot, overlayNamespace, readIdMap } from '../../sys/identity.ts';
import { openTemporary } from '../../sys/temporary.ts';

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
  /** A /proc of one's own in there, as every step has it. */
  readonly proc: Trial;
  /** The other namespaces of a step: mounts, processes, ipc, host name, network. */
  readonly namespaces: Trial;
  /** An overlay as a build mounts it, with its upper directory on the store's file system. */
  readonly overlay: Trial;
}

export interface TrialOptions {
  /** The sandbox helper; undefined when it was never built. */
  readonly helper: string | undefined;
  /** An empty directory of ours. */
  readonly scratch: string;
  /** The nearest directory at the store; undefined when nothing can be written there. */
  readonly writable: string | undefined;
}

/** Alone, before anything else is known: an ordinary user's builds start with it. */
export const tryUserNamespace = (helper: string): Promise<Trial> =>
  attempt(helper, [...enterPlan(CLONE.NEWUSER | CLONE.NEWNS), INIT]);

export async function tryKernel({ scratch, writable, helper }: TrialOptions): Promise<Trials> {
  const at = (name: string): string => {
    mkdirSync(join(scratch, name));
    return join(scratch, name);
  };
  const NAMESPACES = CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWNET;
  const inside = (flags: number, inner: readonly Operation[]): Promise<Trial> =>
    attempt(helper, [...enterPlan(CLONE.NEWUSER | CLONE.NEWNS | flags), INIT, ...inner]);
  return {
    userNamespace: await inside(0, []),
    privateBinfmt: await inside(0, [mount('binfmt_misc', at('binfmt'))]),
    proc: await inside(CLONE.NEWPID, [mount('proc', at('proc'))]),
    namespaces: await inside(NAMESPACES, []),
    overlay: await tryOverlay(helper, writable),
  };
}

const INIT: Operation = { op: 'init' };

const mount = (type: string, target: string): Operation => ({
  op: 'mount',
  source: type,
  target,
  type,
  flags: 0,
  data: '',
});

/** Root maps every id there is, from outside; everybody else may map their own id, from inside. */
function enterPlan(flags: number): Operation[] {
  if (isRoot()) {
    return [
      { op: 'enter', flags, uidMap: identityMap(readIdMap('uid')), gidMap: identityMap(readIdMap('gid')) },
    ];
  }
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const write = (file: string, text: string): Operation => ({
    op: 'write',
    path: `/proc/self/${file}`,
    text,
  });
  return [
    { op: 'unshare', flags },
    write('setgroups', 'deny'),
    write('uid_map', `0 ${uid} 1`),
    write('gid_map', `0 ${gid} 1`),
  ];
}

async function tryOverlay(helper: string | undefined, writable: string | undefined): Promise<Trial> {
  if (writable === undefined) return { works: undefined, words: 'no directory at the store is writable' };
  try {
    await using scratch = openTemporary('.arch-build-trial', writable);
    for (const name of ['l', 'u', 'w', 'm']) mkdirSync(join(scratch.directory, name));
    const trial = await attempt(helper, overlayPlan(scratch.directory));
    const unseen = trial.works === true && !existsSync(join(scratch.directory, 'u', 'x'));
    return unseen
      ? { works: false, words: 'a file written through it is not in its upper directory' }
      : trial;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { works: undefined, words: `nothing can be written at the store: ${wordsFor(code)}` };
  }
}

/** With the options of a step. */
function overlayPlan(scratch: string): Operation[] {
  const own = isRoot() ? CLONE.NEWNS : CLONE.NEWUSER | CLONE.NEWNS;
  const features = overlayNamespace() === 'user' ? 'userxattr' : 'redirect_dir=off,metacopy=off,index=off';
  return [
    ...(isRoot() ? [{ op: 'unshare', flags: own } as const] : enterPlan(own)),
    { op: 'mount', source: '', target: '/', type: '', flags: MS.REC | MS.PRIVATE, data: '' },
    { op: 'chdir', path: scratch },
    {
      op: 'mount',
      source: 'overlay',
      target: 'm',
      type: 'overlay',
      flags: 0,
      data: `lowerdir=l,upperdir=u,workdir=w,${features}`,
    },
    { op: 'touch', path: 'm/x' },
    INIT,
  ];
}

/** At the end of each plan something must be started: the helper itself, which ends at once when it has no plan. */
async function attempt(helper: string | undefined, plan: readonly Operation[]): Promise<Trial> {
  if (helper === undefined) return { works: undefined, words: 'the sandbox helper is not there' };
  try {
    await runSandbox([...plan, { op: 'exec', argv: [helper] }], { onOutput: () => undefined });
    return { works: true, words: '' };
  } catch (error) {
    if (error instanceof SandboxRefusal) {
      return { works: false, words: `${error.operation?.op ?? 'plan'}: ${wordsFor(error.errno)}` };
    }
    if (error instanceof ArchBuildError) return { works: undefined, words: error.message };
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { works: undefined, words: `the sandbox helper cannot be started: ${wordsFor(code)}` };
  }
}

const WORDS: Readonly<Record<string, string>> = {
  EPERM: 'not permitted',
  EACCES: 'permission denied',
  EINVAL: 'invalid argument',
  ENODEV: 'no such file system in the kernel',
  ENOSPC: 'a limit is reached, or the disk is full',
  EUSERS: 'nested too deep',
  ENOENT: 'no such file',
  EROFS: 'read-only file system',
  ENOMEM: 'out of memory',
  EAGAIN: 'no more processes allowed',
};

const wordsFor = (code: string): string => (WORDS[code] === undefined ? code : `${WORDS[code]} (${code})`);
