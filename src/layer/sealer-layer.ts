/**
 * The tar that sealer v0.8 computes a layer's id of, from a snapshot: a Go program's, entry by entry.
 *
 * The differences to our own layers (write-layer.ts): directories have no slash at their end and whiteouts stand where
 * the file was, owners have names, hard links are files, and extended attributes are left out. Where sealer writes what
 * is another thing every time, we write what the layer says: the target of a symlink instead of where the link was
 * while it was packed, no time of a whiteout, and whole seconds as the layer has them. So a layer has one id, wherever
 * its snapshot came from.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type BigIntStats,
} from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { overlayNamespace } from '../sys/identity.ts';
import { decodeDevice } from '../sys/special-file.ts';
import { joinBytePath, ROOT, type BytePath } from './byte-path.ts';
import { encodeGoHeader, type GoHeader } from './go-tar-header.ts';
import { BLOCK, paddingOf } from './tar-format.ts';
import { isXattrWhiteout, readMark } from './tree-directory.ts';
import { OPAQUE_NAME, WHITEOUT_PREFIX } from './whiteout.ts';

/** Names of owners on this host, as the tar has them; empty for a number nobody has. */
export interface OwnerNames {
  readonly user: (uid: number) => string;
  readonly group: (gid: number) => string;
}

export interface SealerLayerFacts {
  /** Undefined for a layer without entries: sealer has no such layer. */
  readonly id: Digest | undefined;
  /** Of the tar, bytes. */
  readonly tarSize: number;
  /** Of the regular files in it, bytes. */
  readonly fileSize: number;
}

const CHUNK = 1 << 20;

export function describeSealerLayer(directory: string, owners: OwnerNames): SealerLayerFacts {
  const hash = createHash('sha256');
  let [tarSize, fileSize] = [0, 0];
  for (const { header, host } of entriesOf(directory, owners)) {
    for (const block of blocksOf(header, host)) {
      hash.update(block);
      tarSize += block.length;
    }
    fileSize += header.size;
  }
  const isEmpty = tarSize === 0;
  const end = Buffer.alloc(2 * BLOCK);
  const id = isEmpty ? undefined : (`sha256:${hash.update(end).digest('hex')}` as Digest);
  return { id, tarSize: tarSize + end.length, fileSize };
}

/** The same entries as the part of an archive in which they are below `folder`: without an end. */
export function* sealerLayerBlocks(
  directory: string,
  { owners, folder }: { readonly owners: OwnerNames; readonly folder: string },
): Generator<Buffer, void, undefined> {
  for (const { header, host } of entriesOf(directory, owners))
    yield* blocksOf({ ...header, path: `${folder}/${header.path}` }, host);
}

function* blocksOf(header: GoHeader, host: Buffer | undefined): Generator<Buffer, void, undefined> {
  yield encodeGoHeader(header);
  if (host === undefined) return;
  yield* contentOf(host, header.size);
  yield Buffer.alloc(paddingOf(header.size));
}

interface Entry {
  readonly header: GoHeader;
  /** The file whose content follows. */
  readonly host?: Buffer;
}

interface Folder {
  readonly path: BytePath;
  readonly host: string;
  readonly xattrWhiteouts: boolean;
}

/** As Go's filepath.Walk: names sorted bytewise, each directory before its content. */
function* entriesOf(directory: string, owners: OwnerNames): Generator<Entry> {
  const top = Buffer.from(directory, 'utf8').toString('latin1');
  yield* below({ path: ROOT, host: top, xattrWhiteouts: markOf(top) === 'x' }, owners);
}

function* below(folder: Folder, owners: OwnerNames): Generator<Entry> {
  for (const name of readdirSync(bytes(folder.host), { encoding: 'latin1' }).sort(bytewise)) {
    const [host, path] = [`${folder.host}/${name}`, joinBytePath(folder.path, name)];
    const stats = lstatSync(bytes(host), { bigint: true });
    const common = headerOf(stats, owners);
    const isXattr = folder.xattrWhiteouts && isXattrWhiteout(bytes(host), stats, overlayNamespace());
    if (isXattr || (stats.isCharacterDevice() && stats.rdev === 0n)) {
      const hidden = joinBytePath(folder.path, WHITEOUT_PREFIX + name);
      yield { header: { ...ownedBy(owners, 0, 0), size: 0, mtime: 0, path: hidden, type: '0', mode: 0o600 } };
    } else if (stats.isDirectory()) {
      yield { header: { ...common, path, type: '5' } };
      const mark = markOf(host);
      if (mark === 'y') {
        const opaque = { path: joinBytePath(path, OPAQUE_NAME), mode: common.mode & 0o777, mtime: 0 };
        yield { header: { ...common, type: '0', ...opaque } };
      }
      yield* below({ path, host, xattrWhiteouts: mark === 'x' }, owners);
    } else yield* leaf(stats, { host, header: { ...common, path } });
  }
}

function* leaf(
  stats: BigIntStats,
  { host, header }: { readonly host: string; readonly header: Omit<GoHeader, 'type'> },
): Generator<Entry> {
  if (stats.isFile()) {
    const size = Number(stats.size);
    yield { header: { ...header, type: '0', size }, ...(size > 0 ? { host: bytes(host) } : {}) };
  } else if (stats.isSymbolicLink()) {
    yield { header: { ...header, type: '2', linkPath: readlinkSync(bytes(host), { encoding: 'latin1' }) } };
  } else if (stats.isFIFO()) {
    yield { header: { ...header, type: '6' } };
  } else if (!stats.isSocket()) {
    yield {
      header: { ...header, type: stats.isBlockDevice() ? '4' : '3', device: decodeDevice(stats.rdev) },
    };
  }
}

const headerOf = (stats: BigIntStats, owners: OwnerNames): Omit<GoHeader, 'path' | 'type'> => ({
  mode: Number(stats.mode & 0o7777n),
  ...ownedBy(owners, Number(stats.uid), Number(stats.gid)),
  size: 0,
  mtime: Number(stats.mtimeNs / 1_000_000_000n),
});

const ownedBy = (
  { user, group }: OwnerNames,
  uid: number,
  gid: number,
): Pick<GoHeader, 'uid' | 'gid' | 'user' | 'group'> => ({ uid, gid, user: user(uid), group: group(gid) });

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');
const bytewise = (a: string, b: string): number => (a < b ? -1 : 1);
const markOf = (host: string): string | undefined => readMark(bytes(host), overlayNamespace());

function* contentOf(host: Buffer, size: number): Generator<Buffer> {
  const descriptor = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size));
    for (let done = 0; done < size;) {
      const count = readSync(descriptor, buffer, 0, Math.min(CHUNK, size - done), done);
      if (count === 0) throw new ArchBuildError('IO', `${host.toString('utf8')} changed while it was read`);
      yield buffer.subarray(0, count);
      done += count;
    }
  } finally {
    closeSync(descriptor);
  }
}
