/**
 * A tar file opened for reading any member at any time. What is compressed with gzip or comes through a pipe is first
 * copied to a temporary file.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { beyondLimit, limitOf } from '../oci/limits.ts';
import { indexTar, type TarMember } from './tar-index.ts';

export interface ArchiveFile extends AsyncDisposable {
  /** The regular file at the path, a link in the archive followed once unless `links` says no. */
  find(path: string, options?: { links: 'follow' | 'refuse' }): Extent | undefined;
  read(extent: Extent): AsyncIterable<Uint8Array>;
}

/** Where a member's data is. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

const READ_SIZE = 1 << 20;

/**
 * The caller disposes it; `temporaryDirectory` is where a compressed archive is unpacked and what comes through a pipe
 * is kept. Throws ARCHIVE_INVALID, and IO when the file cannot be read.
 */
export async function openArchiveFile(
  path: string,
  temporaryDirectory: string = tmpdir(),
): Promise<ArchiveFile> {
  const found = await orIoError(path, stat(path));
  if (found.isFile()) return openRegular(path, { temporaryDirectory, mayBeCompressed: true });
  if (!found.isFIFO() && !found.isSocket())
    throw new ArchBuildError('ARCHIVE_INVALID', `${path} is not a file`);
  return openCopy(path, { temporaryDirectory, mayBeCompressed: true }, new PassThrough());
}

interface Opening {
  readonly temporaryDirectory: string;
  /** Once only: there are files that unpack to themselves. */
  readonly mayBeCompressed: boolean;
}

async function openRegular(
  path: string,
  { temporaryDirectory, mayBeCompressed }: Opening,
): Promise<ArchiveFile> {
  const file = await orIoError(path, open(path, 'r'));
  try {
    const compression = await compressionOf(file);
    if (compression === undefined) return archiveOf(file, await indexTar(file), async () => file.close());
    if (compression !== 'gzip' || !mayBeCompressed) {
      throw new ArchBuildError('ARCHIVE_INVALID', `${path} is compressed with ${compression}`, {
        hint: `unpack it first (${compression} -d)`,
      });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  const gunzip = createGunzip({ chunkSize: 256 << 10 });
  return openCopy(path, { temporaryDirectory, mayBeCompressed: false }, gunzip);
}

async function orIoError<Value>(path: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (cause) {
    throw new ArchBuildError('IO', `cannot read ${path}: ${systemErrorCode(cause) ?? 'unknown reason'}`, {
      cause,
    });
  }
}

const MAGIC: readonly (readonly [name: string, bytes: readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

async function compressionOf(file: FileHandle): Promise<string | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
  const start = buffer.subarray(0, bytesRead);
  return MAGIC.find(([, bytes]) => bytes.every((byte, index) => start[index] === byte))?.[0];
}

/** Copies the archive, through a decompressor perhaps, into a file that goes with the disposable. */
async function openCopy(path: string, opening: Opening, transform: Transform): Promise<ArchiveFile> {
  const parent = opening.temporaryDirectory;
  const directory = await orIoError(parent, mkdtemp(join(parent, 'archive-')));
  const remove = async (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const copy = join(directory, 'archive.tar');
    await copyThrough(path, copy, transform);
    const opened = await openRegular(copy, { ...opening, temporaryDirectory: directory });
    return {
      ...opened,
      [Symbol.asyncDispose]: async () => {
        await opened[Symbol.asyncDispose]();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function copyThrough(from: string, to: string, transform: Transform): Promise<void> {
  const limit =
    transform instanceof PassThrough
      ? Infinity
      : Math.max(limitOf('expansion-free'), (await stat(from)).size * limitOf('expansion-ratio'));
  const output = await open(to, 'wx', 0o600);
  const input = createReadStream(from, { highWaterMark: READ_SIZE });
  input.on('error', (error) => transform.destroy(error)).pipe(transform);
  try {
    let size = 0;
    for await (const chunk of transform) {
      size += (chunk as Buffer).length;
      if (size > limit)
        throw beyondLimit(
          'ARCHIVE_INVALID',
          'expansion-ratio',
          `${from} unpacks to more than ${limit} bytes`,
        );
      await output.writeFile(chunk as Buffer);
    }
  } catch (cause) {
    if (cause instanceof ArchBuildError) throw cause;
    const code = systemErrorCode(cause) ?? 'unknown reason';
    if (code.startsWith('Z_'))
      throw new ArchBuildError('ARCHIVE_INVALID', `${from} is damaged: ${code}`, { cause });
    throw new ArchBuildError('IO', `cannot unpack ${from}: ${code}`, { cause });
  } finally {
    input.destroy();
    await output.close();
  }
}

function archiveOf(
  file: FileHandle,
  members: ReadonlyMap<string, TarMember>,
  close: () => Promise<void>,
): ArchiveFile {
  let closed: Promise<void> | undefined;
  return {
    find: (path, { links } = { links: 'follow' }) => {
      const member = members.get(path);
      const target = member?.type === 'link' && links === 'follow' ? members.get(member.target) : member;
      if (member === undefined) return undefined;
      if (target?.type === 'file') return target;
      throw new ArchBuildError(
        'ARCHIVE_INVALID',
        `${JSON.stringify(path)} in the archive is not a regular file`,
      );
    },
    read: (extent) => readExtent(file, extent),
    [Symbol.asyncDispose]: async () => (closed ??= close()),
  };
}

async function* readExtent(
  file: FileHandle,
  { offset, size }: Extent,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let done = 0; done < size;) {
    const length = Math.min(READ_SIZE, size - done);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset + done);
    if (bytesRead === 0)
      throw new ArchBuildError('ARCHIVE_INVALID', 'the archive became shorter while it was read');
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}
