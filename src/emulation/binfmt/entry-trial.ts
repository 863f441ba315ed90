/** What the host's table really does with a machine's programs: one is started, by a process of its own. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../../errors.ts';
import { isRoot } from '../../sys/identity.ts';
import { runProgram } from '../../sys/run-program.ts';
import { openTemporary } from '../../sys/temporary.ts';
import type { Architecture } from '../architecture.ts';
import { PROBE_STATUS, probeProgram } from '../probe.ts';
import { probeRung } from '../rung-probe.ts';

export interface EntryTrial {
  /** Of the qemu that ran it, whatever its file is by now; undefined when it is none, or none ran. */
  readonly version: string | undefined;
  /** Why the program did not run; undefined when it did. */
  readonly failure: string | undefined;
  /** Why it did not run in an empty root, as a step has it; undefined when it did, or as an ordinary user. */
  readonly rootFailure: string | undefined;
}

/** Only for a machine that some entry is in force for. Undefined when there is no program to try with. */
export async function tryEntry(architecture: Architecture): Promise<EntryTrial | undefined> {
  const program = probeProgram(architecture);
  if (program === undefined) return undefined;
  await using temporary = openTemporary('arch-build-trial');
  const { directory } = temporary;
  const path = join(directory, 'probe');
  writeFileSync(path, program);
  chmodSync(path, 0o755);
  const version = await askVersion(path);
  const failure = await failureOf(path);
  return { version, failure, rootFailure: await failureInRoot(architecture, directory) };
}

const TIMEOUT_MS = 10_000;

/** With QEMU_VERSION qemu says its version instead of running the program. */
async function askVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await runProgram(path, [], { env: { QEMU_VERSION: '1' }, timeoutMs: TIMEOUT_MS });
    return /^qemu-\S+ version (?<version>\d[\w.+~-]*)/.exec(stdout)?.groups?.['version'];
  } catch (error) {
    if (error instanceof ArchBuildError) return undefined;
    throw error;
  }
}

async function failureOf(path: string): Promise<string | undefined> {
  try {
    const { status } = await runProgram(path, [], { env: {}, timeoutMs: TIMEOUT_MS });
    return status === PROBE_STATUS ? undefined : `the probe exited with ${status}`;
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    return error.code === 'TOOL_MISSING'
      ? 'the emulator, or a loader it needs, does not exist'
      : error.message;
  }
}

async function failureInRoot(architecture: Architecture, scratch: string): Promise<string | undefined> {
  if (!isRoot()) return undefined;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await probeRung(architecture, { scratch, isolation: { kind: 'host' }, environment: [], signal });
  } catch (error) {
    if (signal.aborted) return 'the probe did not end';
    if (error instanceof ArchBuildError) return error.message;
    throw error;
  }
}
