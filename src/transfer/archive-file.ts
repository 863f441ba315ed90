/**
 * A tar file opened for reading any member at any time. What is compressed (gzip, zstd, xz, bzip2) or comes through
 * a pipe is first copied to a temporary file.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { compressionOf, decompress, LONGEST_MAGIC, type CompressionKind } from '../layer/decompress.ts';
import { indexTar, invalidTar, type TarMember } from './tar-index.ts';

export interface ArchiveFile extends AsyncDisposable {
  /** The regular file at the path, a link in the archive followed once unless `links` says no. */
  find(path: string, options?: { links: 'follow' | 'refuse' }): Extent | undefined;
  read(extent: Extent): AsyncIterable<Uint8Array>;
  /** Paths of the regular files. */
  files(): string[];
  /** The tar itself, unpacked, from its beginning. */
  stream(): AsyncIterable<Uint8Array>;
  /** Throws ARCHIVE_INVALID for an archive that two readers could take for two: names twice, links out of it. */
  requireSound(): void;
  /** A tar in the archive, readable as long as the archive is. */
  inside(extent: Extent): Promise<ArchiveFile>;
}

/** Where a member's data is. Bytes. */
export interface Extent {
  readonly offset: number;
  readonly size: number;
}

const READ_SIZE = 1 << 20;

/**
 * The caller disposes it; `temporaryDirectory` is where a compressed archive is unpacked and what comes through a pipe
 * is kept. Throws ARCHIVE_INVALID, TOOL_MISSING, and IO when the file cannot be read.
 */
export async function openArchiveFile(
  path: string,
  temporaryDirectory: string = tmpdir(),
): Promise<ArchiveFile> {
  const found = await orIoError(path, stat(path));
  if (!found.isFile() && !found.isFIFO() && !found.isSocket())
    throw new ArchBuildError('ARCHIVE_INVALID', `${path} is not a file`);
  const opened = found.isFile() ? await openPlain(path) : undefined;
  return typeof opened === 'object' ? opened : openCopy(path, temporaryDirectory);
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

/** The archive, after whose end `remove` comes; for one that is packed, with what it is. */
async function openPlain(
  path: string,
  remove: () => Promise<void> = () => Promise.resolve(),
): Promise<ArchiveFile | CompressionKind> {
  const file = await orIoError(path, open(path, 'r'));
  try {
    const kind = await compressionOfFile(file);
    if (kind === 'none') return await archiveIn(file, async () => file.close().then(remove));
    await file.close();
    return kind;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function compressionOfFile(file: FileHandle): Promise<CompressionKind> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_MAGIC), 0, LONGEST_MAGIC, 0);
  return compressionOf(buffer.subarray(0, bytesRead));
}

/** Copies the archive, unpacked, into a file that goes with the disposable. */
async function openCopy(path: string, temporaryDirectory: string): Promise<ArchiveFile> {
  const directory = await orIoError(temporaryDirectory, mkdtemp(join(temporaryDirectory, 'archive-')));
  const remove = async (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const copy = join(directory, 'archive.tar');
    await unpackTo(copy, path);
    const opened = await openPlain(copy, remove);
    if (typeof opened === 'object') return opened;
    // Once only: there are files that unpack to themselves.
    const message = `${path} is compressed twice, the second time with ${opened}`;
    throw new ArchBuildError('ARCHIVE_INVALID', message);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function unpackTo(copy: string, path: string): Promise<void> {
  const output = await open(copy, 'wx', 0o600);
  try {
    const { data } = await decompress(await readerOf(path));
    for await (const chunk of data) await output.writeFile(chunk);
  } catch (cause) {
    if (!(cause instanceof ArchBuildError)) throw cannotUnpack(path, cause);
    if (cause.code !== 'LAYER_INVALID') throw cause;
    const details = cause.hint === undefined ? {} : { hint: cause.hint };
    throw new ArchBuildError('ARCHIVE_INVALID', `${path}: ${cause.message}`, { ...details, cause });
  } finally {
    await output.close();
  }
}

const cannotUnpack = (path: string, cause: unknown): ArchBuildError =>
  new ArchBuildError('IO', `cannot unpack ${path}: ${systemErrorCode(cause) ?? 'unknown reason'}`, { cause });

/** A socket in the place of standard input cannot be opened by its name. */
async function readerOf(path: string): Promise<AsyncIterable<Buffer>> {
  if (path === '/dev/stdin' && (await stat(path)).isSocket()) return process.stdin as AsyncIterable<Buffer>;
  return createReadStream(path, { highWaterMark: READ_SIZE }) as AsyncIterable<Buffer>;
}

async function archiveIn(file: FileHandle, close: () => Promise<void>): Promise<ArchiveFile> {
  const { size } = await file.stat();
  return archiveOf(file, await indexTar(file), { whole: { offset: 0, size }, close });
}

interface Opened {
  readonly whole: Extent;
  readonly close: () => Promise<void>;
}

function archiveOf(
  file: FileHandle,
  members: ReadonlyMap<string, TarMember>,
  { whole, close }: Opened,
): ArchiveFile {
  let closed: Promise<void> | undefined;
  return {
    find: (path, { links } = { links: 'follow' }) => {
      const member = members.get(path);
      const target = member?.type === 'link' && links === 'follow' ? members.get(member.target) : member;
      if (member === undefined) return undefined;
      if (target?.type === 'file') return target;
      if (target?.type === 'doubtful') throw invalidTar(target.why);
      throw new ArchBuildError(
        'ARCHIVE_INVALID',
        `${JSON.stringify(path)} in the archive is not a regular file`,
      );
    },
    read: (extent) => readExtent(file, extent),
    files: () => [...members].flatMap(([path, { type }]) => (type === 'file' ? [path] : [])),
    stream: () => readExtent(file, whole),
    requireSound: () => {
      for (const member of members.values()) if (member.type === 'doubtful') throw invalidTar(member.why);
    },
    inside: async (extent) =>
      archiveOf(file, await indexTar(file, extent), { whole: extent, close: () => Promise.resolve() }),
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
