/**
 * Reads any tar that layers and archives come in: v7, ustar, PAX with global headers, GNU long names, base-256
 * numbers, sparse files of all four kinds (their holes become zeros).
 *
 * The archive is hostile: everything wrong is LAYER_INVALID, and memory does not grow with what it claims.
 */
import type { Device } from '../sys/special-file.ts';
import { limitOf } from '../oci/limits.ts';
import { ByteQueue } from './byte-queue.ts';
import { EntryBody } from './entry-body.ts';
import { decodePax, parsePaxNumber, parsePaxTime, xattrNameOf, type PaxRecord } from './pax.ts';
import { checkSparse, paxSparseOf, readBodyMap, readGnuSparse, type SparseMap } from './sparse.ts';
import {
  beyondLayerLimit,
  BLOCK,
  decodeHeader,
  ENTRY_TYPES,
  invalidLayer,
  isZeroBlock,
  MAX_OCTAL_11,
  ownersOfHeader,
  paddingOf,
  type EntryType,
  type RawHeader,
} from './tar-format.ts';

export interface TarEntry {
  /** As in the archive, one char per byte: may be absolute, may hold `..`, may end with a slash. */
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the content; 0 for everything but files. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Target of a symlink or hard link, one char per byte. */
  readonly linkPath: string;
  readonly device: Device;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** Names of the owners, empty where there are none. */
  owners(): { readonly user: string; readonly group: string };
  /** The whole content when the file is small: no promise is needed for it. */
  readonly content: Buffer | undefined;
  /** Once, and before the next entry is asked for; what is not read is skipped. */
  body(): AsyncIterable<Buffer>;
}

export interface TarOptions {
  /** What may be behind the end mark: zeros unless said. An archive of a user's may have anything there, as with tar. */
  readonly tail?: 'zeros' | 'anything';
}

/** Consumes the input to its end. Throws LAYER_INVALID, also for what is beyond a limit (oci/limits.ts). */
export async function* readTar(
  input: AsyncIterable<Uint8Array>,
  { tail = 'zeros' }: TarOptions = {},
): AsyncGenerator<TarEntry, undefined> {
  const queue = new ByteQueue(input);
  const globals = new Map<string, string>();
  const [maxEntries, maxBytes] = [limitOf('layer-entries'), limitOf('layer-bytes')];
  let total = 0;
  let extensions: Extensions = {};
  try {
    for (let count = 1; ; count++) {
      const block = queue.tryTake(BLOCK) ?? (await queue.take(BLOCK));
      if (block.length === 0 || isZeroBlock(block)) break;
      if (block.length < BLOCK) throw truncated();
      if (count > maxEntries) throw beyondLayerLimit('layer-entries', `more than ${maxEntries} entries`);
      const header = decodeHeader(block);
      const extension = await readExtension(queue, header, globals);
      if (extension !== undefined) {
        extensions = { ...extensions, ...extension };
        continue;
      }
      const entry = await readEntry(queue, { block, header, extensions, globals });
      extensions = {};
      total += entry.size;
      if (total > maxBytes) throw beyondLayerLimit('layer-bytes', `more than ${maxBytes} bytes of content`);
      yield entry;
      if (!entry.stored.isRead) await entry.stored.skip();
    }
    if (Object.keys(extensions).length > 0) throw invalidLayer('an extension header without its entry');
    await readTail(queue, tail);
  } finally {
    await queue.close();
  }
}

const truncated = (): Error => invalidLayer('the archive ends in the middle of an entry');

/** Headers that say something about the next one. */
interface Extensions {
  readonly longName?: string;
  readonly longLink?: string;
  readonly pax?: readonly PaxRecord[];
}

/** Undefined when the header is an entry's. */
async function readExtension(
  queue: ByteQueue,
  { typeFlag, size }: RawHeader,
  globals: Map<string, string>,
): Promise<Extensions | undefined> {
  if (!EXTENSION_FLAGS.has(typeFlag)) return undefined;
  if (size > limitOf('header-bytes'))
    throw beyondLayerLimit('header-bytes', 'an extension header is too large');
  const padded = await takeAll(queue, size + paddingOf(size));
  const data = padded.subarray(0, size);
  if (typeFlag === 'x' || typeFlag === 'X') return { pax: decodePax(data) };
  if (typeFlag === 'L') return { longName: untilNul(data) };
  if (typeFlag === 'K') return { longLink: untilNul(data) };
  if (typeFlag === 'g') setGlobals(globals, decodePax(data));
  return {};
}

/** `V` is a volume label of GNU tar, which means nothing here; `X` is Solaris' name for `x`. */
const EXTENSION_FLAGS = new Set(['x', 'X', 'g', 'L', 'K', 'V']);

/** Every entry pays for them, so they must stay few and small: git writes one. */
function setGlobals(globals: Map<string, string>, records: readonly PaxRecord[]): void {
  for (const [key, text] of records) {
    if (text.length > 4096) throw invalidLayer('a global PAX record is too large');
    globals.set(key, text);
  }
  if (globals.size > 64) throw invalidLayer('too many global PAX records');
}

function untilNul(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString('latin1', 0, end < 0 ? data.length : end);
}

async function takeAll(queue: ByteQueue, length: number): Promise<Buffer> {
  const data = queue.tryTake(length) ?? (await queue.take(length));
  if (data.length < length) throw truncated();
  return data;
}

interface HeaderParts {
  readonly block: Buffer;
  readonly header: RawHeader;
  readonly extensions: Extensions;
  readonly globals: ReadonlyMap<string, string>;
}

type ReadEntry = TarEntry & { readonly stored: EntryBody };

async function readEntry(queue: ByteQueue, parts: HeaderParts): Promise<ReadEntry> {
  const { header, extensions, globals } = parts;
  const values = globals.size === 0 ? NO_VALUES : new Map(globals);
  const pax = extensions.pax === undefined ? values : new Map([...values, ...extensions.pax]);
  const path = value(pax, 'GNU.sparse.name') ?? value(pax, 'path') ?? extensions.longName ?? header.name;
  checkPath(path);
  const type = typeOf(header, path);
  const storedSize = type === 'file' ? storedSizeOf(header, pax) : 0;
  const { sparse, taken } =
    type === 'file' ? await readSparse(queue, parts, { pax, storedSize }) : NOT_SPARSE;
  if (taken > storedSize) throw truncated();
  const stored = new EntryBody(queue, storedSize - taken, sparse && checkSparse(sparse, storedSize - taken));
  await stored.prefetch();
  return {
    path,
    type,
    mode: header.mode,
    uid: numberOf(pax, 'uid') ?? header.uid,
    gid: numberOf(pax, 'gid') ?? header.gid,
    size: stored.size,
    mtimeNs: timeOf(pax) ?? BigInt(header.mtime) * 1_000_000_000n,
    linkPath: value(pax, 'linkpath') ?? extensions.longLink ?? header.linkName,
    device: header.device,
    xattrs: pax.size === 0 ? NO_XATTRS : xattrsOf(pax),
    owners: () => ownersOfHeader(parts.block),
    content: stored.content,
    body: () => stored.read(),
    stored,
  };
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();
const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();
const NOT_SPARSE = { sparse: undefined, taken: 0 };

function checkPath(path: string): void {
  const [maxBytes, maxDepth] = [limitOf('path-bytes'), limitOf('path-depth')];
  if (path.length > maxBytes)
    throw beyondLayerLimit('path-bytes', `a path has ${path.length} bytes: no program could open it`);
  if (path.length > maxDepth && path.split('/').length > maxDepth)
    throw beyondLayerLimit('path-depth', `a path is more than ${maxDepth} directories deep`);
}

/** An empty value takes a global record back. */
function value(pax: ReadonlyMap<string, string>, key: string): string | undefined {
  const found = pax.get(key);
  return found === '' ? undefined : found;
}

function numberOf(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = value(pax, key);
  return text === undefined ? undefined : parsePaxNumber(text);
}

function timeOf(pax: ReadonlyMap<string, string>): bigint | undefined {
  const text = value(pax, 'mtime');
  return text === undefined ? undefined : parsePaxTime(text);
}

/** v7 had no type for directories: a file whose name ends with a slash. */
function typeOf({ typeFlag }: RawHeader, path: string): EntryType {
  const type = typeFlag === 'S' ? 'file' : ENTRY_TYPES.get(typeFlag);
  if (type === undefined)
    throw invalidLayer(`unknown type ${JSON.stringify(typeFlag)} of entry ${JSON.stringify(path)}`);
  return type === 'file' && typeFlag !== 'S' && path.endsWith('/') ? 'directory' : type;
}

/** Two sizes that disagree let two readers see two archives: only a size that ustar cannot write may. */
function storedSizeOf({ size }: RawHeader, pax: ReadonlyMap<string, string>): number {
  const announced = numberOf(pax, 'size');
  if (announced === undefined || announced === size || announced > MAX_OCTAL_11) return announced ?? size;
  throw invalidLayer(`an entry has two sizes: ${size} in its header, ${announced} in its PAX header`);
}

async function readSparse(
  queue: ByteQueue,
  { block, header, extensions }: HeaderParts,
  { pax, storedSize }: { pax: ReadonlyMap<string, string>; storedSize: number },
): Promise<{ sparse: SparseMap | undefined; taken: number }> {
  const nextBlock = (): Promise<Buffer> => takeAll(queue, BLOCK);
  if (header.typeFlag === 'S') return { sparse: await readGnuSparse(block, nextBlock), taken: 0 };
  if (extensions.pax === undefined) return NOT_SPARSE;
  const found = paxSparseOf(extensions.pax, pax);
  if (found.kind === 'none') return NOT_SPARSE;
  if (found.kind === 'map') return { sparse: found.map, taken: 0 };
  if (storedSize < BLOCK) throw invalidLayer('a sparse file without its map');
  const { map, taken } = await readBodyMap(found.size, nextBlock);
  return { sparse: map, taken };
}

function xattrsOf(pax: ReadonlyMap<string, string>): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  let size = 0;
  for (const [key, text] of pax) {
    const name = xattrNameOf(key);
    if (name === undefined) continue;
    size += key.length + text.length;
    if (size > limitOf('xattr-bytes'))
      throw beyondLayerLimit('xattr-bytes', `a file has more than ${size - 1} bytes of extended attributes`);
    xattrs.set(name, Buffer.from(text, 'latin1'));
  }
  return xattrs;
}

/** In a layer there may be zeros only: what else is hidden there is nobody's. */
async function readTail(queue: ByteQueue, tail: 'zeros' | 'anything'): Promise<void> {
  const second = await queue.take(BLOCK); // of the end mark
  if (!isZero(second)) throw behindTheEnd();
  for (;;) {
    const rest = await queue.takeSome(1 << 20);
    if (rest === undefined) return;
    if (tail === 'zeros' && !isZero(rest)) throw behindTheEnd();
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

const behindTheEnd = (): Error => invalidLayer('there is something after the end of the archive');
