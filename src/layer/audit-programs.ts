/**
 * Programs for another machine than their image: the files of a layer or a tree whose first bytes say so. What the
 * bytes mean is told by whoever asks (emulation/elf-audit.ts): here files are found, nothing is judged.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { Platform } from '../oci/platform.ts';
import { cleanBytePath, type BytePath } from './byte-path.ts';
import { readTar, type TarEntry } from './tar-reader.ts';
import { walkSnapshot } from './walk-snapshot.ts';

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

/** Of an uncompressed tar, in its order. Throws LAYER_INVALID. */
export async function* binariesInTar(
  tar: AsyncIterable<Uint8Array>,
  inspect: ProgramAudit['inspect'],
): AsyncGenerator<FoundBinary> {
  for await (const entry of readTar(tar)) {
    const binary = await binaryOf(entry, inspect);
    if (binary !== undefined) yield { path: cleanBytePath(entry.path), ...binary };
  }
}

/** Of a snapshot or any other directory. Never follows a symlink. */
export function* binariesInTree(directory: string, inspect: ProgramAudit['inspect']): Generator<FoundBinary> {
  for (const node of walkSnapshot(directory)) {
    if (node.kind !== 'entry' || !node.stats.isFile() || node.stats.size < BigInt(HEAD_BYTES)) continue;
    const binary = inspect(beginningOf(node.host));
    if (binary !== undefined) yield { path: node.path, ...binary };
  }
}

function beginningOf(host: Buffer): Buffer {
  const file = openSync(host, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(file);
  }
}
