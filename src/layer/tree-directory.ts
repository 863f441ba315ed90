/**
 * One directory of a merged tree, with the layers that contribute to it. Whoever walks a tree goes from directory to
 * directory, so a name costs one `lstat` in the layers of its own directory, never one in each layer of the image.
 */
import { readdirSync, type Dirent } from 'node:fs';
import { listXattrs, readXattr } from '../sys/xattr.ts';
import type { OverlayNamespace } from '../sys/identity.ts';
import { joinBytePath, textOfBytes, type BytePath } from './byte-path.ts';
import { readLiveDirectory } from './live-directory.ts';
import { hostError, nodeType, statPath, type NodeStat, type NodeType, type TreeNode } from './tree-node.ts';
import { opaqueXattr, whiteoutXattr } from './whiteout.ts';

/** How the layers of a tree are to be read. */
export interface TreeReading {
  /** Undefined: plain directories, in which nothing means a whiteout. */
  readonly overlay: OverlayNamespace | undefined;
  /** Names that are not there for whoever reads the tree. */
  readonly filter: TreeFilter | undefined;
}

/** The part of an ignore matcher a tree needs; paths are UTF-8 text without a leading slash. */
export interface TreeFilter {
  readonly excludes: (path: string) => boolean;
  readonly mayContainIncluded: (directory: string) => boolean;
}

/** A directory of one layer. */
export interface TreePart {
  /** Host path as a byte string. */
  readonly host: string;
  /** Whiteouts may be files marked by an xattr. */
  readonly xattrWhiteouts: boolean;
}

/** Longer names exist nowhere: asking the kernel would be an error. */
const MAX_NAME = 255;

export class TreeDirectory {
  readonly path: BytePath;
  readonly node: TreeNode;
  /** Topmost first. */
  readonly parts: readonly TreePart[];
  readonly #reading: TreeReading;
  readonly #children = new Map<string, TreeDirectory>();
  /** Name to index in `parts`, once all were read. */
  #winners: Map<string, number> | undefined;
  #names: readonly string[] | undefined;
  /** Of plain directories, once read. */
  readonly #seen = new Map<string, NodeStat>();
  /** The names that the filter leaves, once it was asked about all. */
  #shown: ReadonlySet<string> | undefined;

  constructor(node: TreeNode, parts: readonly TreePart[], reading: TreeReading) {
    this.path = node.path;
    this.node = node;
    this.parts = parts;
    this.#reading = reading;
  }

  /** Host path, as a byte string, where all of this directory is one layer's, and each file in it what it seems. */
  get soleLayer(): string | undefined {
    const { overlay, filter } = this.#reading;
    const [part, ...others] = this.parts;
    const isSole = overlay !== undefined && filter === undefined && others.length === 0;
    return isSole && part?.xattrWhiteouts === false ? part.host : undefined;
  }

  /** The merged names, sorted bytewise. */
  names(): readonly string[] {
    this.#names ??= this.#listNames();
    return this.#names;
  }

  /** No symlink is followed. */
  lookup(name: string): TreeNode | undefined {
    const found = this.#find(name);
    return found === undefined || this.#hides(found.node, name) ? undefined : found.node;
  }

  /** The directory of that name; undefined when it is none. */
  open(name: string): TreeDirectory | undefined {
    const child = this.#openAny(name);
    return child === undefined || this.#hides(child.node, name) ? undefined : child;
  }

  /** Forgets what is known about a name, because a layer was changed there. */
  forget(name: string): void {
    this.#children.delete(name);
    this.#winners = undefined;
    this.#names = undefined;
    this.#shown = undefined;
  }

  /** Reads all contributing directories at once: worth it before many lookups. */
  load(): void {
    if (this.#winners !== undefined) return;
    this.#winners = new Map();
    const deleted = new Set<string>();
    for (const [index, part] of this.parts.entries()) {
      for (const { name, isDeleted } of this.#namesIn(part)) {
        if (this.#winners.has(name) || deleted.has(name)) continue;
        if (isDeleted) deleted.add(name);
        else this.#winners.set(name, index);
      }
    }
  }

  #listNames(): string[] {
    this.load();
    const names = [...(this.#winners?.keys() ?? [])].sort(); // one char per byte: that is bytewise
    const { filter } = this.#reading;
    if (filter === undefined) return names;
    const isShown = (name: string): boolean =>
      !filter.excludes(textOfBytes(joinBytePath(this.path, name))) || this.lookup(name) !== undefined;
    const shown = names.filter(isShown);
    this.#shown = new Set(shown);
    return shown;
  }

  #namesIn(part: TreePart): { name: string; isDeleted: boolean }[] {
    if (this.#reading.overlay === undefined) {
      const found = readLiveDirectory(Buffer.from(part.host, 'latin1'));
      for (const [name, stat] of found) if (!this.#seen.has(name)) this.#seen.set(name, stat);
      return Array.from(found.keys(), (name) => ({ name, isDeleted: false }));
    }
    return readEntries(part).map((entry) => {
      const maybe = entry.isCharacterDevice() || (part.xattrWhiteouts && entry.isFile());
      return { name: entry.name, isDeleted: maybe && this.#statIn(part, entry.name) === 'whiteout' };
    });
  }

  #find(name: string): { node: TreeNode; index: number } | undefined {
    if (name.length > MAX_NAME || name.includes('\0')) return undefined;
    const winner = this.#winners?.get(name);
    if (this.#winners !== undefined && winner === undefined) return undefined;
    const seen = this.#seen.get(name);
    const isLive = this.#reading.overlay === undefined && seen === undefined;
    for (let index = winner ?? 0; index < this.parts.length; index++) {
      const part = this.parts[index];
      const stat = part === undefined ? undefined : (seen ?? this.#statIn(part, name));
      if (part === undefined || stat === undefined) continue;
      if (stat === 'whiteout') return undefined;
      const place = { path: joinBytePath(this.path, name), part, name };
      return { node: new FoundNode(place, stat, isLive), index };
    }
    return undefined;
  }

  #statIn(part: TreePart, name: string): NodeStat | 'whiteout' | undefined {
    const host = childHost(part, name);
    const stat = statPath(host);
    const { overlay } = this.#reading;
    if (stat === undefined || overlay === undefined) return stat;
    const isDevice = stat.rdev === 0n && nodeType(stat.mode) === 'char';
    if (isDevice || (part.xattrWhiteouts && isXattrWhiteout(host, stat, overlay))) return 'whiteout';
    return stat;
  }

  #openAny(name: string): TreeDirectory | undefined {
    const known = this.#children.get(name);
    if (known !== undefined) return known;
    const found = this.#find(name);
    if (found?.node.type !== 'directory') return undefined;
    const parts: TreePart[] = [];
    for (const part of this.parts.slice(found.index)) {
      const stat = parts.length === 0 ? found.node.stat : this.#statIn(part, name);
      if (stat === undefined) continue;
      if (stat === 'whiteout' || nodeType(stat.mode) !== 'directory') break;
      const mark = readMark(childHost(part, name), this.#reading.overlay);
      parts.push({ host: `${part.host}/${name}`, xattrWhiteouts: mark === 'x' });
      if (mark === 'y') break;
    }
    const child = new TreeDirectory(found.node, parts, this.#reading);
    this.#children.set(name, child);
    return child;
  }

  /** An excluded directory is there as long as something below it is. */
  #hides(node: TreeNode, name: string): boolean {
    const { filter } = this.#reading;
    if (filter === undefined || this.#shown?.has(name) === true) return false;
    const path = textOfBytes(node.path);
    if (!filter.excludes(path)) return false;
    if (node.type !== 'directory' || !filter.mayContainIncluded(path)) return true;
    return this.#openAny(name)?.names().length === 0;
  }
}

interface FoundPlace {
  readonly path: BytePath;
  readonly part: TreePart;
  readonly name: string;
}

/** Most files of a tree are only looked at: the bytes of the host path are made for who opens one. */
class FoundNode implements TreeNode {
  readonly path: BytePath;
  readonly stat: NodeStat;
  readonly type: NodeType;
  readonly isLive: boolean;
  readonly #part: TreePart;
  readonly #name: string;

  constructor({ path, part, name }: FoundPlace, stat: NodeStat, isLive: boolean) {
    this.path = path;
    this.stat = stat;
    this.type = nodeType(stat.mode);
    this.isLive = isLive;
    this.#part = part;
    this.#name = name;
  }

  get host(): Buffer {
    return childHost(this.#part, this.#name);
  }
}

/** `y`: nothing below counts. `x`: whiteouts in it may be xattrs. */
export function readMark(host: Buffer, overlay: OverlayNamespace | undefined): string | undefined {
  if (overlay === undefined || !listXattrs(host).includes(opaqueXattr(overlay))) return undefined;
  return readXattr(host, opaqueXattr(overlay))?.toString('latin1');
}

/** The newer form of a whiteout; `stat` is the file's. Asked only inside a directory marked `x`. */
export function isXattrWhiteout(host: Buffer, stat: NodeStat, overlay: OverlayNamespace): boolean {
  if (stat.size !== 0n || nodeType(stat.mode) !== 'file') return false;
  return listXattrs(host).includes(whiteoutXattr(overlay));
}

const childHost = (part: TreePart, name: string): Buffer => Buffer.from(`${part.host}/${name}`, 'latin1');

function readEntries(part: TreePart): Dirent[] {
  const host = Buffer.from(part.host, 'latin1');
  try {
    return readdirSync(host, { encoding: 'latin1', withFileTypes: true });
  } catch (cause) {
    throw hostError('read', host, cause);
  }
}
