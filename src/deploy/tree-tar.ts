/** Files of the store as a tar for another host: a merged tree, or single files under new names. */
import { readSync, openSync, closeSync, constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ArchBuildError } from '../errors.ts';
import { BlockBuffer } from '../layer/block-buffer.ts';
import { DEVICE_MARK, isLayerXattr } from '../layer/whiteout.ts';
import { readDeviceMark } from '../layer/device-node.ts';
import { joinBytePath, ROOT, type BytePath } from '../layer/byte-path.ts';
import { readLink, type MergedTree } from '../layer/merged-tree.ts';
import type { TreeDirectory } from '../layer/tree-directory.ts';
import { BLOCK, paddingOf } from '../layer/tar-format.ts';
import { encodeEntry, type EntryHeader } from '../layer/tar-writer.ts';
import { permissionsOf, type TreeNode } from '../layer/tree-node.ts';
import { decodeDevice } from '../sys/special-file.ts';
import { listXattrs, readXattr } from '../sys/xattr.ts';

export interface TarFile {
  readonly header: EntryHeader;
  /** Where the content is; nothing for an entry without any. */
  readonly content?: Buffer | { readonly host: Buffer };
}

const CHUNK = 1 << 20;

/** The archive in blocks. Throws IO for a file that changes meanwhile. */
export async function* tarOf(files: Iterable<TarFile>): AsyncGenerator<Buffer> {
  const output = new BlockBuffer(CHUNK);
  for (const { header, content } of files) {
    output.append(encodeEntry(header));
    if (Buffer.isBuffer(content)) output.append(content);
    else if (content !== undefined && header.size <= CHUNK) readSmall(output, content.host, header.size);
    else if (content !== undefined) {
      yield* output.drain();
      yield* readLarge(content.host, header.size);
    }
    output.appendZeros(paddingOf(header.size));
    yield* output.full();
  }
  output.appendZeros(2 * BLOCK);
  yield* output.drain();
}

function readSmall(output: BlockBuffer, host: Buffer, size: number): void {
  const descriptor = openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    output.fill(size, (piece) => {
      if (readSync(descriptor, piece) !== piece.length) throw changed(host);
    });
  } finally {
    closeSync(descriptor);
  }
}

async function* readLarge(host: Buffer, size: number): AsyncGenerator<Buffer> {
  await using file = await open(host, constants.O_RDONLY | constants.O_NOFOLLOW);
  for (let done = 0; done < size;) {
    const { buffer, bytesRead } = await file.read(
      Buffer.allocUnsafeSlow(CHUNK),
      0,
      Math.min(CHUNK, size - done),
      done,
    );
    if (bytesRead === 0) throw changed(host);
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

const changed = (host: Buffer): ArchBuildError =>
  new ArchBuildError('IO', `${host.toString('utf8')} changed while it was sent`);

/** Parents before children, without what `skip` says; of several names of one file the later ones are links. */
export function* filesOf(tree: MergedTree, skip: (path: BytePath) => boolean): Generator<TarFile> {
  yield* below(tree.root, { skip, first: new Map() });
}

interface Walk {
  readonly skip: (path: BytePath) => boolean;
  /** Of files with several names. */
  readonly first: Map<string, BytePath>;
}

function* below(directory: TreeDirectory, walk: Walk): Generator<TarFile> {
  for (const name of directory.names()) {
    const node = directory.lookup(name);
    if (node === undefined || node.type === 'socket' || walk.skip(joinBytePath(directory.path, name)))
      continue;
    yield fileOf(node, walk.first);
    const child = directory.open(name);
    if (child !== undefined) yield* below(child, walk);
  }
}

function fileOf(node: TreeNode, first: Walk['first']): TarFile {
  const { path, host, stat } = node;
  const common = {
    mode: permissionsOf(stat),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: 0,
    mtime: Number(stat.mtimeNs / 1_000_000_000n),
  };
  const key = `${stat.dev}:${stat.ino}`;
  const link = node.type !== 'directory' && stat.nlink > 1n ? first.get(key) : undefined;
  if (link !== undefined) return { header: { ...common, path, type: 'hardlink', linkPath: link } };
  first.set(key, path);
  switch (node.type) {
    case 'directory':
      return {
        header: {
          ...common,
          path: path === ROOT ? './' : `${path}/`,
          type: 'directory',
          xattrs: xattrsOf(host),
        },
      };
    case 'symlink':
      return { header: { ...common, path, type: 'symlink', linkPath: readLink(node) } };
    case 'fifo':
      return { header: { ...common, path, type: 'fifo' } };
    case 'char':
    case 'block':
      return { header: { ...common, path, type: node.type, device: decodeDevice(stat.rdev) } };
    default: {
      const device =
        stat.size === 0n && listXattrs(host).includes(DEVICE_MARK) ? readDeviceMark(host) : undefined;
      if (device !== undefined) return { header: { ...common, path, ...device } };
      const header = {
        ...common,
        path,
        type: 'file' as const,
        size: Number(stat.size),
        xattrs: xattrsOf(host),
      };
      return { header, content: { host } };
    }
  }
}

function xattrsOf(host: Buffer): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of listXattrs(host).filter(isLayerXattr)) {
    const value = readXattr(host, name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}
