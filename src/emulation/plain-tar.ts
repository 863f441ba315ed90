/**
 * The smallest tar there is: ustar, plain files with short names, the same bytes for the same content. What reads it
 * takes nothing else: no links, no devices, no extension headers, no file that was not announced.
 */
import type { FileHandle } from 'node:fs/promises';
import { ArchBuildError } from '../errors.ts';

const BLOCK = 512;
const CHUNK = 1 << 20;
const MODE = 0o755;
/** Two blocks of zeros, and GNU tar's record size. */
const END_BLOCKS = 2;
const RECORD = 20 * BLOCK;

export interface PlainFile {
  /** At most 100 bytes of ASCII. */
  readonly name: string;
  readonly size: number;
}

/** Owned by root, of 1970, executable: what the file had before does not show. */
export function formatHeader({ name, size }: PlainFile): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, 'latin1');
  for (const [offset, length, value] of NUMBERS(size)) {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
  }
  header.write(' '.repeat(8), CHECKSUM, 'latin1');
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM, 'latin1');
  return header;
}

const CHECKSUM = 148;

/** Offset, width and value of mode, uid, gid, size, mtime, devmajor, devminor. */
const NUMBERS = (size: number): readonly (readonly [offset: number, length: number, value: number])[] => [
  [100, 8, MODE],
  [108, 8, 0],
  [116, 8, 0],
  [124, 12, size],
  [136, 12, 0],
  [329, 8, 0],
  [337, 8, 0],
];

export const paddingAfter = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

/** What ends an archive whose entries take this many bytes. */
export const endAfter = (length: number): Buffer =>
  Buffer.alloc(Math.ceil((length + END_BLOCKS * BLOCK) / RECORD) * RECORD - length);

/** Whether a file that begins so is such an archive, and its first entry has this name. */
export const beginsPlainTar = (beginning: Buffer, name: string): boolean =>
  beginning.length >= BLOCK && sizeIn(beginning.subarray(0, BLOCK), name) !== undefined;

/** The size of the one entry that `formatHeader` would have written so; undefined for any other header. */
function sizeIn(header: Buffer, name: string): number | undefined {
  const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  return header.equals(formatHeader({ name, size })) ? size : undefined;
}

/** Reads such an archive from its beginning, entry by entry. Everything unexpected is ARCHIVE_INVALID. */
export class PlainTarReader {
  readonly #file: FileHandle;
  readonly #path: string;
  #position = 0;

  /** `path` is for messages. */
  constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** The size of the next entry, which must have this name. */
  async open(name: string): Promise<number> {
    const size = sizeIn(await this.#take(BLOCK), name);
    return size ?? this.fail(`the entry ${name} is not where it should be, or is no plain file`);
  }

  /** The content of the entry that was opened; to its end. */
  async *content(size: number): AsyncGenerator<Buffer, undefined> {
    for (let left = size; left > 0;) {
      const chunk = await this.#take(Math.min(left, CHUNK));
      left -= chunk.length;
      yield chunk;
    }
    const padding = paddingAfter(size);
    if (!(await this.#take(padding.length)).equals(padding))
      this.fail('there is something between its entries');
  }

  /** Nothing may follow but what `endAfter` gives. */
  async end(): Promise<void> {
    const end = endAfter(this.#position);
    if (!(await this.#take(end.length)).equals(end)) this.fail('it has more entries than it says');
    const { bytesRead } = await this.#file.read(Buffer.alloc(1), 0, 1, this.#position);
    if (bytesRead > 0) this.fail('something follows its end');
  }

  fail(why: string): never {
    throw new ArchBuildError('ARCHIVE_INVALID', `${this.#path} is damaged: ${why}`);
  }

  async #take(length: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), 0, length, this.#position);
    if (bytesRead < length) this.fail('it ends too early');
    this.#position += length;
    return buffer;
  }
}
