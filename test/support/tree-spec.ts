/** Directories from tables: what a test wants on disk, and what is there. Modes and times are set exactly. */
import {
  chmodSync,
  linkSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeNode, setTimes } from '../../src/sys/special-file.ts';
import { writeXattr } from '../../src/sys/xattr.ts';

export interface Item {
  /** `whiteout` is overlayfs's device, `xwhiteout` its newer form. */
  readonly type: 'file' | 'dir' | 'symlink' | 'fifo' | 'char' | 'whiteout' | 'xwhiteout' | 'link';
  readonly content?: string;
  /** Of a symlink, or the earlier path a hard link shares. */
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  readonly xattrs?: Readonly<Record<string, string>>;
}

export const OLD = 1_000_000_000_000_000_000n;

export const file = (content = '', rest: Partial<Item> = {}): Item => ({ type: 'file', content, ...rest });
export const dir = (rest: Partial<Item> = {}): Item => ({ type: 'dir', ...rest });
export const opaque = (rest: Partial<Item> = {}): Item => ({
  type: 'dir',
  xattrs: { 'trusted.overlay.opaque': 'y' },
  ...rest,
});
export const symlink = (target: string, rest: Partial<Item> = {}): Item => ({
  type: 'symlink',
  target,
  ...rest,
});
export const hardLink = (target: string): Item => ({ type: 'link', target });
export const whiteout: Item = { type: 'whiteout' };

/** Missing parents are 0755. Returns the root. Directory times are set last, to OLD unless given. */
export function makeTree(root: string, items: Readonly<Record<string, Item>>): string {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  for (const [path, item] of Object.entries(items)) {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    makeItem(root, join(root, path), item);
  }
  for (const path of walk(root).reverse()) {
    const item = items[path];
    if (lstatSync(join(root, path)).isDirectory()) setTimes(join(root, path), item?.mtimeNs ?? OLD);
  }
  setTimes(root, OLD);
  return root;
}

function makeItem(root: string, host: string, item: Item): void {
  switch (item.type) {
    case 'file':
      writeFileSync(host, item.content ?? '');
      break;
    case 'xwhiteout':
      writeFileSync(host, '');
      writeXattr(host, 'trusted.overlay.whiteout', Buffer.from(''));
      break;
    case 'dir':
      mkdirSync(host, { recursive: true });
      break;
    case 'symlink':
      symlinkSync(item.target ?? '', host);
      break;
    case 'link':
      linkSync(join(root, item.target ?? ''), host);
      return;
    case 'fifo':
      makeNode(host, 0o010600);
      break;
    case 'char':
      makeNode(host, 0o020600, { major: 1, minor: 3 });
      break;
    case 'whiteout':
      makeNode(host, 0o020000);
      return;
  }
  lchownSync(host, item.uid ?? 0, item.gid ?? 0);
  if (item.type !== 'symlink') chmodSync(host, item.mode ?? (item.type === 'dir' ? 0o755 : 0o644));
  for (const [name, value] of Object.entries(item.xattrs ?? {}))
    writeXattr(host, name, Buffer.from(value, 'latin1'));
  setTimes(host, item.mtimeNs ?? OLD);
}

/** Every path below, parents first, sorted bytewise. */
function walk(root: string, at = ''): string[] {
  const names = readdirSync(join(root, at)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return names.flatMap((name) => {
    const path = at === '' ? name : `${at}/${name}`;
    return lstatSync(join(root, path)).isDirectory() ? [path, ...walk(root, path)] : [path];
  });
}

/** One line per path: type, permissions, owner, and content, target or device. */
export function describeTree(root: string): Record<string, string> {
  return Object.fromEntries(walk(root).map((path) => [path, describeFile(join(root, path))]));
}

export function describeFile(host: string): string {
  const stat = lstatSync(host);
  const owner = stat.uid === 0 && stat.gid === 0 ? '' : ` ${stat.uid}:${stat.gid}`;
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0') + owner;
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(host)}${owner}`;
  if (stat.isDirectory()) return `dir ${mode}`;
  if (stat.isFile())
    return `file ${mode} ${stat.size > 200 ? `${stat.size} bytes` : readFileSync(host, 'utf8')}`.trimEnd();
  if (stat.isFIFO()) return `fifo ${mode}`;
  if (stat.isSocket()) return `socket ${mode}`;
  if (stat.isCharacterDevice())
    return stat.rdev === 0 ? 'whiteout' : `char ${mode} ${stat.rdev >> 8},${stat.rdev & 255}`;
  return `block ${mode}`;
}
