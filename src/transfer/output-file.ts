/** Streams a file into place: under its name it is whole, or what was there before; nothing else stays beside it. */
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { startReaper } from '../sys/reaper.ts';

/**
 * Mode 0666 less the umask. What is not a regular file (`/dev/stdout`, a pipe) is written directly.
 * Throws IO, and what `data` throws.
 */
export async function writeOutputFile(path: string, data: AsyncIterable<Uint8Array>): Promise<void> {
  const existing = await stat(path).catch(() => undefined);
  if (existing !== undefined && !existing.isFile()) return writeTo(path, { flags: 'w', data });
  const target = await realpath(path).catch(() => path); // a link (`/dev/stdout`) is followed, not replaced
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  await using _reaper = startReaper('rm -f -- "$1"', [resolve(temporary)]);
  try {
    await writeTo(temporary, { flags: 'wx', data });
    await orIoError(path, rename(temporary, target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeTo(
  path: string,
  { flags, data }: { flags: string; data: AsyncIterable<Uint8Array> },
): Promise<void> {
  const file: FileHandle = await orIoError(path, open(path, flags));
  try {
    for await (const chunk of data) await orIoError(path, file.writeFile(chunk)); // appends: the position moves on
  } finally {
    await file.close();
  }
}

async function orIoError<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    throw new ArchBuildError('IO', `cannot write ${path}: ${systemErrorCode(cause) ?? 'unknown reason'}`, {
      cause,
    });
  }
}
