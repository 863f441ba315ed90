/**
 * COPY: puts selected sources into a new layer. The rules are BuildKit's: contents of directories are spread into the
 * destination, a file goes inside an existing directory, directories below keep the source's attributes.
 */
import { ArchBuildError } from '../errors.ts';
import { cleanBytePath, formatBytePath, joinBytePath, parentOf, type BytePath } from '../layer/byte-path.ts';
import { xattrsOf, type Attributes } from '../layer/attributes.ts';
import type { LayerWriter } from '../layer/layer-writer.ts';
import { readLink, type MergedTree } from '../layer/merged-tree.ts';
import { permissionsOf, type TreeNode } from '../layer/tree-node.ts';
import { decodeDevice } from '../sys/special-file.ts';
import { abortableTurns } from './abortable-turns.ts';
import type { ModeChange } from './chmod.ts';
import type { SelectedSource } from './copy-sources.ts';
import type { SelectedFile } from './source-walk.ts';

export interface CopyRequest {
  readonly sources: readonly SelectedSource[];
  /** After expansion; relative to `workdir`. */
  readonly destination: string;
  /** Absolute path in the image. */
  readonly workdir: string;
  /** How many words the instruction has before the destination. */
  readonly wordCount: number;
  /** Of everything copied and of directories made on the way; without it root's, or the source's with `keepsOwner`. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** What becomes of the permission bits of everything copied but symlinks. */
  readonly chmod?: ModeChange;
  /** Owner and capabilities come along: copies from another stage. */
  readonly keepsOwner: boolean;
  /**
   * `sealer-v1`: every source lands in the destination under its own name, and a source that is called what the
   * destination is called takes its place.
   */
  readonly placement: 'docker' | 'sealer-v1';
  readonly signal?: AbortSignal;
}

/** Throws COPY when source and destination do not fit, CONTEXT when a source changed since it was selected. */
export async function copyFiles(writer: LayerWriter, request: CopyRequest): Promise<void> {
  const destination = destinationOf(writer, request);
  const copier = new Copier(writer, request);
  await writer.batch(async () => {
    for (const source of request.sources) await copier.copy(source, destination);
  });
}

export interface Destination {
  /** Resolved in the rootfs: no symlinks left. */
  readonly path: BytePath;
  /** What the destination was called, whatever it is a symlink to. */
  readonly name: string;
  /** Named as a directory, or one already. */
  readonly isDirectory: boolean;
}

/** Throws COPY when the sources do not fit there. */
export function destinationOf({ tree }: { readonly tree: MergedTree }, request: CopyRequest): Destination {
  const { destination, workdir, placement, sources, wordCount } = request;
  const text = destination.startsWith('/') ? destination : `${workdir}/${destination}`;
  const lexical = cleanBytePath(Buffer.from(text, 'utf8').toString('latin1'));
  const { path, node } = tree.resolve(lexical);
  const name = lastNameOf(destination);
  const isSealers = placement === 'sealer-v1';
  const isNamed = isSealers
    ? sources.some((source) => source.name === '' || source.name !== name)
    : /(^|\/)\.{0,2}$/.test(destination);
  const isDirectory = isNamed || node?.type === 'directory';
  if (node !== undefined && node.type !== 'directory') {
    const directory = sources.find((source) => source.node.type === 'directory');
    if (directory !== undefined || isNamed) {
      throw new ArchBuildError(
        'COPY',
        `cannot copy into ${formatBytePath(lexical)}: it is a ${node.type} in the image, not a directory`,
      );
    }
  }
  if (!isDirectory && !isSealers && (wordCount > 1 || sources.length > 1)) {
    throw new ArchBuildError(
      'COPY',
      `several sources need a directory as destination, and ${JSON.stringify(destination)} is none`,
      {
        hint: `write ${JSON.stringify(`${destination}/`)}`,
      },
    );
  }
  return { path, name, isDirectory };
}

/** Empty for one that ends in `.` or `..`: those are no names. */
function lastNameOf(destination: string): string {
  const last = destination.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return last === '.' || last === '..' ? '' : Buffer.from(last, 'utf8').toString('latin1');
}

/** Where a source goes, and whether it is a directory whose contents go there without itself. */
export interface Placed {
  readonly top: BytePath;
  readonly isSpread: boolean;
}

/** To the destination, whose name it takes, or into it. */
export function placedAt(
  { name, node }: Pick<SelectedSource, 'name' | 'node'>,
  destination: Destination,
  { placement }: Pick<CopyRequest, 'placement'>,
): Placed {
  const { path, isDirectory } = destination;
  const isSealers = placement === 'sealer-v1' && name !== '';
  if (isSealers && name === destination.name) return { top: path, isSpread: false };
  const goesInside = isSealers || (isDirectory && node.type !== 'directory' && name !== '');
  if (goesInside) return { top: joinBytePath(path, name), isSpread: false };
  return { top: path, isSpread: node.type === 'directory' };
}

class Copier {
  readonly #writer: LayerWriter;
  readonly #request: CopyRequest;
  /** Directories that this copy made, where nothing was before. */
  readonly #own = new Set<BytePath>();
  readonly #turn: () => Promise<void> | undefined;

  constructor(writer: LayerWriter, request: CopyRequest) {
    this.#writer = writer;
    this.#request = request;
    this.#turn = abortableTurns(request.signal);
  }

  async copy({ name, node, files }: SelectedSource, destination: Destination): Promise<void> {
    // The directory that is spread is not copied itself: an existing one stays as it is, a new one is 0755.
    const { top, isSpread } = placedAt({ name, node }, destination, this.#request);
    if (isSpread && this.#writer.tree.lookup(top) === undefined) this.#own.add(top);
    if (isSpread) this.#writer.ensureDirectory(top, this.#request.owner);
    else this.#writer.ensureParents(top, this.#request.owner);
    const links = new Map<string, BytePath>();
    for (const file of isSpread ? files.slice(1) : files) {
      const target = file.path === '' ? top : joinBytePath(top, file.path);
      const pause = this.#place(target, file, links) ?? this.#turn();
      if (pause !== undefined) await pause;
    }
  }

  #place(path: BytePath, { node }: SelectedFile, links: Map<string, BytePath>): Promise<void> | undefined {
    this.#refuseConflict(path, node);
    if (node.type !== 'file' || node.stat.nlink === 1n) return this.#create(path, node);
    const inode = `${node.stat.dev}:${node.stat.ino}`;
    const first = links.get(inode);
    if (first !== undefined) return this.#writer.makeHardLink(path, first);
    links.set(inode, path);
    return this.#create(path, node);
  }

  #refuseConflict(path: BytePath, node: TreeNode): void {
    const isDirectory = node.type === 'directory';
    // Only what was copied before can be in a directory of our own, and of that only a directory can be in the way.
    if (!isDirectory && this.#own.has(parentOf(path)) && !this.#own.has(path)) return;
    const existing = this.#writer.tree.lookup(path);
    if (existing === undefined) {
      if (isDirectory) this.#own.add(path);
    } else if ((existing.type === 'directory') !== isDirectory) {
      throw new ArchBuildError(
        'COPY',
        `cannot replace ${formatBytePath(path)}, a ${existing.type} of the image, by a ${node.type}`,
        { hint: 'remove it in a RUN before' },
      );
    }
  }

  #create(path: BytePath, node: TreeNode): Promise<void> | undefined {
    const writer = this.#writer;
    const attributes = this.#attributesOf(node);
    switch (node.type) {
      case 'file':
        return writer.copyFile(path, node, attributes);
      case 'directory':
        writer.makeDirectory(path, attributes);
        return undefined;
      case 'symlink':
        writer.makeSymlink(path, readLink(node), attributes);
        return undefined;
      case 'socket':
        writer.writeFile(path, Buffer.alloc(0), attributes);
        return undefined;
      case 'fifo':
      case 'char':
      case 'block':
        writer.makeNode(path, { type: node.type, device: decodeDevice(node.stat.rdev) }, attributes);
        return undefined;
    }
  }

  #attributesOf(node: TreeNode): Attributes {
    const { owner, chmod, keepsOwner } = this.#request;
    const own = keepsOwner ? { uid: Number(node.stat.uid), gid: Number(node.stat.gid) } : { uid: 0, gid: 0 };
    const permissions = permissionsOf(node.stat);
    const hasXattrs = keepsOwner && (node.type === 'file' || node.type === 'directory');
    return {
      ...(owner ?? own),
      mode: chmod?.(permissions, node.type === 'directory') ?? permissions,
      mtimeNs: wholeSecond(node.stat.mtimeNs),
      ...(hasXattrs && { xattrs: xattrsOf(node) }),
    };
  }
}

/** As a layer keeps it, so that a snapshot and the same layer pulled again agree. */
const wholeSecond = (mtimeNs: bigint): bigint => mtimeNs - (((mtimeNs % BILLION) + BILLION) % BILLION);
const BILLION = 1_000_000_000n;
