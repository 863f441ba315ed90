/** What is wrong around an emulator rather than with it: its mount, its permissions; and what is wrong with those of the host's entries. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { hostArchitecture } from '../architecture.ts';
import type { BinfmtState } from '../binfmt-state.ts';
import { elfObjection, readBeginning } from '../emulator-file.ts';
import { mountOf, type Mount } from './mounts.ts';
import type { PlatformFacts } from './platform-facts.ts';

export interface EmulatorPlace {
  /** The mount point of a file system mounted noexec; undefined elsewhere. */
  readonly noexec: string | undefined;
  /** By its mode bits. */
  readonly executable: boolean;
}

/** Of the emulators that were passed over, by path. */
export function emulatorPlaces(
  platforms: readonly PlatformFacts[],
  mounts: readonly Mount[],
): Map<string, EmulatorPlace> {
  const places = new Map<string, EmulatorPlace>();
  for (const { path } of platforms.flatMap(({ emulators }) => emulators.rejected)) {
    const place = placeOf(path, mounts);
    if (place !== undefined) places.set(path, place);
  }
  return places;
}

function placeOf(path: string, mounts: readonly Mount[]): EmulatorPlace | undefined {
  try {
    const mount = mountOf(realpathSync(path), mounts);
    const noexec = mount?.options.includes('noexec') === true ? mount.directory : undefined;
    return { noexec, executable: (statSync(path).mode & 0o111) !== 0 };
  } catch {
    return undefined; // it does not exist
  }
}

/** By name of the entry; only entries with an objection, which continues the sentence "INTERPRETER …". */
export async function interpreterObjections(
  { entries }: BinfmtState,
  mounts: readonly Mount[],
): Promise<Map<string, string>> {
  const objections = new Map<string, string>();
  for (const { name, interpreter, flags } of entries) {
    const objection = await objectionTo(interpreter, mounts);
    if (objection !== undefined) objections.set(name, withStale(objection, flags));
  }
  return objections;
}

/** With F the kernel goes on running the file it opened, whatever stands at the path now. */
const withStale = (objection: string, flags: string): string =>
  flags.includes('F')
    ? `${objection} (the kernel runs the file that was there when it was registered)`
    : objection;

async function objectionTo(interpreter: string, mounts: readonly Mount[]): Promise<string | undefined> {
  try {
    const objection = elfObjection(await readBeginning(interpreter), hostArchitecture());
    if (objection !== undefined) return objection;
    const place = placeOf(interpreter, mounts);
    if (place?.noexec !== undefined) return `is on ${place.noexec}, mounted noexec`;
    accessSync(interpreter, constants.X_OK);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'does not exist'
      : 'cannot be read or executed';
  }
}
