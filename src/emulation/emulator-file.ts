/**
 * Is a file an emulator we can use? It must be a static ELF program for this host (it is opened once and then runs
 * inside any rootfs), executable where it lies, and emulate what its name promises.
 */
import { createHash } from 'node:crypto';
import { access, constants, open, readFile, stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { runProgram } from '../sys/run-program.ts';
import { architectureByName, type Architecture } from './architecture.ts';
import { architectureOfElf, inspectElf, type ElfFacts } from './elf.ts';
import type { EmulatorIdentity, EmulatorMemory } from './emulator-memory.ts';

export type EmulatorCheck =
  | { readonly kind: 'usable'; readonly identity: EmulatorIdentity }
  /** A fine emulator, of another machine. */
  | { readonly kind: 'other'; readonly identity: EmulatorIdentity }
  | { readonly kind: 'unusable'; readonly why: string };

export interface CheckOptions {
  readonly host: Architecture;
  readonly memory: EmulatorMemory;
}

/** Never throws because of what the file is. `why` continues the sentence "PATH …". */
export async function checkEmulator(
  path: string,
  architecture: Architecture,
  options: CheckOptions,
): Promise<EmulatorCheck> {
  try {
    const result = await identifyEmulator(path, options);
    if (typeof result === 'string') return { kind: 'unusable', why: result };
    return { kind: result.target === architecture.emulator ? 'usable' : 'other', identity: result };
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return { kind: 'unusable', why: REASONS[code] ?? `cannot be read: ${code}` };
  }
}

/** Why the file is not the emulator that was looked for; continues the sentence "PATH …". */
export function objection(check: Exclude<EmulatorCheck, { kind: 'usable' }>): string {
  return check.kind === 'other' ? `emulates ${check.identity.target}` : check.why;
}

/** Why a program of this shape cannot be an interpreter for steps; undefined when it can. */
export function elfObjection(beginning: Uint8Array, host: Architecture): string | undefined {
  const facts = inspectElf(beginning);
  if (facts === undefined) return notElf(beginning);
  const built = architectureOfElf(facts);
  if (built?.arch !== host.arch)
    return `is a program for ${built?.arch ?? `machine ${facts.machine}`}, not for ${host.arch}`;
  return linkingObjection(facts);
}

/** The beginning of a file, as much as its headers may need. */
export async function readBeginning(path: string): Promise<Buffer> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

const HEADER_BYTES = 65_536;
const VERSION_TIMEOUT_MS = 10_000;
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'is not executable, or lies on a file system mounted noexec',
};

/**
 * What the file is, or why it cannot be an emulator. Throws Node's system errors for what cannot be read, or is not
 * executable.
 */
export async function identifyEmulator(
  path: string,
  { host, memory }: CheckOptions,
): Promise<EmulatorIdentity | string> {
  const stats = await stat(path, { bigint: true });
  if (!stats.isFile()) return 'is not a regular file';
  const unfit = elfObjection(await readBeginning(path), host);
  if (unfit !== undefined) return unfit;
  await access(path, constants.X_OK);
  const known = memory.recall(path, stats);
  if (known !== undefined) return known;
  const named = await askVersion(path);
  if (typeof named === 'string') return named;
  const identity = { ...named, ...(await digest(path, stats)) };
  memory.remember(path, stats, identity);
  return identity;
}

async function digest(path: string, stats: BigIntStats): Promise<{ sha256: string; sizeBytes: number }> {
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  return { sha256, sizeBytes: Number(stats.size) };
}

/** `qemu-aarch64 version 7.2.22 (Debian …)`; the version becomes a folder's name. Our own QEMU_* variables must not reach it: the environment is empty. */
async function askVersion(path: string): Promise<Pick<EmulatorIdentity, 'target' | 'version'> | string> {
  const { status, stdout } = await runProgram(path, ['--version'], {
    env: {},
    timeoutMs: VERSION_TIMEOUT_MS,
  });
  const words = /^qemu-(?<target>\S+) version (?<version>\d[\w.+~-]{0,63})(?=\s)/.exec(stdout)?.groups;
  if (status !== 0 || words === undefined)
    return `does not say that it is a qemu program (--version: exit status ${status})`;
  const target = words['target'] ?? '';
  return { target: architectureByName(target)?.arch ?? target, version: words['version'] ?? '' };
}

function linkingObjection({ linking, interpreter }: ElfFacts): string | undefined {
  if (linking === 'static') return undefined;
  if (linking === 'unknown') return 'has program headers that make no sense';
  return `is dynamically linked (needs ${interpreter ?? 'a loader'}), so it cannot run inside another rootfs`;
}

function notElf(beginning: Uint8Array): string {
  const script = Buffer.from(beginning.subarray(0, 2)).toString('latin1') === '#!';
  return script ? 'is a script, which the kernel does not accept as an emulator' : 'is not an ELF program';
}
