/**
 * A directory's names with their types, sorted bytewise, as one text instead of an object for each. Made by
 * emulators/native/files; where that is not there, of what Node says.
 */
import { closeSync, constants, openSync, readdirSync, type Dirent } from 'node:fs';
import { bindLibrary, systemError } from './libc.ts';
import { nativeLibrary } from './native.ts';

export interface FilesLibrary {
  list_directory(directory: number): number;
  take_listing(out: Uint8Array): void;
  pack_files(
    directory: number,
    prefix: Uint8Array,
    names: Uint8Array,
    out: Uint8Array,
    state: Int32Array,
  ): void;
  find_programs(directory: number, names: Uint8Array, size: number, out: Uint8Array): number;
}

const SIGNATURES: Readonly<Record<keyof FilesLibrary, string>> = {
  list_directory: 'int64_t list_directory(int directory)',
  take_listing: 'void take_listing(uint8_t *out)',
  pack_files:
    'void pack_files(int directory, const uint8_t *prefix, const uint8_t *names, uint8_t *out, int32_t *state)',
  find_programs: 'int64_t find_programs(int directory, const uint8_t *names, int64_t size, uint8_t *out)',
};

/** Of a file, directory, symlink, character or block device, fifo, socket. */
export type TypeLetter = 'f' | 'd' | 'l' | 'c' | 'b' | 'p' | 's';

export interface DirectoryListing {
  /** Each name after the letter of its type, a NUL after it. */
  readonly bytes: Buffer;
  /** The same as a byte string. */
  readonly text: string;
}

/** Throws Node's own error, or one like it. */
export function listDirectory(path: Buffer): DirectoryListing {
  const library = filesLibrary();
  if (library === undefined) return listByNode(path);
  const fd = openDirectory(path);
  try {
    const size = library.list_directory(fd);
    if (size < 0) throw systemError('readdir', path);
    const bytes = Buffer.allocUnsafeSlow(size);
    if (size > 0) library.take_listing(bytes);
    return { bytes, text: bytes.toString('latin1') };
  } finally {
    closeSync(fd);
  }
}

function listByNode(path: Buffer): DirectoryListing {
  const entries = readdirSync(path, { encoding: 'latin1', withFileTypes: true });
  const lines = entries.sort(byName).map((entry) => `${letterOf(entry)}${entry.name}\0`);
  const text = lines.join('');
  return { bytes: Buffer.from(text, 'latin1'), text };
}

const byName = (a: Dirent, b: Dirent): number => (a.name < b.name ? -1 : 1); // one char per byte: that is bytewise

function letterOf(entry: Dirent): TypeLetter {
  if (entry.isFile()) return 'f';
  if (entry.isDirectory()) return 'd';
  if (entry.isSymbolicLink()) return 'l';
  if (entry.isCharacterDevice()) return 'c';
  if (entry.isBlockDevice()) return 'b';
  return entry.isFIFO() ? 'p' : 's';
}

export interface ListedName {
  readonly type: TypeLetter;
  /** A byte string. */
  readonly name: string;
}

export const entriesOf = ({ text }: DirectoryListing): ListedName[] =>
  text
    .split('\0')
    .slice(0, -1)
    .map((entry) => ({ type: entry[0] as TypeLetter, name: entry.slice(1) }));

/** Byte strings. */
export const namesOf = (listing: DirectoryListing, type: TypeLetter): string[] =>
  Array.from(positionsOf(listing, type), (at) => nameAt(listing, at + 1));

export const hasType = (listing: DirectoryListing, type: TypeLetter): boolean =>
  positionsOf(listing, type).next().done === false;

/** The first name of any type with this beginning, a byte string. */
export function nameWith(listing: DirectoryListing, beginning: string): string | undefined {
  const { text } = listing;
  for (let at = text.indexOf(beginning); at >= 0; at = text.indexOf(beginning, at + 1)) {
    if (at === 1 || text[at - 2] === '\0') return nameAt(listing, at);
  }
  return undefined;
}

/** A NUL is nowhere but before a letter, which no loop over thousands of names is needed to see. */
function* positionsOf({ text }: DirectoryListing, type: TypeLetter): Generator<number, undefined> {
  if (text.startsWith(type)) yield 0;
  const mark = `\0${type}`;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) yield at + 1;
}

const nameAt = ({ text }: DirectoryListing, at: number): string => text.slice(at, text.indexOf('\0', at));

export const openDirectory = (path: Buffer): number =>
  openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);

let bound: FilesLibrary | null | undefined;

/** Not there when nothing was compiled, or for another C library than Node's. */
export function filesLibrary(): FilesLibrary | undefined {
  const path = bound === undefined ? nativeLibrary('files') : undefined;
  bound ??= (path === undefined ? undefined : bindLibrary<FilesLibrary>(path, SIGNATURES)) ?? null;
  return bound ?? undefined;
}
