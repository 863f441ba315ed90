/**
 * The directory a layer is unpacked into, seen together with the layers below it: where a path really is, which
 * directories have to be made on the way, and what hides what.
 *
 * Symlinks are followed here, name by name, and never by the kernel: nothing can lead out of the target. The target
 * is private to us while we work, so what was looked at does not change.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, unlinkSync, type BigIntStats } from 'node:fs';
import { systemErrorCode } from '../errors.ts';
import { makeNode, S_IFCHR } from '../sys/special-file.ts';
import { writeXattr } from '../sys/xattr.ts';
import type { OverlayNamespace } from '../sys/identity.ts';
import { applyAttributes, attributesOf, setModificationTime, type Attributes } from './attributes.ts';
import { baseNameOf, formatBytePath, joinBytePath, parentOf, ROOT, type BytePath } from './byte-path.ts';
import { MergedTree, readLink } from './merged-tree.ts';
import type { TreeDirectory } from './tree-directory.ts';
import { invalidLayer } from './tar-format.ts';
import type { TreeNode } from './tree-node.ts';
import { opaqueXattr } from './whiteout.ts';

/** What is at a path of the target itself. */
export type Occupant = 'nothing' | 'whiteout' | 'directory' | 'other';

/** As the kernel. */
const MAX_SYMLINKS = 40;

/** Where a walk along a path is. */
interface Place {
  readonly at: BytePath;
  /** The directory of the layers below that shows there. */
  readonly below: TreeDirectory | undefined;
  /** The target has it already, as a directory. */
  readonly isHere: boolean;
}

interface KnownDirectory {
  /** What it gets when everything is in. */
  mtimeNs: bigint;
  /** The same directory of the layers below, as far as it shows. */
  below: TreeDirectory | undefined;
  /** How many directories were opaque when that was looked at. */
  opaqueThen: number;
}

export class LayerTarget {
  readonly #top: string;
  readonly #lowers: MergedTree;
  readonly #overlay: OverlayNamespace;
  /** The directories of the target. */
  readonly #directories = new Map<BytePath, KnownDirectory>();
  /** Directories that hide what the layers below have there. */
  readonly #opaque = new Set<BytePath>();

  /** `directory` is empty and becomes the root: it has the root's attributes of the layers below at once. */
  constructor(
    directory: string,
    { lowers, overlay }: { lowers: readonly string[]; overlay: OverlayNamespace },
  ) {
    this.#top = Buffer.from(directory, 'utf8').toString('latin1');
    this.#lowers = new MergedTree(lowers, { overlay });
    this.#overlay = overlay;
    this.setDirectory(ROOT, attributesOf(this.#lowers.root.node));
  }

  host(path: BytePath): Buffer {
    return Buffer.from(path === '' ? this.#top : `${this.#top}/${path}`, 'latin1');
  }

  /**
   * Where the entry called `path` goes: its parent's symlinks followed within the root, its own not, all parents
   * made. Throws LAYER_INVALID when a parent is not a directory.
   */
  locate(path: BytePath): BytePath {
    const parent = parentOf(path);
    if (this.#directories.has(parent)) return path;
    const resolved = this.#resolve(parent);
    this.#ensureDirectory(resolved);
    return joinBytePath(resolved, baseNameOf(path));
  }

  /** As `locate`, but makes nothing. */
  find(path: BytePath): BytePath {
    const parent = parentOf(path);
    return this.#directories.has(parent) ? path : joinBytePath(this.#resolve(parent), baseNameOf(path));
  }

  occupant(path: BytePath): Occupant {
    if (this.#directories.has(path)) return 'directory';
    const stats = this.stat(path);
    if (stats === undefined) return 'nothing';
    if (stats.isDirectory()) return 'directory';
    return isWhiteout(stats) ? 'whiteout' : 'other';
  }

  stat(path: BytePath): BigIntStats | undefined {
    return lstatSync(this.host(path), { bigint: true, throwIfNoEntry: false });
  }

  /** What the layers below show at a path, unless this layer hides it. The parent need not be a directory here. */
  lower(path: BytePath): TreeNode | undefined {
    return this.#below(parentOf(path))?.lookup(baseNameOf(path));
  }

  /** The directory at a path, which has a directory as parent. A whiteout there means: without what is below. */
  makeDirectory(path: BytePath, attributes: Attributes): void {
    const occupant = this.occupant(path);
    if (occupant === 'other') throw duplicate(path);
    if (occupant === 'whiteout') unlinkSync(this.host(path));
    if (occupant !== 'directory') mkdirSync(this.host(path), { mode: 0o700 });
    if (occupant === 'whiteout') this.hideLower(path);
    this.setDirectory(path, attributes);
  }

  setDirectory(path: BytePath, attributes: Attributes): void {
    const host = this.host(path);
    applyAttributes(host, 'directory', attributes);
    const known = this.#directories.get(path);
    if (known !== undefined) known.mtimeNs = attributes.mtimeNs;
    else {
      const below = this.#below(path);
      this.#directories.set(path, { mtimeNs: attributes.mtimeNs, below, opaqueThen: this.#opaque.size });
    }
  }

  /** Deletes `path` of the layers below; what this layer has there stays. */
  hide(path: BytePath): void {
    switch (this.occupant(path)) {
      case 'nothing':
        makeNode(this.host(path), S_IFCHR);
        return;
      case 'directory':
        this.hideLower(path);
        return;
      case 'whiteout':
        throw duplicate(path);
      case 'other': // covers what is below already
    }
  }

  /** Makes a directory opaque. */
  hideLower(directory: BytePath): void {
    this.#opaque.add(directory);
    if (directory !== ROOT) writeXattr(this.host(directory), opaqueXattr(this.#overlay), OPAQUE);
  }

  /** The last thing: directories' own times. */
  finish(): void {
    if (this.#opaque.has(ROOT)) this.#hideLowerRoot();
    for (const [path, { mtimeNs }] of this.#directories) setModificationTime(this.host(path), mtimeNs);
  }

  /** Overlayfs merges the roots whatever their marks say, so an opaque root is spelt out name by name. */
  #hideLowerRoot(): void {
    const names = new Set([
      ...this.#lowers.list(ROOT),
      ...readdirSync(this.host(ROOT), { encoding: 'latin1' }),
    ]);
    for (const name of names) {
      const path = joinBytePath(ROOT, name);
      if (this.occupant(path) !== 'whiteout') this.hide(path);
    }
  }

  /** The directory of the layers below that shows at a path. */
  #below(path: BytePath): TreeDirectory | undefined {
    const known = this.#directories.get(path);
    if (known === undefined) {
      if (path === ROOT) return this.#lowers.root;
      return this.#opaque.has(path) ? undefined : this.#below(parentOf(path))?.open(baseNameOf(path));
    }
    if (known.opaqueThen !== this.#opaque.size) {
      if (this.#isHidden(path)) known.below = undefined;
      known.opaqueThen = this.#opaque.size;
    }
    return known.below;
  }

  #isHidden(path: BytePath): boolean {
    for (let at = path; ; at = parentOf(at)) {
      if (this.#opaque.has(at)) return true;
      if (at === ROOT) return false;
    }
  }

  /** A directory's path with its symlinks followed; what does not exist is kept as written. */
  #resolve(path: BytePath): BytePath {
    const pending = path.split('/').reverse();
    let place = this.#placeAt(ROOT);
    for (let links = 0; pending.length > 0;) {
      const name = pending.pop();
      if (name === undefined || name === '' || name === '.') continue;
      const next = name === '..' ? this.#placeAt(parentOf(place.at)) : this.#step(place, name);
      if (typeof next !== 'string') {
        place = next;
        continue;
      }
      if (++links > MAX_SYMLINKS) throw invalidLayer(`too many symlinks in ${formatBytePath(path)}`);
      if (next.startsWith('/')) place = this.#placeAt(ROOT);
      pending.push(...next.split('/').reverse());
    }
    return place.at;
  }

  #placeAt(at: BytePath): Place {
    return { at, below: this.#below(at), isHere: this.occupant(at) === 'directory' };
  }

  /** One name further, or the target of the symlink that is there. */
  #step({ at, below, isHere }: Place, name: string): Place | string {
    const next = joinBytePath(at, name);
    if (this.#directories.has(next)) return { at: next, below: this.#below(next), isHere: true };
    const stats = isHere ? this.stat(next) : undefined;
    if (stats === undefined) {
      const node = below?.lookup(name);
      if (node?.type === 'symlink') return readLink(node);
      return { at: next, below: below?.open(name), isHere: false };
    }
    if (stats.isSymbolicLink()) return readlinkSync(this.host(next), { encoding: 'latin1' });
    if (isWhiteout(stats)) return { at: next, below: undefined, isHere: false };
    throw invalidLayer(`${formatBytePath(next)} is a parent of another entry but not a directory`);
  }

  /** Directories the archive does not name look as they do below, else 0755 and root's. */
  #ensureDirectory(path: BytePath): void {
    if (this.#directories.has(path)) return;
    this.#ensureDirectory(parentOf(path));
    const node = this.occupant(path) === 'whiteout' ? undefined : this.lower(path);
    this.makeDirectory(path, node?.type === 'directory' ? attributesOf(node) : PLAIN);
  }
}

const OPAQUE = Buffer.from('y');
const PLAIN: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n };

const isWhiteout = (stats: BigIntStats): boolean => stats.isCharacterDevice() && stats.rdev === 0n;

export const duplicate = (path: BytePath): Error =>
  invalidLayer(`${formatBytePath(path)} is in the layer twice`);

const INVALID_CODES = new Set([
  'ENAMETOOLONG',
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'ELOOP',
  'EINVAL',
  'EMLINK',
  'ERANGE',
]);

/** Whether what the kernel refused is the archive's fault. */
export const isArchiveFault = (error: unknown): boolean => INVALID_CODES.has(systemErrorCode(error) ?? '');
