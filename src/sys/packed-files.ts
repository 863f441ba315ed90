/**
 * The plain files of a directory as tar entries, many with one call: an object, a path and five system calls for each
 * cost several times what they are about. The other half is emulators/native/files; where that is not there, everybody
 * goes the longer way, which knows every kind of file and makes the same bytes.
 */
import { closeSync } from 'node:fs';
import {
  filesLibrary,
  listDirectory,
  openDirectory,
  type DirectoryListing,
  type FilesLibrary,
  type ListedName,
  type TypeLetter,
} from './directory-listing.ts';

export interface Packed {
  /** Bytes written. */
  readonly size: number;
  readonly entries: number;
}

/** Of `struct packing`: `names`, `room`, `entries`, `stopped`. */
const FIELDS = 4;
const NO_ROOM = 1;

/** The names of one directory, and how far they are done. */
export class PackedFiles implements Disposable {
  readonly listing: DirectoryListing;
  readonly #library: FilesLibrary;
  readonly #path: Buffer;
  readonly #prefix: Buffer;
  readonly #state = new Int32Array(FIELDS);
  #opened: number | undefined;
  #done = 0;
  #isFull = false;

  private constructor(
    library: FilesLibrary,
    listing: DirectoryListing,
    { path, prefix }: { readonly path: Buffer; readonly prefix: string },
  ) {
    this.#library = library;
    this.listing = listing;
    this.#path = path;
    this.#prefix = Buffer.from(`${prefix}\0`, 'latin1');
  }

  /** `prefix`: of the paths in the tar, a byte string. Undefined without the library. Throws as `listDirectory`. */
  static open(path: Buffer, prefix: string): PackedFiles | undefined {
    const library = filesLibrary();
    return library && new PackedFiles(library, listDirectory(path), { path, prefix });
  }

  /**
   * All that is listed, in order: 'plain' for files that come next, as many of which are to be packed as there is room
   * for before more is asked for, and each name between them.
   */
  *runs(): Generator<'plain' | ListedName, undefined> {
    for (;;) {
      if (this.#isNextPlain()) {
        do yield 'plain';
        while (this.#isFull);
      }
      const next = this.#take();
      if (next === undefined) return;
      yield next;
    }
  }

  /** The last `pack` had no room for what comes next. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Plain files to tar entries, until there is no room, or one that is not plain, or no more. */
  pack(out: Uint8Array): Packed {
    const names = this.listing.bytes.subarray(this.#done);
    this.#state.set([names.length, out.length]);
    this.#opened ??= openDirectory(this.#path);
    this.#library.pack_files(this.#opened, this.#prefix, names, out, this.#state);
    const [done = 0, size = 0, entries = 0, stopped] = this.#state;
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

  #isNextPlain(): boolean {
    const letter = this.listing.text[this.#done];
    return letter === 'f' || letter === 'l';
  }

  #take(): ListedName | undefined {
    const begin = this.#done;
    const { text } = this.listing;
    if (begin === text.length) return undefined;
    const end = text.indexOf('\0', begin);
    this.#done = end + 1;
    return { type: text[begin] as TypeLetter, name: text.slice(begin + 1, end) };
  }
}
