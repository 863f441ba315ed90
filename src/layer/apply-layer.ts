/**
 * A layer tar to a snapshot: unpacks into an empty directory in overlay form and hashes what passes by.
 *
 * The archive is hostile. Nothing is written outside the target: names are cleaned, symlinks followed by us within
 * the root, and everything is created, never opened.
 */
import { createHash, type Hash } from 'node:crypto';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { DiffId } from '../oci/digest.ts';
import { cleanBytePath, formatBytePath } from './byte-path.ts';
import { eventLoopTurns } from './event-loop.ts';
import { isArchiveFault, LayerTarget } from './layer-target.ts';
import { invalidLayer } from './tar-format.ts';
import { readTar, type TarEntry } from './tar-reader.ts';
import { unpackEntry, type UnpackContext } from './unpack-entry.ts';
import type { OverlayNamespace } from '../sys/identity.ts';

export interface ApplyOptions {
  /** Snapshots below, topmost first: where unnamed parents and targets of hard links come from. */
  readonly lowers: readonly string[];
  readonly overlay: OverlayNamespace;
  /** Everything belongs to root, whatever the archive says: for hosts where only one id is mapped. */
  readonly singleOwner?: boolean;
}

export interface AppliedLayer {
  readonly diffId: DiffId;
  /** Of the tar, bytes. */
  readonly size: number;
  readonly entries: number;
}

/** Throws LAYER_INVALID, IO, and what the stream throws; the target is then to be thrown away. */
export async function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  target: string,
  options: ApplyOptions,
): Promise<AppliedLayer> {
  const passed: Passed = { hash: createHash('sha256'), size: 0 };
  const entries = await applyEntries(readTar(hashed(tar, passed)), target, options);
  return { diffId: `sha256:${passed.hash.digest('hex')}` as DiffId, size: passed.size, entries };
}

/** The same for entries that came out of a tar; returns how many there were. */
export async function applyEntries(
  stream: AsyncIterable<TarEntry>,
  target: string,
  { lowers, overlay, singleOwner = false }: ApplyOptions,
): Promise<number> {
  const context: UnpackContext = {
    target: new LayerTarget(target, { lowers, overlay }),
    overlay,
    singleOwner,
  };
  const turn = eventLoopTurns();
  let entries = 0;
  for await (const entry of stream) {
    entries++;
    try {
      const unfinished = unpackEntry(context, entry) ?? turn();
      if (unfinished !== undefined) await unfinished;
    } catch (error) {
      throw explained(error, entry);
    }
  }
  context.target.finish();
  return entries;
}

interface Passed {
  readonly hash: Hash;
  size: number;
}

async function* hashed(input: AsyncIterable<Uint8Array>, passed: Passed): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) {
    passed.hash.update(chunk);
    passed.size += chunk.length;
    yield chunk;
  }
}

/** What the kernel refused, in terms of the entry. */
function explained(error: unknown, entry: TarEntry): unknown {
  const code = systemErrorCode(error);
  const path = formatBytePath(cleanBytePath(entry.path)).slice(0, 300);
  if (error instanceof ArchBuildError && error.code === 'HOST_INCAPABLE') {
    const details = error.hint === undefined ? {} : { hint: error.hint };
    return new ArchBuildError(error.code, `cannot unpack ${path}: ${error.message}`, details);
  }
  if (error instanceof ArchBuildError || !(error instanceof Error) || !('syscall' in error)) return error;
  if (isArchiveFault(error)) return invalidLayer(`${path} cannot be unpacked: ${code ?? ''}`, error);
  const hint = HINTS[code ?? ''];
  const details = hint === undefined ? { cause: error } : { cause: error, hint };
  return new ArchBuildError('IO', `cannot unpack ${path}: ${code ?? ''}`, details);
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space, `arch-build prune` for example, or put the store on a larger disk',
  EDQUOT: 'free some space of your quota, `arch-build prune` for example',
  ENOTSUP: 'put the store on a file system with extended attributes, such as ext4, xfs or btrfs',
  EOPNOTSUPP: 'put the store on a file system with extended attributes, such as ext4, xfs or btrfs',
};
