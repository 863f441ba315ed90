/**
 * Programs for another machine than their image: the files of a layer whose first bytes say so. What the bytes mean is
 * told by whoever asks (emulation/elf-audit.ts): here files are found, nothing is judged.
 */
import type { Platform } from '../oci/platform.ts';
import { directoriesAndPrograms } from '../sys/find-programs.ts';
import type { BytePath } from './byte-path.ts';
import type { TarEntry } from './tar-reader.ts';
import type { TreeDirectory } from './tree-directory.ts';

export interface Binary {
  /** The name of the machine the file is for, as OCI writes it. */
  readonly machine: string;
  /** Objects are linked or loaded by something else: kernel modules, the parts of a cross compiler. */
  readonly kind: 'program' | 'object';
}

export interface ProgramAudit {
  /** What the first bytes of a file (`HEAD_BYTES`, or all there are) say; undefined for anything but a binary. */
  readonly inspect: (head: Uint8Array) => Binary | undefined;
  /** Does this platform run binaries of the machine itself? */
  readonly runs: (platform: Platform, machine: string) => boolean;
}

export interface FoundBinary extends Binary {
  readonly path: BytePath;
}

/** No binary says what it is in fewer bytes than these. */
const HEAD_BYTES = 64;

/** Of an entry of a tar that is being read; must be asked before the next entry is. */
export async function binaryOf(
  entry: TarEntry,
  inspect: ProgramAudit['inspect'],
): Promise<Binary | undefined> {
  if (entry.type !== 'file' || entry.size < HEAD_BYTES) return undefined;
  if (entry.content !== undefined) return inspect(entry.content);
  for await (const chunk of entry.body()) return inspect(chunk);
  return undefined;
}

/**
 * The names in a directory of a tree whose files may be programs, and those of its directories, sorted; others may be
 * among them. Undefined where nobody knows without a look at each.
 */
export function programNames({ parts }: TreeDirectory): string[] | undefined {
  const found = parts.map(({ host }) => directoriesAndPrograms(Buffer.from(host, 'latin1')));
  return found.includes(undefined) ? undefined : [...new Set(found.flatMap((names) => names ?? []))].sort();
}
