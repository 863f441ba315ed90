/**
 * A snapshot to its layer tar: a pure function of the directory, so that the bytes need not be kept.
 *
 * Small files are read synchronously, straight into the block that is handed out: a promise for each would cost
 * more than the file. Large ones are read ahead while the consumer works on the last chunk.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, read, readlinkSync, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { DiffId } from '../oci/digest.ts';
import { decodeDevice } from '../sys/special-file.ts';
import type { PackedFiles } from '../sys/packed-files.ts';
import { formatBytePath, joinBytePath, parentOf, baseNameOf, type BytePath } from './byte-path.ts';
import { BlockBuffer } from './block-buffer.ts';
import { eventLoopTurns } from './event-loop.ts';
import { BLOCK, paddingOf } from './tar-format.ts';
import { encodeEntry, type EntryHeader } from './tar-writer.ts';
import { walkSnapshot, type SingleNode, type SnapshotNode } from './walk-snapshot.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts';

export interface LayerOptions {
  /** The root directory's own mode, owner and times are part of the layer (an entry `./`). */
  readonly includeRoot?: boolean;
}

export interface HashedLayer {
  readonly diffId: DiffId;
  /** Of the tar, bytes. */
  readonly size: number;
  readonly entries: number;
}

/**
 * The tar in blocks of at most 1 MiB, which belong to the consumer; returns the number of entries. Throws IO, and
 * LAYER_INVALID for what no layer can hold.
 */
export async function* readLayer(
  directory: string,
  options: LayerOptions = {},
): AsyncGenerator<Buffer, number> {
  try {
    return yield* layerBlocks(directory, options);
  } catch (error) {
    if (error instanceof ArchBuildError || systemErrorCode(error) === undefined) throw error;
    const reason = error instanceof Error ? error.message : '';
    throw new ArchBuildError('IO', `cannot read the layer in ${directory}: ${reason}`, { cause: error });
  }
}

/** What `readLayer` yields, hashed in one pass. */
export async function hashLayer(directory: string, options: LayerOptions = {}): Promise<HashedLayer> {
  const hash = createHash('sha256');
  const blocks = readLayer(directory, options);
  let size = 0;
  for (;;) {
    const next = await blocks.next();
    if (next.done === true) {
      return { diffId: `sha256:${hash.digest('hex')}` as DiffId, size, entries: next.value };
    }
    hash.update(next.value);
    size += next.value.length;
  }
}

const CHUNK = 1 << 20;
/** Files up to this size are read without leaving the thread. */
const SMALL = CHUNK;

/** One entry of a tar, and its content: bytes, or the host file that has them. */
export interface TarItem {
  readonly header: EntryHeader;
  readonly source?: TarSource | Buffer;
}

/** Entries of many files, made by whoever has them. */
export interface TarFiles {
  readonly files: Pick<PackedFiles, 'pack' | 'isFull'>;
}

type TarSource = Pick<Extract<SnapshotNode, { kind: 'entry' }>, 'host' | 'path'>;

/** What is said of a file that has another size than its header. */
type Changed = (source: TarSource) => ArchBuildError;

function layerBlocks(
  directory: string,
  { includeRoot = false }: LayerOptions,
): AsyncGenerator<Buffer, number> {
  return tarBlocks(layerItems(directory, includeRoot));
}

function* layerItems(directory: string, includeRoot: boolean): Generator<TarItem | TarFiles> {
  const firstNames: FirstNames = new Map();
  for (const node of walkSnapshot(directory)) {
    if (node.kind === 'files') {
      yield node;
      continue;
    }
    if (node.path === '' && node.kind === 'entry' && !includeRoot) continue;
    yield { header: headerOf(node, firstNames), ...(node.kind === 'entry' && { source: node }) };
  }
}

/** A whole tar in blocks of at most 1 MiB; returns the number of entries. */
export async function* tarBlocks(
  items: Iterable<TarItem | TarFiles>,
  changed: Changed = changedLayer,
): AsyncGenerator<Buffer, number> {
  const output = new BlockBuffer(CHUNK);
  let entries = 0;
  const turn = eventLoopTurns();
  for (const item of items) {
    if ('files' in item) {
      entries += appendFiles(output, item.files);
    } else {
      entries++;
      const { header, source } = item;
      output.append(encodeEntry(header));
      if (header.size > SMALL && source !== undefined && !Buffer.isBuffer(source)) {
        yield* output.drain();
        yield* largeFile(source, { size: header.size, changed });
      } else if (header.size > 0 && source !== undefined) {
        if (Buffer.isBuffer(source)) output.append(source);
        else appendSmallFile(output, source, { size: header.size, changed });
      }
      if (source !== undefined) output.appendZeros(paddingOf(header.size));
    }
    yield* output.full();
    const due = turn();
    if (due !== undefined) await due;
  }
  output.appendZeros(2 * BLOCK);
  yield* output.drain();
  return entries;
}

function appendFiles(output: BlockBuffer, files: TarFiles['files']): number {
  let entries = 0;
  output.offer((room) => {
    const packed = files.pack(room);
    entries = packed.entries;
    return packed.size;
  });
  if (files.isFull) output.cut();
  return entries;
}

/** By inode: what further names of it are links to. */
export type FirstNames = Map<bigint, BytePath>;

export function headerOf(node: SingleNode, firstNames: FirstNames): EntryHeader {
  if (node.kind === 'whiteout')
    return markHeader(parentOf(node.path), WHITEOUT_PREFIX + baseNameOf(node.path));
  if (node.kind === 'opaque') return markHeader(node.path, OPAQUE_NAME);
  const { path, host, stats, xattrs, device } = node;
  const common = {
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: 0,
    mtime: secondsOf(stats.mtimeNs),
  };
  if (stats.isDirectory())
    return { ...common, path: path === '' ? './' : `${path}/`, type: 'directory', xattrs };
  if (stats.nlink > 1n) {
    const first = firstNames.get(stats.ino);
    if (first !== undefined) return { ...common, path, type: 'hardlink', linkPath: first };
    firstNames.set(stats.ino, path);
  }
  if (device !== undefined) return { ...common, path, ...device };
  if (stats.isFile()) return { ...common, path, type: 'file', size: Number(stats.size), xattrs };
  if (stats.isSymbolicLink()) {
    return { ...common, path, type: 'symlink', linkPath: readlinkSync(host, { encoding: 'latin1' }) };
  }
  if (stats.isFIFO()) return { ...common, path, type: 'fifo' };
  return {
    ...common,
    path,
    type: stats.isBlockDevice() ? 'block' : 'char',
    device: decodeDevice(stats.rdev),
  };
}

const markHeader = (directory: BytePath, name: string): EntryHeader => ({
  path: joinBytePath(directory, name),
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
});

/** Rounded down, before 1970 too. */
function secondsOf(nanoseconds: bigint): number {
  const seconds = nanoseconds / 1_000_000_000n;
  return Number(nanoseconds < 0n && nanoseconds % 1_000_000_000n !== 0n ? seconds - 1n : seconds);
}

const openFile = (host: Buffer): number => openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW);

interface Reading {
  readonly size: number;
  readonly changed: Changed;
}

function appendSmallFile(output: BlockBuffer, source: TarSource, { size, changed }: Reading): void {
  const descriptor = openFile(source.host);
  try {
    output.fill(size, (piece) => {
      if (readSync(descriptor, piece) !== piece.length) throw changed(source);
    });
  } finally {
    closeSync(descriptor);
  }
}

const readAsync = promisify(read);

async function* largeFile(source: TarSource, { size, changed }: Reading): AsyncGenerator<Buffer> {
  const descriptor = openFile(source.host);
  const readAt = async (position: number): Promise<Buffer> => {
    const length = Math.min(CHUNK, size - position);
    const buffer = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await readAsync(descriptor, buffer, 0, length, position);
    if (bytesRead !== length) throw changed(source);
    return buffer;
  };
  let ahead: Promise<Buffer> | undefined;
  try {
    ahead = readAt(0);
    for (let position = CHUNK; ahead !== undefined; position += CHUNK) {
      const chunk: Buffer = await ahead;
      ahead = position < size ? readAt(position) : undefined;
      ahead?.catch(() => undefined); // reported when it is awaited; a consumer that stops must not crash the process
      yield chunk;
    }
  } finally {
    await ahead?.catch(() => undefined);
    closeSync(descriptor);
  }
}

const changedLayer: Changed = ({ path }) =>
  new ArchBuildError('IO', `${formatBytePath(path)} changed while its layer was written`);
