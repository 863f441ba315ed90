/**
 * What the kernel lets us do, found out by doing it in throw-away namespaces: version numbers and switches only
 * explain a refusal, they never decide. The trials are small plans for the sandbox helper, so they use the very system
 * calls of a build and need no program of the host.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../../errors.ts';
import { CLONE, MS, type Operation } from '../../sys/plan.ts';
import { runSandbox, SandboxRefusal } from '../../sys/sandbox.ts';
import { IDENTITY_MAP } from '../../sys/step-plan.ts';

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
  readonly uid: number;
  readonly gid: number;
}

export async function tryKernel({ scratch, writable, ...who }: TrialOptions): Promise<Trials> {
  const at = (name: string): string => {
    mkdirSync(join(scratch, name));
    return join(scratch, name);
  };
  const NAMESPACES = CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | CLONE.NEWNET;
  const inside = (flags: number, inner: readonly Operation[]): Promise<Trial> =>
    attempt(who, [...enterPlan(who, CLONE.NEWUSER | CLONE.NEWNS | flags), INIT, ...inner]);
  return {
    userNamespace: await inside(0, []),
    privateBinfmt: await inside(0, [mount('binfmt_misc', at('binfmt'))]),
    proc: await inside(CLONE.NEWPID, [mount('proc', at('proc'))]),
    namespaces: await inside(NAMESPACES, []),
    overlay: await tryOverlay(who, writable),
  };
}

type Who = Pick<TrialOptions, 'helper' | 'uid' | 'gid'>;

const INIT: Operation = { op: 'init' };

const mount = (type: string, target: string): Operation => ({
  op: 'mount',
  source: type,
  target,
  type,
  flags: 0,
  data: '',
});

/** Root maps every id, from outside; everybody may map their own id, from inside. */
function enterPlan({ uid, gid }: Who, flags: number): Operation[] {
  if (uid === 0) return [{ op: 'enter', flags, uidMap: IDENTITY_MAP, gidMap: IDENTITY_MAP }];
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

/** Root mounts it outside the step's user namespace, everybody else inside their own. */
async function tryOverlay(who: Who, writable: string | undefined): Promise<Trial> {
  if (writable === undefined) return { works: undefined, words: 'no directory at the store is writable' };
  try {
    const scratch = mkdtempSync(join(writable, '.arch-build-trial-'));
    try {
      for (const name of ['l', 'u', 'w', 'm']) mkdirSync(join(scratch, name));
      const trial = await attempt(who, overlayPlan(who, scratch));
      const unseen = trial.works === true && !existsSync(join(scratch, 'u', 'x'));
      return unseen
        ? { works: false, words: 'a file written through it is not in its upper directory' }
        : trial;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { works: undefined, words: `nothing can be written at the store: ${wordsFor(code)}` };
  }
}

function overlayPlan(who: Who, scratch: string): Operation[] {
  const enter: Operation[] =
    who.uid === 0 ? [{ op: 'unshare', flags: CLONE.NEWNS }] : enterPlan(who, CLONE.NEWUSER | CLONE.NEWNS);
  const attributes = who.uid === 0 ? '' : ',userxattr';
  return [
    ...enter,
    { op: 'mount', source: '', target: '/', type: '', flags: MS.REC | MS.PRIVATE, data: '' },
    { op: 'chdir', path: scratch },
    { ...mount('overlay', 'm'), data: `lowerdir=l,upperdir=u,workdir=w${attributes}` } as Operation,
    { op: 'touch', path: 'm/x' },
    INIT,
  ];
}

/** At the end of each plan something must be started: the helper itself, which ends at once when it has no plan. */
async function attempt({ helper }: Who, plan: readonly Operation[]): Promise<Trial> {
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
