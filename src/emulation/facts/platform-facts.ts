/** What is known about one platform on this host: native or not, its emulators, whether the best one really runs. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { runProgram } from '../../sys/run-program.ts';
import { architectureOf, type Architecture } from '../architecture.ts';
import { inspectElf } from '../elf.ts';
import { readBeginning } from '../emulator-file.ts';
import { lookUpEmulators, type Lookup, type LookupOptions } from '../emulators.ts';
import { runsOnHost } from '../host.ts';
import { PROBE_STATUS, probeProgram } from '../probe.ts';
import { findToolbox, type Toolbox } from '../toolbox.ts';

export interface PlatformFacts {
  readonly platform: string;
  readonly architecture: Architecture | undefined;
  /** The user asked for it; otherwise it is only one of those worth telling about. */
  readonly asked: boolean;
  readonly native: boolean;
  readonly emulators: Lookup;
  /** Of the best emulator, when there is one and the machine has a probe. */
  readonly trial: EmulatorTrial | undefined;
  /** Undefined where there is none, text where there is one that cannot be used. */
  readonly toolbox: Toolbox | string | undefined;
}

export interface EmulatorTrial {
  readonly works: boolean;
  /** What happened instead. */
  readonly words: string;
  /** Median time to start and end one small program, milliseconds. */
  readonly milliseconds: number;
  /** Loaded at any address; others crash now and then where the kernel randomises the heap. */
  readonly positionIndependent: boolean;
}

export interface PlatformQuestion extends LookupOptions {
  readonly storeDirectory: string;
  readonly asked: boolean;
  readonly makeDirectory: (prefix: string) => string;
}

export async function platformFacts(platform: Platform, question: PlatformQuestion): Promise<PlatformFacts> {
  const architecture = architectureOf(platform);
  const native = await runsOnHost(platform);
  const none = { usable: [], rejected: [] };
  const emulators =
    architecture === undefined || native ? none : await lookUpEmulators(architecture, question);
  const best = emulators.usable[0];
  const trial =
    architecture === undefined || best === undefined
      ? undefined
      : await tryEmulator(best.path, architecture, question.makeDirectory('emulator'));
  return {
    platform: formatPlatform(platform),
    architecture,
    asked: question.asked,
    native,
    emulators,
    trial,
    toolbox: architecture === undefined ? undefined : await toolboxOf(architecture, question),
  };
}

async function toolboxOf(
  architecture: Architecture,
  question: PlatformQuestion,
): Promise<PlatformFacts['toolbox']> {
  try {
    return await findToolbox(architecture, question);
  } catch (error) {
    if (error instanceof ArchBuildError) return error.message;
    throw error;
  }
}

const ROUNDS = 5;
const TIMEOUT_MS = 10_000;

/** Starts the probe under the emulator, directly: no binfmt entry is involved. */
async function tryEmulator(
  emulator: string,
  architecture: Architecture,
  directory: string,
): Promise<EmulatorTrial | undefined> {
  const program = probeProgram(architecture);
  if (program === undefined) return undefined;
  const path = join(directory, 'probe');
  writeFileSync(path, program);
  chmodSync(path, 0o755);
  const times: number[] = [];
  let words = '';
  for (let round = 0; round < ROUNDS && words === ''; round++) {
    const start = performance.now();
    words = await oneRound(emulator, path);
    times.push(performance.now() - start);
  }
  const positionIndependent = inspectElf(await readBeginning(emulator))?.positionIndependent ?? false;
  return { works: words === '', words, milliseconds: median(times), positionIndependent };
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Empty when it worked. */
async function oneRound(emulator: string, program: string): Promise<string> {
  try {
    const { status, stderr } = await runProgram(emulator, [program], { env: {}, timeoutMs: TIMEOUT_MS });
    if (status === PROBE_STATUS) return '';
    return `exit status ${status} instead of ${PROBE_STATUS} ${stderr.trim()}`.trim();
  } catch (error) {
    if (error instanceof ArchBuildError) return error.message;
    throw error;
  }
}
