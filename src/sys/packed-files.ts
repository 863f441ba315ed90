/**
 * The plain files of a directory as tar entries, many with one call: an object, a path and five system calls for each
 * cost several times what they are about. The other half is emulators/native/files; where that is not there, everybody
 * goes the longer way, which knows every kind of file and makes the same bytes.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { bindLibrary, systemError } from './libc.ts';
import { nativeLibrary } from './native.ts';

interface FilesLibrary {
  list_directory(directory: number): number;
  take_listing(out: Uint8Array): void;
  pack_files(
    directory: number,
    prefix: Uint8Array,
    names: Uint8Array,
    out: Uint8Array,
    state: Int32Array,
  ): void;
}

const SIGNATURES: Readonly<Record<keyof FilesLibrary, string>> = {
  list_directory: 'int64_t list_directory(int directory)',
  take_listing: 'void take_listing(uint8_t *out)',
  pack_files:
    'void pack_files(int directory, const uint8_t *prefix, const uint8_t *names, uint8_t *out, int32_t *state)',
};

/** Of a file, directory, symlink, character or block device, fifo, socket. */
export type TypeLetter = 'f' | 'd' | 'l' | 'c' | 'b' | 'p' | 's';

export interface ListedName {
  readonly type: TypeLetter;
  /** A byte string. */
  readonly name: string;
}

export interface Packed {
  /** Bytes written. */
  readonly size: number;
  readonly entries: number;
}

/** Of `struct packing`: `names`, `room`, `entries`, `stopped`. */
const FIELDS = 4;
const NO_ROOM = 1;

/** The names of one directory, sorted bytewise, and how far they are done. */
export class PackedFiles implements Disposable {
  /** Each name after the letter of its type, a NUL after it. */
  readonly listing: string;
  readonly #library: FilesLibrary;
  readonly #path: Buffer;
  readonly #prefix: Buffer;
  readonly #names: Buffer;
  readonly #state = new Int32Array(FIELDS);
  #opened: number | undefined;
  #done = 0;
  #isFull = false;

  private constructor(library: FilesLibrary, path: Buffer, prefix: string) {
    this.#library = library;
    this.#path = path;
    this.#prefix = Buffer.from(`${prefix}\0`, 'latin1');
    this.#names = this.#list();
    this.listing = this.#names.toString('latin1');
  }

  /** `prefix`: of the paths in the tar, a byte string. Undefined without the library; throws Node's own error. */
  static open(path: Buffer, prefix: string): PackedFiles | undefined {
    const library = filesLibrary();
    return library && new PackedFiles(library, path, prefix);
  }

  /** Whether `pack` may do what comes next; undefined at the end. */
  get isNextPlain(): boolean | undefined {
    const letter = this.listing[this.#done];
    return letter === undefined ? undefined : letter === 'f' || letter === 'l';
  }

  /** The last `pack` had no room for what comes next. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Undefined at the end. */
  take(): ListedName | undefined {
    const begin = this.#done;
    if (begin === this.listing.length) return undefined;
    const end = this.listing.indexOf('\0', begin);
    this.#done = end + 1;
    return { type: this.listing[begin] as TypeLetter, name: this.listing.slice(begin + 1, end) };
  }

  /** Plain files to tar entries, until there is no room, or one that is not plain, or no more. */
  pack(out: Uint8Array): Packed {
    const state = this.#state;
    state.set([this.#names.length - this.#done, out.length]);
    const names = this.#names.subarray(this.#done);
    this.#library.pack_files(this.#directory(), this.#prefix, names, out, state);
    const [done = 0, size = 0, entries = 0, stopped] = state;
    this.#done += done;
    this.#isFull = stopped === NO_ROOM;
    return { size, entries };
  }

  /** What comes opens the directory again: many may be known, and none held open. */
  close(): void {
    if (this.#opened !== undefined) closeSync(this.#opened);
    this.#opened = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #directory(): number {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return (this.#opened ??= openSync(this.#path, flags));
  }

  #list(): Buffer {
    const size = this.#library.list_directory(this.#directory());
    if (size < 0) {
      const error = systemError('readdir', this.#path);
      this.close();
      throw error;
    }
    const names = Buffer.allocUnsafeSlow(size);
    if (size > 0) this.#library.take_listing(names);
    return names;
  }
}

let bound: FilesLibrary | null | undefined;

/** Not there when nothing was compiled, or for another C library than Node's. */
function filesLibrary(): FilesLibrary | undefined {
  const path = bound === undefined ? nativeLibrary('files') : undefined;
  bound ??= (path === undefined ? undefined : bindLibrary<FilesLibrary>(path, SIGNATURES)) ?? null;
  return bound ?? undefined;
}
