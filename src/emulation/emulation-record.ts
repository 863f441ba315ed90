/** What a build's record says about emulation: which programs really ran, on which rung, and why not on a better one. */
import type { Architecture } from './architecture.ts';
import { effectiveEntry, readBinfmtState } from './binfmt-state.ts';
import type { EmulationRequest, Rung } from './emulation-request.ts';
import type { Emulator } from './emulators.ts';
import { cpuOf } from './environment.ts';
import { probeProgram } from './probe.ts';
import { sha256Of } from './shelf.ts';

export interface EmulatorRecord {
  readonly arch: string;
  /** As binfmt_misc has it where the entry is the host's: what lies there now may be another file than what runs. */
  readonly path: string | undefined;
  /** What the program that runs says of itself. */
  readonly version: string | undefined;
  /** Hex; of the file at `path`. */
  readonly sha256: string | undefined;
  /** The CPU model of the steps; undefined is qemu's own default. */
  readonly cpu: string | undefined;
  /** The host's entry, where that is what finds the emulator. */
  readonly entry?: { readonly name: string; readonly flags: string };
}

export interface EmulationRecord {
  readonly rung: Rung;
  /** The better rungs and what each lacked. */
  readonly notBetter: readonly string[];
  readonly emulators: readonly EmulatorRecord[];
  /** Machines whose emulator started native twins where steps had them; absent without any. */
  readonly accelerated?: readonly string[];
  /** Those that crashed in a step and were replaced. */
  readonly crashed: readonly EmulatorRecord[];
}

/** Of an emulator that we have chosen. */
export function recordOf(
  { arch, path, version, sha256 }: Emulator,
  architecture: Architecture,
  { cpu }: EmulationRequest,
): EmulatorRecord {
  return { arch, path, version, sha256, cpu: cpuOf(architecture, cpu) };
}

/** Of the emulator that the host's own table finds; `version` was asked of the one that ran. */
export async function recordOfEntry(
  architecture: Architecture,
  { cpu }: EmulationRequest,
  version: string | undefined,
): Promise<EmulatorRecord> {
  const program = probeProgram(architecture);
  const entry = program === undefined ? undefined : effectiveEntry(readBinfmtState(), program);
  const path = entry?.interpreter;
  const sha256 = path === undefined ? undefined : await sha256Of(path).catch(() => undefined);
  const common = { arch: architecture.arch, path, version, sha256, cpu: cpuOf(architecture, cpu) };
  return entry === undefined ? common : { ...common, entry: { name: entry.name, flags: entry.flags } };
}
