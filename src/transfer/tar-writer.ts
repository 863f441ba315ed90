/**
 * Writes the plain tar that archives of ours are: files and directories with short ASCII names. Every entry has the same
 * owner and date (the epoch unless told otherwise), so that the same content gives the same bytes.
 */
import { Header } from 'tar/header';
import { ArchBuildError } from '../errors.ts';
import { once } from './once.ts';

export interface TarFile {
  readonly path: string;
  /** Bytes; the data must have as many. */
  readonly size: number;
  /** 0644 by default. */
  readonly mode?: number;
  /** Called when the file's turn has come, so that nothing is open before. */
  readonly data: () => AsyncIterable<Uint8Array>;
}

/** A path that ends in `/` is a directory. */
export type TarEntry = TarFile | { readonly path: `${string}/` };

const BLOCK = 512;
const EPOCH = new Date(0);

/** Throws SIZE_MISMATCH when a file's data is not as long as its header said. */
export async function* writeTar(
  entries: Iterable<TarEntry>,
  { mtime = EPOCH }: { readonly mtime?: Date } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const entry of entries) {
    if ('data' in entry) yield* writeFile(entry, mtime);
    else yield header(entry.path, { type: 'Directory', mode: 0o755, size: 0, mtime });
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** The length of what `writeTar` makes of the entries, bytes. */
export function tarSize(entries: Iterable<TarEntry>): number {
  let size = 2 * BLOCK;
  for (const entry of entries) size += BLOCK + ('data' in entry ? Math.ceil(entry.size / BLOCK) * BLOCK : 0);
  return size;
}

export function tarText(path: string, text: string): TarFile {
  const bytes = Buffer.from(text);
  return { path, size: bytes.length, data: () => once(bytes) };
}

async function* writeFile(
  { path, size, mode = 0o644, data }: TarFile,
  mtime: Date,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield header(path, { type: 'File', mode, size, mtime });
  let written = 0;
  for await (const chunk of data()) {
    written += chunk.length;
    if (written > size) break;
    yield chunk;
  }
  if (written !== size)
    throw new ArchBuildError('SIZE_MISMATCH', `${path} is not the promised ${size} bytes long`);
  const padding = -size & (BLOCK - 1);
  if (padding > 0) yield Buffer.alloc(padding);
}

/** Sizes from 8 GiB on are written base-256, which GNU tar, Go and node-tar read. */
function header(
  path: string,
  { type, mode, size, mtime }: { type: 'File' | 'Directory'; mode: number; size: number; mtime: Date },
): Uint8Array {
  const made = new Header({
    path,
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime,
    uname: '',
    gname: '',
    devmaj: 0,
    devmin: 0,
  });
  made.type = type;
  const block = Buffer.alloc(BLOCK);
  made.encode(block);
  return block;
}
