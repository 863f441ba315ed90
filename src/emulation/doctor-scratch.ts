/** A place where doctor may write and start its probes: at the store as a build does, else wherever that is possible. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { startReaper } from '../sys/reaper.ts';
import { mountOf, parseMountinfo, type Mount } from './facts/mounts.ts';

export interface DoctorScratch extends AsyncDisposable {
  /** Makes an empty directory that goes with the scratch. */
  readonly makeDirectory: (prefix: string) => string;
}

/** The caller disposes it; a reaper removes it when this process is killed. Throws IO where nothing can be written. */
export function openDoctorScratch(storeDirectory: string): DoctorScratch {
  const mounts = existsSync('/proc/self/mountinfo')
    ? parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    : [];
  const places = [nearest(resolve(storeDirectory)), tmpdir(), '/var/tmp', '/dev/shm', '/run'];
  const executable = places.filter((place) => !isNoexec(place, mounts));
  for (const place of [...executable, ...places]) {
    const directory = tryMake(place);
    if (directory !== undefined) return scratchAt(directory);
  }
  throw new ArchBuildError('IO', `nothing can be written in ${places.join(', ')}`, {
    hint: 'set TMPDIR to a directory of yours on a file system with room',
  });
}

function scratchAt(directory: string): DoctorScratch {
  const reaper = startReaper('rm -rf -- "$1"', [directory]);
  return {
    makeDirectory: (prefix) => mkdtempSync(join(directory, `${prefix}-`)),
    [Symbol.asyncDispose]: async () => {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
      await reaper[Symbol.asyncDispose]();
    },
  };
}

const SAMPLE = Buffer.alloc(64 * 1024, 1);

/** Undefined where there is no permission, or no room. */
function tryMake(place: string): string | undefined {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(place, '.arch-build-doctor-'));
    writeFileSync(join(directory, 'sample'), SAMPLE);
    for (const name of ['a', 'b', 'c', 'd']) writeFileSync(join(directory, name), '');
    return directory;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    return undefined;
  }
}

const isNoexec = (place: string, mounts: readonly Mount[]): boolean =>
  mountOf(place, mounts)?.options.includes('noexec') === true;

const nearest = (directory: string): string =>
  existsSync(directory) || directory === '/' ? directory : nearest(dirname(directory));
