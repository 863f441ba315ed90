/**
 * Writes a new top layer by hand, as overlayfs would have: parents are copied up, deletions are whiteouts, a directory
 * in place of something else is opaque. Nothing is mounted.
 *
 * Paths are resolved already: a symlink in the middle of one is an error. Every method makes the parents it needs.
 */
import { mkdirSync, rmSync, symlinkSync, unlinkSync, linkSync } from 'node:fs';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { writeXattr } from '../sys/xattr.ts';
import { encodeDevice, makeNode, S_IFCHR, S_IFIFO, type Device } from '../sys/special-file.ts';
import { overlayNamespace, type OverlayNamespace } from '../sys/identity.ts';
import { applyAttributes, attributesOf, setModificationTime, type Attributes } from './attributes.ts';
import { formatBytePath, hostPath, parentOf, ROOT, type BytePath } from './byte-path.ts';
import { makeDevice } from './device-node.ts';
import { createFile, fillFile, fillFromSource, fillFromStream } from './file-writer.ts';
import { MergedTree } from './merged-tree.ts';
import type { SourceFile } from './source-file.ts';
import { statPath, type TreeNode } from './tree-node.ts';
import { opaqueXattr } from './whiteout.ts';

export interface LayerWriterOptions {
  /** This process's own unless said. */
  readonly overlay?: OverlayNamespace;
  /**
   * Modification time of directories made without attributes, and of existing ones that gain or lose a name.
   * Without it existing directories keep theirs and made ones get the clock's.
   */
  readonly now?: bigint;
}

/** Of directories made on the way; 0755 and root's unless said. */
export type ParentAttributes = Partial<Pick<Attributes, 'mode' | 'uid' | 'gid'>>;

interface WrittenDirectory {
  mtimeNs: bigint;
  /** New names do not touch it. */
  readonly isFixed: boolean;
}

export class LayerWriter {
  /** The new layer above those below, always up to date. */
  readonly tree: MergedTree;
  readonly #lower: MergedTree;
  readonly #target: string;
  readonly #overlay: OverlayNamespace;
  readonly #now: bigint | undefined;
  /** Directories that are in the new layer, with the time they are to have. */
  readonly #directories = new Map<BytePath, WrittenDirectory>();
  /** Directories whose time is set at the end of the batch. */
  #batch: Set<BytePath> | undefined;

  /** `target` is an existing directory: the new layer's root. It takes the lower root's attributes on the first change. */
  constructor(
    target: string,
    lower: MergedTree,
    { overlay = overlayNamespace(), now }: LayerWriterOptions = {},
  ) {
    this.tree = new MergedTree([target, ...lower.layers], { overlay });
    this.#lower = lower;
    this.#target = target;
    this.#overlay = overlay;
    this.#now = now;
  }

  /** Runs many changes; the times of directories are set once at its end. */
  async batch<T>(work: () => Promise<T>): Promise<T> {
    if (this.#batch !== undefined) return work();
    this.#batch = new Set();
    try {
      return await work();
    } finally {
      const touched = this.#batch;
      this.#batch = undefined;
      for (const path of touched) this.#restoreTime(path);
    }
  }

  /** The directories above `path`: those below are copied up, missing ones are made. Throws COPY at anything else. */
  ensureParents(path: BytePath, attributes: ParentAttributes = {}): void {
    if (path !== ROOT) this.ensureDirectory(parentOf(path), attributes);
  }

  /** The same including `path` itself. */
  ensureDirectory(path: BytePath, attributes: ParentAttributes = {}): void {
    if (this.#directories.has(path)) return;
    this.ensureParents(path, attributes);
    const existing = this.tree.lookup(path);
    if (existing?.type === 'directory') {
      this.#copyUp(path, existing);
      return;
    }
    if (existing !== undefined) {
      throw new ArchBuildError(
        'COPY',
        `${formatBytePath(path)} of the image is a ${existing.type}, not a directory`,
      );
    }
    this.#createDirectory(path);
    const mtimeNs = this.#now ?? BigInt(Date.now()) * 1_000_000n;
    applyAttributes(this.#host(path), 'directory', { mode: 0o755, uid: 0, gid: 0, ...attributes, mtimeNs });
    this.tree.forget(path);
    this.#directories.set(path, { mtimeNs, isFixed: false });
  }

  /** Makes a directory, or gives an existing one these attributes. Anything else in its place is replaced. */
  makeDirectory(path: BytePath, attributes: Attributes): void {
    this.ensureParents(path);
    const existing = this.tree.lookup(path);
    if (existing?.type === 'directory') this.#copyUp(path, existing);
    else this.#createDirectory(path);
    applyAttributes(this.#host(path), 'directory', attributes);
    this.tree.forget(path);
    this.#directories.set(path, { mtimeNs: attributes.mtimeNs, isFixed: true });
    this.#batch?.add(path);
  }

  writeFile(path: BytePath, data: Uint8Array, attributes: Attributes): void {
    this.#create(path, (host) => fillFile(createFile(host), host, { data, attributes }));
  }

  /**
   * A copy of a regular file, which must still be what `source.stat` says (CONTEXT). Only for a large file is there a
   * promise to wait for.
   */
  copyFile(path: BytePath, source: SourceFile, attributes: Attributes): Promise<void> | undefined {
    let pending: Promise<void> | undefined;
    this.#create(path, (host) => {
      pending = fillFromSource(createFile(host), host, { source, attributes });
    });
    return pending;
  }

  /** As `writeFile`, for content that comes in pieces. */
  async writeStream(path: BytePath, data: AsyncIterable<Buffer>, attributes: Attributes): Promise<void> {
    let pending: Promise<void> | undefined;
    this.#create(path, (host) => {
      pending = fillFromStream(createFile(host), host, { data, attributes });
    });
    await pending;
  }

  /** `target` is a byte string, stored as it is. */
  makeSymlink(path: BytePath, target: string, attributes: Attributes): void {
    this.#create(path, (host) => {
      symlinkSync(Buffer.from(target, 'latin1'), host);
      applyAttributes(host, 'symlink', attributes);
    });
  }

  /** Another name of a file of the new layer; one that is only below is copied up first. */
  async makeHardLink(path: BytePath, existing: BytePath): Promise<void> {
    if (path === existing || existing.startsWith(`${path}/`)) {
      throw new ArchBuildError(
        'COPY',
        `${formatBytePath(path)} cannot be a link to ${formatBytePath(existing)}`,
      );
    }
    await this.#copyUpFile(existing);
    this.#create(path, (host) => linkSync(this.#host(existing), host));
  }

  makeNode(
    path: BytePath,
    node: { readonly type: 'fifo' | 'char' | 'block'; readonly device: Device },
    attributes: Attributes,
  ): void {
    if (node.type === 'char' && encodeDevice(node.device) === 0n) {
      throw new ArchBuildError(
        'COPY',
        `${formatBytePath(path)} is a character device 0:0, which a layer reads as a deletion`,
      );
    }
    this.#create(path, (host) => {
      if (node.type === 'fifo') makeNode(host, S_IFIFO | 0o600);
      else makeDevice(host, { type: node.type, device: node.device }, { overlay: this.#overlay });
      applyAttributes(host, 'other', attributes);
    });
  }

  /** Removes whatever is there, with everything below it. What is only below leaves a whiteout. */
  remove(path: BytePath): void {
    if (path === ROOT) throw new ArchBuildError('COPY', 'the root directory cannot be removed');
    if (this.tree.lookup(path) === undefined) return;
    this.ensureParents(path);
    this.#clear(path);
    if (this.tree.lookup(path) !== undefined) {
      makeNode(this.#host(path), S_IFCHR);
      this.tree.forget(path);
    }
    this.#touch(parentOf(path));
  }

  #host(path: BytePath): Buffer {
    return hostPath(this.#target, path);
  }

  /** A directory of the tree becomes one of the new layer, with the same attributes. */
  #copyUp(path: BytePath, node: TreeNode): void {
    if (this.#directories.has(path)) return;
    const host = this.#host(path);
    const source = path === ROOT ? this.#lower.root.node : node;
    if (statPath(host) === undefined) {
      mkdirSync(host, 0o700);
      this.tree.forget(path);
      applyAttributes(host, 'directory', attributesOf(source));
      this.#touch(parentOf(path), { gainsName: false });
    } else if (path === ROOT) {
      applyAttributes(host, 'directory', attributesOf(source));
      this.tree.forget(path);
    }
    this.#directories.set(path, { mtimeNs: source.stat.mtimeNs, isFixed: false });
  }

  /** Where no directory is. Layers below that have one there must not show through. */
  #createDirectory(path: BytePath): void {
    const host = this.#host(path);
    this.#clear(path);
    mkdirSync(host, 0o700);
    this.tree.forget(path);
    if ((this.tree.openDirectory(path)?.parts.length ?? 0) > 1) {
      writeXattr(host, opaqueXattr(this.#overlay), Buffer.from('y'));
      this.tree.forget(path);
    }
    this.#touch(parentOf(path));
  }

  /** Creates something that is no directory, in place of whatever is there. */
  #create(path: BytePath, make: (host: Buffer) => void): void {
    if (path === ROOT) throw new ArchBuildError('COPY', 'the root directory cannot be replaced');
    const parent = parentOf(path);
    this.ensureDirectory(parent);
    const host = this.#host(path);
    try {
      make(host);
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      this.#clear(path);
      make(host);
    }
    this.tree.forget(path);
    this.#touch(parent);
  }

  /** Takes a name out of the new layer. */
  #clear(path: BytePath): void {
    const host = this.#host(path);
    try {
      unlinkSync(host);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT') return;
      if (code !== 'EISDIR' && code !== 'EPERM') throw error;
      this.#clearDirectory(path);
    }
    this.tree.forget(path);
  }

  #clearDirectory(path: BytePath): void {
    rmSync(this.#host(path), { recursive: true, force: true });
    for (const known of this.#directories.keys()) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.#directories.delete(known);
      this.#batch?.delete(known);
    }
  }

  async #copyUpFile(path: BytePath): Promise<void> {
    const host = this.#host(path);
    const node = this.tree.lookup(path);
    if (node === undefined || node.type === 'directory') {
      throw new ArchBuildError(
        'COPY',
        `cannot link to ${formatBytePath(path)}: it is ${node === undefined ? 'missing' : 'a directory'}`,
      );
    }
    if (node.host.equals(host)) return;
    if (node.type !== 'file')
      throw new ArchBuildError(
        'COPY',
        `cannot link to ${formatBytePath(path)}: it is a ${node.type} of a layer below`,
      );
    await this.copyFile(path, node, attributesOf(node));
  }

  #touch(path: BytePath, { gainsName = true } = {}): void {
    const directory = this.#directories.get(path);
    if (directory === undefined) return;
    if (gainsName && !directory.isFixed && this.#now !== undefined) directory.mtimeNs = this.#now;
    if (this.#batch === undefined) this.#restoreTime(path);
    else this.#batch.add(path);
  }

  #restoreTime(path: BytePath): void {
    const directory = this.#directories.get(path);
    if (directory !== undefined) setModificationTime(this.#host(path), directory.mtimeNs);
  }
}
