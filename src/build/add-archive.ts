/**
 * ADD of a local archive: found out by its content, unpacked into the destination. Nothing is written outside the
 * destination: names are cleaned, and a symlink that leaves it is not followed but an error.
 */
import { closeSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { Attributes } from '../layer/attributes.ts';
import { ByteQueue } from '../layer/byte-queue.ts';
import {
  baseNameOf,
  cleanBytePath,
  formatBytePath,
  joinBytePath,
  parentOf,
  ROOT,
  type BytePath,
} from '../layer/byte-path.ts';
import { decompress } from '../layer/decompress.ts';
import type { LayerWriter } from '../layer/layer-writer.ts';
import { openSource, requireSame, type SourceFile } from '../layer/source-file.ts';
import { BLOCK, decodeHeader, isZeroBlock } from '../layer/tar-format.ts';
import { readTar, type TarEntry } from '../layer/tar-reader.ts';
import { isLayerXattr } from '../layer/whiteout.ts';
import { abortableTurns } from './abortable-turns.ts';

export interface ArchiveOptions {
  /** Where in the image; its symlinks are followed. */
  readonly destination: BytePath;
  /** Of the destination and its parents when they are made. Entries keep the archive's ids. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** For messages; the file's path unless said. */
  readonly name?: string;
  /** What becomes of an entry; undefined leaves it out. */
  readonly adapt?: (entry: TarEntry) => TarEntry | undefined;
  readonly signal?: AbortSignal;
}

/**
 * False when the file is no tar archive, compressed or not: then nothing was done. Throws ADD for an archive that
 * is damaged or does not stay in the destination, CONTEXT when the file changed since it was selected, TOOL_MISSING.
 */
export async function extractArchive(
  writer: LayerWriter,
  source: SourceFile,
  options: ArchiveOptions,
): Promise<boolean> {
  const fd = openSource(source);
  try {
    const archive = await openArchive(fd);
    if (archive === undefined) return false;
    await unpack(writer, archive, { name: source.host.toString('utf8'), ...options });
    requireSame(source, fd);
    return true;
  } finally {
    closeSync(fd);
  }
}

async function unpack(
  writer: LayerWriter,
  archive: OpenArchive,
  options: ArchiveOptions & { readonly name: string },
): Promise<void> {
  try {
    const extraction = new Extraction(writer, options);
    await writer.batch(() => extraction.run(replay(archive)));
  } catch (error) {
    throw explained(error, options.name);
  } finally {
    await archive.queue.close();
  }
}

interface OpenArchive {
  readonly head: Buffer;
  readonly queue: ByteQueue;
}

/** The tar stream, or undefined when the first block is no tar header. */
async function openArchive(fd: number): Promise<OpenArchive | undefined> {
  const { data } = await decompress(chunksOf(fd));
  const queue = new ByteQueue(data);
  try {
    const head = await queue.take(BLOCK);
    if (head.length === BLOCK && !isZeroBlock(head)) {
      decodeHeader(head);
      return { head, queue };
    }
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code !== 'LAYER_INVALID') throw error;
  }
  await queue.close();
  return undefined;
}

const readAsync = promisify(read);

/** Not a ReadStream: one that is given up before its end closes the descriptor, whoever's it is by then. */
async function* chunksOf(fd: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; ;) {
    const { buffer, bytesRead } = await readAsync(fd, Buffer.allocUnsafe(CHUNK), 0, CHUNK, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const CHUNK = 1 << 20;

async function* replay({ head, queue }: OpenArchive): AsyncGenerator<Uint8Array> {
  yield head;
  for (;;) {
    const chunk = await queue.takeSome(1 << 20);
    if (chunk === undefined) return;
    yield chunk;
  }
}

class Extraction {
  readonly #writer: LayerWriter;
  readonly #top: BytePath;
  readonly #turn: () => Promise<void> | undefined;
  readonly #adapt: (entry: TarEntry) => TarEntry | undefined;
  /** Parents as the archive names them, to where they are. Valid until a symlink or a directory is made. */
  readonly #parents = new Map<BytePath, BytePath>();

  constructor(writer: LayerWriter, { destination, owner, adapt, signal }: ArchiveOptions) {
    const { path, node } = writer.tree.resolve(destination);
    if (node !== undefined && node.type !== 'directory') {
      throw new ArchBuildError(
        'ADD',
        `cannot unpack into ${formatBytePath(path)}: it is a ${node.type} in the image`,
      );
    }
    writer.ensureDirectory(path, owner);
    this.#writer = writer;
    this.#top = path;
    this.#turn = abortableTurns(signal);
    this.#adapt = adapt ?? ((entry) => entry);
  }

  async run(archive: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const each of readTar(archive, { tail: 'anything' })) {
      const entry = this.#adapt(each);
      const pending = (entry && this.#add(entry)) ?? this.#turn();
      if (pending !== undefined) await pending;
    }
  }

  #add(entry: TarEntry): Promise<void> | undefined {
    const name = cleanBytePath(entry.path);
    if (name === ROOT) {
      // the destination keeps its own attributes; some archives have a file without a name
      if (entry.type === 'directory' || entry.type === 'file') return undefined;
      throw new ArchBuildError('ADD', `the archive's root is a ${entry.type}`);
    }
    const path = this.#locate(name);
    if (entry.type === 'symlink' || entry.type === 'directory') this.#parents.clear();
    return this.#create(path, entry);
  }

  #create(path: BytePath, entry: TarEntry): Promise<void> | undefined {
    const writer = this.#writer;
    const attributes = attributesOf(entry);
    switch (entry.type) {
      case 'file':
        if (entry.content === undefined) return writer.writeStream(path, entry.body(), attributes);
        writer.writeFile(path, entry.content, attributes);
        return undefined;
      case 'directory':
        writer.makeDirectory(path, attributes);
        return undefined;
      case 'symlink':
        writer.makeSymlink(path, entry.linkPath, attributes);
        return undefined;
      case 'hardlink':
        return writer.makeHardLink(path, this.#linked(entry));
      case 'fifo':
      case 'char':
      case 'block':
        writer.makeNode(path, { type: entry.type, device: entry.device }, attributes);
        return undefined;
    }
  }

  /** Where an entry goes: its parents' symlinks followed, its own name not. */
  #locate(name: BytePath): BytePath {
    const parent = parentOf(name);
    const known = this.#parents.get(parent);
    const resolved = known ?? this.#resolveParent(parent);
    this.#parents.set(parent, resolved);
    return joinBytePath(resolved, baseNameOf(name));
  }

  #resolveParent(parent: BytePath): BytePath {
    const below = parent === ROOT ? this.#top : joinBytePath(this.#top, parent);
    const { path } = this.#writer.tree.resolve(below);
    if (this.#top === ROOT || path === this.#top || path.startsWith(`${this.#top}/`)) return path;
    throw new ArchBuildError(
      'ADD',
      `the entries below ${formatBytePath(parent)} would land in ${formatBytePath(path)}`,
      {
        hint: `a symlink leads out of the destination ${formatBytePath(this.#top)}`,
      },
    );
  }

  #linked({ path, linkPath }: TarEntry): BytePath {
    if (leavesRoot(linkPath) || cleanBytePath(linkPath) === ROOT) {
      throw new ArchBuildError(
        'ADD',
        `${shown(path)} is a hard link to ${shown(linkPath)}, outside the archive`,
      );
    }
    return this.#locate(cleanBytePath(linkPath));
  }
}

/** More `..` than names before them. */
function leavesRoot(path: string): boolean {
  let depth = 0;
  for (const name of path.split('/')) {
    if (name === '..') depth--;
    else if (name !== '' && name !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

const BILLION = 1_000_000_000n;

function attributesOf({ type, mode, uid, gid, mtimeNs, xattrs }: TarEntry): Attributes {
  const own = { mode, uid, gid, mtimeNs: mtimeNs - (((mtimeNs % BILLION) + BILLION) % BILLION) };
  if (xattrs.size === 0 || (type !== 'file' && type !== 'directory')) return own;
  return { ...own, xattrs: new Map([...xattrs].filter(([name]) => isLayerXattr(name))) };
}

const shown = (path: string): string => JSON.stringify(Buffer.from(path, 'latin1').toString('utf8'));

/** Which archive it is about; what the system refuses because of its names is the archive's fault. */
function explained(error: unknown, name: string): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const isArchiveError =
    error instanceof ArchBuildError && ['LAYER_INVALID', 'COPY', 'ADD'].includes(error.code);
  if (!isArchiveError && systemErrorCode(error) === undefined) return error;
  const hint = error instanceof ArchBuildError && error.hint !== undefined ? { hint: error.hint } : {};
  return new ArchBuildError('ADD', `cannot unpack ${name}: ${message}`, {
    ...hint,
    cause: error,
  });
}
