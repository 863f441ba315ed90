/** Programs among many files, by their first bytes, with one call: see emulators/native/files. */
import { closeSync } from 'node:fs';
import { filesLibrary, listDirectory, namesOf, openDirectory } from './directory-listing.ts';

/**
 * Names of the directories in a directory, and of the files that begin as ELF programs do or cannot be looked at: byte
 * strings. Undefined without the library. Throws Node's own error, or one like it.
 */
export function directoriesAndPrograms(path: Buffer): string[] | undefined {
  const library = filesLibrary();
  if (library === undefined) return undefined;
  const listing = listDirectory(path);
  const found = Buffer.allocUnsafeSlow(listing.bytes.length);
  const fd = openDirectory(path);
  try {
    const size = library.find_programs(fd, listing.bytes, listing.bytes.length, found);
    const bytes = found.subarray(0, size);
    return [...namesOf(listing, 'd'), ...namesOf({ bytes, text: bytes.toString('latin1') }, 'f')];
  } finally {
    closeSync(fd);
  }
}
