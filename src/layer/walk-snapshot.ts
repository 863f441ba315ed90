/**
 * The entries of a snapshot in the one order its layer has: parents before children, and inside a directory first
 * the opaque mark, then the whiteouts, then the rest, each sorted bytewise. Never follows a symlink.
 */
import { lstatSync, readdirSync, type BigIntStats, type Dirent } from 'node:fs';
import { namesOf, nameWith } from '../sys/directory-listing.ts';
import { PackedFiles } from '../sys/packed-files.ts';
import { listXattrs, readXattr } from '../sys/xattr.ts';
import type { OverlayNamespace } from '../sys/identity.ts';
import { formatBytePath, joinBytePath, pathPrefix, ROOT, type BytePath } from './byte-path.ts';
import { readDeviceMark, type DeviceNode } from './device-node.ts';
import { invalidLayer } from './tar-format.ts';
import { DEVICE_MARK, isLayerXattr, opaqueXattr, whiteoutXattr, WHITEOUT_PREFIX } from './whiteout.ts';

export type SingleNode =
  | {
      readonly kind: 'entry';
      readonly path: BytePath;
      readonly host: Buffer;
      readonly stats: BigIntStats;
      /** Those that belong into a layer. */
      readonly xattrs: ReadonlyMap<string, Buffer>;
      /** What the file stands for, in a rootless store. */
      readonly device?: DeviceNode | undefined;
    }
  /** `path` is what is deleted. */
  | { readonly kind: 'whiteout'; readonly path: BytePath }
  /** `path` is the directory whose lower content is hidden. */
  | { readonly kind: 'opaque'; readonly path: BytePath };

/** Of the plain files that come next as many as there is room for are to be packed before the next node is asked for. */
export type SnapshotNode = SingleNode | { readonly kind: 'files'; readonly files: PackedFiles };

export type SnapshotEntry = Extract<SingleNode, { kind: 'entry' }>;

/** Throws LAYER_INVALID for a name that a layer cannot carry: it would delete its siblings. */
export function* walkSnapshot(directory: string): Generator<SnapshotNode> {
  const top = Buffer.from(directory, 'utf8').toString('latin1');
  const root = nodeAt(top, ROOT);
  yield root.node;
  const stack = [childrenOf(top, root)];
  try {
    for (;;) {
      const child = stack.at(-1)?.next();
      if (child === undefined) return;
      if (child.done === true) {
        stack.pop();
      } else if ('marks' in child.value) {
        yield child.value.node;
        if (child.value.node.stats.isDirectory()) stack.push(childrenOf(top, child.value));
      } else {
        yield child.value;
      }
    }
  } finally {
    for (const open of stack) open.return(undefined);
  }
}

/** One file as an entry of a layer, whatever overlay's attributes say of it. */
export const entryAt = (host: Buffer, path: BytePath): SnapshotEntry => visit(host, path).node;

interface Visited {
  readonly node: SnapshotEntry;
  readonly marks: Marks;
}

/** What overlay's own attributes say about a path. */
interface Marks {
  readonly opaque: boolean;
  /** A directory that may hold whiteouts in the xattr form. */
  readonly holdsXattrWhiteouts: boolean;
  readonly whiteout: boolean;
}

function* childrenOf(top: string, directory: Visited): Generator<SnapshotNode | Visited> {
  const { path, host } = directory.node;
  if (directory.marks.opaque) yield { kind: 'opaque', path };
  using files = directory.marks.holdsXattrWhiteouts ? undefined : PackedFiles.open(host, pathPrefix(path));
  if (files === undefined) yield* childrenOneByOne(top, directory);
  else yield* childrenTogether(top, { path, files });
}

/** What is plain goes together, the others one by one between them. */
function* childrenTogether(
  top: string,
  { path, files }: { readonly path: BytePath; readonly files: PackedFiles },
): Generator<SnapshotNode | Visited> {
  const reserved = nameWith(files.listing, WHITEOUT_PREFIX);
  if (reserved !== undefined) throw unstorable(joinBytePath(path, reserved));
  const devices = namesOf(files.listing, 'c').map((name) => nodeAt(top, joinBytePath(path, name)));
  const whiteouts = new Set(devices.filter(isWhiteout).map(({ node }) => node.path));
  for (const whiteout of whiteouts) yield { kind: 'whiteout', path: whiteout };
  for (const next of files.runs()) {
    if (next === 'plain') {
      yield { kind: 'files', files };
      continue;
    }
    const child = joinBytePath(path, next.name);
    if (next.type === 'd') files.close();
    if (next.type !== 's' && !whiteouts.has(child)) yield nodeAt(top, child);
  }
}

function* childrenOneByOne(top: string, directory: Visited): Generator<SnapshotNode | Visited> {
  const { host } = directory.node;
  const entries = readdirSync(host, { encoding: 'latin1', withFileTypes: true }).sort(byName);
  const { whiteouts, others } = partition(top, directory, entries);
  for (const whiteout of whiteouts) yield { kind: 'whiteout', path: whiteout };
  for (const other of others) {
    const visited = typeof other === 'string' ? nodeAt(top, other) : other;
    if (!visited.node.stats.isSocket()) yield visited;
  }
}

const byName = (a: Dirent, b: Dirent): number => (a.name < b.name ? -1 : 1);

/** Whiteouts come first, so they are found before anything is told; only what can be one is looked at for that. */
function partition(
  top: string,
  directory: Visited,
  entries: readonly Dirent[],
): { whiteouts: BytePath[]; others: (BytePath | Visited)[] } {
  const whiteouts: BytePath[] = [];
  const others: (BytePath | Visited)[] = [];
  for (const entry of entries) {
    const path = joinBytePath(directory.node.path, entry.name);
    if (entry.name.startsWith(WHITEOUT_PREFIX)) throw unstorable(path);
    const suspect = entry.isCharacterDevice() || (directory.marks.holdsXattrWhiteouts && entry.isFile());
    const visited = suspect ? nodeAt(top, path) : undefined;
    if (visited !== undefined && isWhiteout(visited)) whiteouts.push(path);
    else others.push(visited ?? path);
  }
  return { whiteouts, others };
}

const isWhiteout = ({ node: { stats }, marks }: Visited): boolean =>
  (stats.isCharacterDevice() && stats.rdev === 0n) || (stats.isFile() && stats.size === 0n && marks.whiteout);

const unstorable = (path: BytePath): Error =>
  invalidLayer(
    `${formatBytePath(path)} cannot be stored in a layer: names that begin with ${WHITEOUT_PREFIX} mean deletion`,
  );

const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();
const NO_MARKS: Marks = { opaque: false, holdsXattrWhiteouts: false, whiteout: false };
const NAMESPACES: readonly OverlayNamespace[] = ['trusted', 'user'];
const OPAQUE_NAMES = NAMESPACES.map(opaqueXattr);
const WHITEOUT_NAMES = NAMESPACES.map(whiteoutXattr);

const nodeAt = (top: string, path: BytePath): Visited =>
  visit(Buffer.from(path === '' ? top : `${top}/${path}`, 'latin1'), path);

function visit(host: Buffer, path: BytePath): Visited {
  const stats = lstatSync(host, { bigint: true });
  const names = stats.isFile() || stats.isDirectory() ? listXattrs(host) : [];
  if (names.length === 0)
    return { node: { kind: 'entry', path, host, stats, xattrs: NO_XATTRS }, marks: NO_MARKS };
  const xattrs = new Map<string, Buffer>();
  for (const name of names) {
    const value = isLayerXattr(name) ? readXattr(host, name) : undefined;
    if (value !== undefined) xattrs.set(name, value);
  }
  const isStandIn = stats.isFile() && stats.size === 0n && names.includes(DEVICE_MARK);
  const device = isStandIn ? readDeviceMark(host) : undefined;
  return { node: { kind: 'entry', path, host, stats, xattrs, device }, marks: marksOf(host, names) };
}

function marksOf(host: Buffer, names: readonly string[]): Marks {
  const opaque = OPAQUE_NAMES.filter((name) => names.includes(name)).map((name) =>
    readXattr(host, name)?.toString(),
  );
  return {
    opaque: opaque.includes('y'),
    holdsXattrWhiteouts: opaque.includes('x'),
    whiteout: WHITEOUT_NAMES.some((name) => names.includes(name)),
  };
}
