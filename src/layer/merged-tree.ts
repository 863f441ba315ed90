/**
 * A stack of layers read as one tree, as an overlay mount would show it, without mounting anything.
 *
 * Layers must not change while they are read, except through a LayerWriter. Nothing here follows a symlink out of
 * the tree: paths are resolved as openat2's RESOLVE_IN_ROOT does.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync, realpathSync } from 'node:fs';
import { ArchBuildError } from '../errors.ts';
import { baseNameOf, formatBytePath, joinBytePath, parentOf, ROOT, type BytePath } from './byte-path.ts';
import { TreeDirectory, readMark, type TreeFilter, type TreeReading } from './tree-directory.ts';
import { EMPTY_ROOT, hostError, nodeType, statPath, type TreeNode } from './tree-node.ts';
import { overlayNamespace, type OverlayNamespace } from '../sys/identity.ts';

export interface TreeOptions {
  /** The layers are normal directories, such as a build context: whiteouts mean nothing. */
  readonly plain?: boolean;
  /** Whose marks count: this process's own unless said. */
  readonly overlay?: OverlayNamespace;
  /** Hides names from every reader of the tree. */
  readonly filter?: TreeFilter;
}

/** The kernel stops at 40. */
const MAX_SYMLINKS = 255;

export class MergedTree {
  /** Host directories, topmost first. */
  readonly layers: readonly string[];
  readonly #reading: TreeReading;
  #root: TreeDirectory | undefined;

  /** Without layers it is an empty root, 0755 and root's. */
  constructor(
    layers: readonly string[],
    { plain = false, overlay = overlayNamespace(), filter }: TreeOptions = {},
  ) {
    this.layers = layers;
    this.#reading = { overlay: plain ? undefined : overlay, filter };
  }

  get root(): TreeDirectory {
    this.#root ??= openRoot(this.layers, this.#reading);
    return this.#root;
  }

  /** What is at a path; no symlink is followed, not even in the middle. */
  lookup(path: BytePath): TreeNode | undefined {
    if (path === ROOT) return this.root.node;
    return this.openDirectory(parentOf(path))?.lookup(baseNameOf(path));
  }

  /** Merged names, sorted bytewise; empty when the path is no directory. */
  list(path: BytePath): readonly string[] {
    return this.openDirectory(path)?.names() ?? [];
  }

  /** To walk a tree: the directory knows its layers. Undefined when the path is no directory. */
  openDirectory(path: BytePath): TreeDirectory | undefined {
    let directory: TreeDirectory | undefined = this.root;
    if (path === ROOT) return directory;
    for (const name of path.split('/')) directory = directory?.open(name);
    return directory;
  }

  /**
   * Follows symlinks inside the tree; `..` and absolute targets end at its root. `path` is a byte string that need
   * not be clean: `..` counts after the symlink before it. What does not exist is kept as written, with `node`
   * undefined. Throws COPY for a symlink loop.
   */
  resolve(
    path: string,
    { followLast = true }: { followLast?: boolean } = {},
  ): { path: BytePath; node: TreeNode | undefined } {
    const pending = path.split('/').reverse();
    let at = ROOT;
    let node: TreeNode | undefined = this.root.node;
    for (let links = 0; pending.length > 0;) {
      const name = pending.pop();
      if (name === undefined || name === '' || name === '.') continue;
      if (name === '..') {
        at = parentOf(at);
        node = this.lookup(at);
        continue;
      }
      const next = joinBytePath(at, name);
      const found = node?.type === 'directory' ? this.lookup(next) : undefined;
      if (found?.type === 'symlink' && (followLast || pending.some((rest) => rest !== '' && rest !== '.'))) {
        if (++links > MAX_SYMLINKS) throw tooManySymlinks(path);
        const target = readLink(found);
        pending.push(...target.split('/').reverse());
        if (target.startsWith('/')) [at, node] = [ROOT, this.root.node];
        continue;
      }
      [at, node] = [next, found];
    }
    return { path: at, node };
  }

  /** A whole regular file. Throws IO when it is missing, something else, or larger than the limit. */
  readFile(path: BytePath, limitBytes: number): Buffer {
    const node = this.lookup(path);
    const shown = formatBytePath(path);
    if (node?.type !== 'file')
      throw new ArchBuildError(
        'IO',
        `${shown} is ${node === undefined ? 'missing' : `a ${node.type}`}, not a file`,
      );
    const fd = openFile(node.host);
    try {
      if (nodeType(fstatSync(fd, { bigint: true }).mode) !== 'file')
        throw new ArchBuildError('IO', `${shown} is not a file`);
      return readAll(fd, limitBytes, shown);
    } finally {
      closeSync(fd);
    }
  }

  /** The first bytes of a regular file, as many as there are. Throws IO. */
  readBeginning(path: BytePath, length: number): Buffer {
    const node = this.lookup(path);
    if (node?.type !== 'file') throw new ArchBuildError('IO', `${formatBytePath(path)} is not a file`);
    return beginningOf(node, length);
  }

  /** Forgets what is known about a path and everything below it: the top layer was changed there. */
  forget(path: BytePath): void {
    if (path === ROOT) this.#root = undefined;
    else this.openDirectory(parentOf(path))?.forget(baseNameOf(path));
  }
}

/** The first bytes of a file; fewer when it is shorter. */
export function beginningOf(file: TreeNode, length: number): Buffer {
  const fd = openFile(file.host);
  try {
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(fd, buffer, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** The raw target of a symlink, as a byte string. */
export function readLink(node: TreeNode): string {
  try {
    return readlinkSync(node.host, { encoding: 'latin1' });
  } catch (cause) {
    throw hostError('read', node.host, cause);
  }
}

/**
 * Overlayfs always merges the roots, whatever their marks say. Plain directories are known by their real path, which
 * is what the kernel says of their open files.
 */
function openRoot(layers: readonly string[], reading: TreeReading): TreeDirectory {
  const isPlain = reading.overlay === undefined;
  const hosts = layers.map((layer) => (isPlain ? realPath(layer) : Buffer.from(layer, 'utf8')));
  for (const host of hosts) {
    if (statPath(host) === undefined)
      throw new ArchBuildError('IO', `${host.toString('utf8')} does not exist`);
  }
  const parts = hosts.map((host) => ({
    host: host.toString('latin1'),
    xattrWhiteouts: readMark(host, reading.overlay) === 'x',
  }));
  const [host] = hosts;
  const stat = host === undefined ? undefined : statPath(host);
  const node: TreeNode =
    host === undefined || stat === undefined
      ? EMPTY_ROOT
      : { path: ROOT, host, stat, type: nodeType(stat.mode) };
  return new TreeDirectory(node, parts, reading);
}

function realPath(directory: string): Buffer {
  const host = Buffer.from(directory, 'utf8');
  try {
    return realpathSync.native(host, 'buffer');
  } catch (cause) {
    throw hostError('find', host, cause);
  }
}

function tooManySymlinks(path: string): ArchBuildError {
  const shown = Buffer.from(path, 'latin1').toString('utf8');
  return new ArchBuildError('COPY', `too many symlinks in ${JSON.stringify(shown)}`, {
    hint: 'a symlink points to itself, directly or through others',
  });
}

function openFile(host: Buffer): number {
  try {
    return openSync(host, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw hostError('open', host, cause);
  }
}

function readAll(fd: number, limitBytes: number, shown: string): Buffer {
  const size = Number(fstatSync(fd, { bigint: true }).size);
  const buffer = Buffer.alloc(Math.min(size, limitBytes) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) break;
  }
  if (length > limitBytes || length === buffer.length) {
    throw new ArchBuildError('IO', `${shown} is larger than ${limitBytes} bytes, or grows while it is read`);
  }
  return buffer.subarray(0, length);
}
