/** A place where doctor may write and start its probes: at the store as a build does, else wherever that is possible. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { openTemporary, type Temporary } from '../sys/temporary.ts';
import { mountOf, parseMountinfo, type Mount } from './facts/mounts.ts';

export interface DoctorScratch extends AsyncDisposable {
  /** Makes an empty directory that goes with the scratch. */
  readonly makeDirectory: (prefix: string) => string;
}

/** The caller disposes it; a reaper removes it when this process is killed. Throws IO where nothing can be written. */
export async function openDoctorScratch(storeDirectory: string): Promise<DoctorScratch> {
  const mounts = existsSync('/proc/self/mountinfo')
    ? parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    : [];
  const places = [nearest(resolve(storeDirectory)), tmpdir(), '/var/tmp', '/dev/shm', '/run'];
  const executable = places.filter((place) => !isNoexec(place, mounts));
  for (const place of [...executable, ...places]) {
    const temporary = await tryOpen(place);
    if (temporary !== undefined) return scratchIn(temporary);
  }
  throw new ArchBuildError('IO', `nothing can be written in ${places.join(', ')}`, {
    hint: 'set TMPDIR to a directory of yours on a file system with room',
  });
}

const scratchIn = (temporary: Temporary): DoctorScratch => ({
  makeDirectory: (prefix) => mkdtempSync(join(temporary.directory, `${prefix}-`)),
  [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose](),
});

const SAMPLE = Buffer.alloc(64 * 1024, 1);

/** Undefined where there is no permission, or no room. */
async function tryOpen(place: string): Promise<Temporary | undefined> {
  let temporary: Temporary | undefined;
  try {
    temporary = openTemporary('.arch-build-doctor', place);
    writeFileSync(join(temporary.directory, 'sample'), SAMPLE);
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(temporary.directory, name), '');
    return temporary;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    await temporary?.[Symbol.asyncDispose]();
    return undefined;
  }
}

const isNoexec = (place: string, mounts: readonly Mount[]): boolean =>
  mountOf(place, mounts)?.options.includes('noexec') === true;

const nearest = (directory: string): string =>
  existsSync(directory) || directory === '/' ? directory : nearest(dirname(directory));
