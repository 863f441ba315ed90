/** Proves a rung: starts the probe program of each machine in an otherwise empty root, as a step would be started. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { CLONE, MS, type Operation } from '../sys/plan.ts';
import { runSandbox, SandboxRefusal, type Outcome } from '../sys/sandbox.ts';
import { identityMap, readIdMap } from '../sys/identity.ts';
import { bindEmulators, hasUserNamespace, supervisor, type Isolation } from '../sys/step-emulators.ts';
import { DEFAULT_CAPABILITIES } from '../sys/capabilities.ts';
import type { Architecture } from './architecture.ts';
import { PROBE_STATUS, probeProgram } from './probe.ts';

export interface ProbeOptions {
  /** An empty directory of ours. */
  readonly scratch: string;
  readonly isolation: Isolation;
  /** `NAME=value`: what an emulated step of this machine gets. */
  readonly environment: readonly string[];
  readonly signal: AbortSignal;
}

/** Undefined when the probe ran; else one sentence of why not. About 12 ms. */
export async function probeRung(
  architecture: Architecture,
  options: ProbeOptions,
): Promise<string | undefined> {
  const program = probeProgram(architecture);
  if (program === undefined) return undefined; // nothing to try with: the first step will tell
  try {
    const { outcome, output } = await startProbe(program, options);
    if (outcome.kind === 'exited' && outcome.status === PROBE_STATUS) return undefined;
    const how =
      outcome.kind === 'exited'
        ? `the probe exited with ${outcome.status}`
        : `the probe died of ${outcome.signal}`;
    const [said = ''] = output.split('\n', 1);
    return said === '' ? how : `${how}: ${said}`;
  } catch (error) {
    if (error instanceof SandboxRefusal) return explainRefusal(error);
    if (systemErrorCode(error) === undefined) throw error;
    return String(error);
  }
}

/** The version of the qemu that really runs, whatever lies at its path by now; undefined when it does not say. */
export async function askRunningVersion(
  architecture: Architecture,
  options: ProbeOptions,
): Promise<string | undefined> {
  const program = probeProgram(architecture);
  if (program === undefined) return undefined;
  const { output } = await startProbe(program, { ...options, environment: ['QEMU_VERSION=1'] });
  return /^qemu-\S+ version (\d[\w.+~-]*)/.exec(output)?.[1];
}

async function startProbe(
  program: Buffer,
  options: ProbeOptions,
): Promise<{ outcome: Outcome; output: string }> {
  stageProbe(program, options.scratch);
  let output = '';
  const outcome = await runSandbox(probePlan(options), {
    signal: options.signal,
    onOutput: (_, data) => {
      if (output.length < MAX_OUTPUT) output += data.toString('utf8');
    },
  });
  return { outcome, output };
}

/** The root that `probePlan` enters, below an empty directory of ours: the program and its mount points. */
export function stageProbe(program: Buffer, scratch: string): void {
  const root = join(scratch, 'root');
  for (const name of ROOT_DIRECTORIES) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'probe'), program);
  chmodSync(join(root, 'probe'), 0o755);
}

const MAX_OUTPUT = 4096;
/** Where a probe has its private table, its emulators and what a tracer looks at. */
const ROOT_DIRECTORIES = ['binfmt', 'dev', 'proc'];
const PROC_FLAGS = MS.NOSUID | MS.NODEV | MS.NOEXEC;

const MOUNT = { op: 'mount', source: '', type: '', flags: 0, data: '' } as const;

/** The probe is `root/probe` in the scratch directory, in a root that has `binfmt` for a private table, else `dev` and `proc`. */
export function probePlan({ scratch, isolation, environment }: ProbeOptions): Operation[] {
  const entries = isolation.kind === 'private' ? isolation.entries : [];
  const user = hasUserNamespace(isolation) ? CLONE.NEWUSER : 0;
  const namespaces = CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS | user;
  return [
    { op: 'unshare', flags: CLONE.NEWNS },
    { ...MOUNT, target: '/', flags: MS.REC | MS.PRIVATE },
    { op: 'chdir', path: scratch },
    ...bindEmulators(isolation, 'root/dev'),
    { op: 'enter', flags: namespaces, ...identityMaps() },
    { ...MOUNT, source: 'root', target: 'root', flags: MS.BIND | MS.REC },
    { ...MOUNT, source: 'proc', target: 'root/proc', type: 'proc', flags: PROC_FLAGS }, // as in every step: not everywhere is it allowed
    // Inside the new root: the table goes with its last mount.
    ...(entries.length > 0
      ? [{ ...MOUNT, source: 'binfmt_misc', target: 'root/binfmt', type: 'binfmt_misc' }]
      : []),
    ...entries.map((text): Operation => ({
      op: 'write',
      path: 'root/binfmt/register',
      text,
    })),
    { op: 'pivot', root: 'root' },
    supervisor(isolation),
    { op: 'capabilities', keep: DEFAULT_CAPABILITIES },
    { op: 'environment', variables: environment },
    { op: 'exec', argv: ['/probe'] },
  ];
}

const identityMaps = (): { uidMap: string; gidMap: string } => ({
  uidMap: identityMap(readIdMap('uid')),
  gidMap: identityMap(readIdMap('gid')),
});

/** What a refused operation says about the kernel. */
const REFUSALS: readonly (readonly [op: string, errno: string, meaning: string])[] = [
  ['enter', 'ENOSPC', 'no user namespaces are left (user.max_user_namespaces)'],
  ['enter', 'EUSERS', 'user namespaces are nested too deep'],
  ['enter', 'EPERM', 'user namespaces are forbidden here'],
  ['enter', 'EINVAL', 'the kernel has no user namespaces'],
  ['mount', 'EPERM', 'binfmt_misc cannot be mounted in a user namespace (Linux before 6.7)'],
  ['mount', 'ENODEV', 'the kernel has no binfmt_misc'],
  ['write', 'EINVAL', 'the kernel refuses the registration (F needs Linux 4.8)'],
  ['write', 'EACCES', 'the emulator is not executable, or on a noexec mount'],
  ['write', 'ENOENT', 'the emulator is gone'],
  ['trace', 'EPERM', 'tracing is forbidden here (kernel.yama.ptrace_scope, or a seccomp filter)'],
  ['trace', 'ENOSYS', 'tracing is not possible on this processor or in this container'],
  ['trace', 'ENOENT', 'the emulator is gone'],
  ['exec', 'ENOEXEC', 'no binfmt entry matches'],
  ['exec', 'ENOENT', 'the entry has no F flag and its emulator is not inside the root'],
  ['exec', 'ELOOP', 'the entry matches its own emulator'],
  ['exec', 'EACCES', 'the directory is on a noexec mount'],
];

export function explainRefusal({ operation, errno, message }: SandboxRefusal): string {
  if (operation?.op === 'mount' && operation.type === 'proc')
    return 'the kernel allows no new /proc here: something covers a part of the present one';
  const found = REFUSALS.find(([op, code]) => op === operation?.op && code === errno);
  return found?.[2] ?? message;
}
