/**
 * The files of an image as lines of text, from the tars of its layers or from one tar of everything: one line per
 * path, `PATH TYPE MODE UID:GID` and the content's hash or the link's target. Times are left out, and so is what the
 * sandboxes of builders mount.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as tar from 'tar';

interface Item {
  readonly text: string;
  readonly isDirectory: boolean;
}

/** Absolute path → item. Names of one file share the item. */
export type ImageTree = ReadonlyMap<string, Item>;

const MOUNTED = /^\/(?:dev|proc|sys)(?:\/|$)|^\/etc\/(?:hosts|resolv\.conf|hostname)$/;

const TYPES: Readonly<Record<string, string>> = {
  File: 'file',
  OldFile: 'file',
  Directory: 'dir',
  SymbolicLink: 'symlink',
  FIFO: 'fifo',
  CharacterDevice: 'char',
  BlockDevice: 'block',
};

/** The layers of an image, the lowest first; plain or compressed. */
export async function readTree(tars: readonly string[]): Promise<ImageTree> {
  const tree = new Map<string, Item>();
  for (const path of tars) await applyLayer(tree, await readFile(path));
  return tree;
}

async function applyLayer(tree: Map<string, Item>, bytes: Buffer): Promise<void> {
  const entries = await readEntries(bytes);
  // a layer hides only what is below it, wherever in it the mark stands
  for (const { path } of entries) {
    const [, folder = '', name = ''] = /^(.*)\/\.wh\.([^/]*)$/.exec(path) ?? [];
    if (name === '.wh..opq') removeBelow(tree, folder);
    else if (name !== '') removeWhole(tree, `${folder}/${name}`);
  }
  for (const { path, item, link } of entries) {
    if (/\/\.wh\.[^/]*$/.test(path)) continue;
    const placed = link === undefined ? item : tree.get(link);
    if (placed === undefined) throw new Error(`${path} is a link to ${String(link)}, which is not there`);
    if (!placed.isDirectory) removeWhole(tree, path);
    tree.set(path, placed);
  }
}

function removeWhole(tree: Map<string, Item>, path: string): void {
  tree.delete(path);
  removeBelow(tree, path);
}

function removeBelow(tree: Map<string, Item>, folder: string): void {
  for (const path of tree.keys()) if (path.startsWith(`${folder}/`)) tree.delete(path);
}

interface Entry {
  readonly path: string;
  readonly item: Item;
  readonly link?: string;
}

async function readEntries(bytes: Buffer): Promise<Entry[]> {
  if (bytes.every((byte) => byte === 0)) return []; // what the parser does not take for an archive
  const entries: Promise<Entry>[] = [];
  let attributes = '';
  const parser = new tar.Parser({ strict: true });
  parser.on('meta', (records: string) => (attributes = describeXattrs(records)));
  parser.on('entry', (entry: tar.ReadEntry) => {
    entries.push(describe(entry, attributes));
    attributes = '';
  });
  await new Promise((resolve, reject) => {
    parser.on('end', resolve).on('error', reject);
    parser.end(bytes);
  });
  return Promise.all(entries);
}

/** Of a PAX header. Other namespaces than `user` differ from host to host. */
function describeXattrs(records: string): string {
  return [...records.matchAll(/^\d+ SCHILY\.xattr\.(user\.[^=]+)=(.*)$/gm)]
    .map(([, name = '', value = '']) => ` ${name}=${value}`)
    .sort()
    .join('');
}

async function describe(entry: tar.ReadEntry, attributes: string): Promise<Entry> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of entry as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  const path = absolute(entry.path);
  const type = TYPES[entry.type];
  if (entry.type === 'Link') return { path, item: nowhere, link: absolute(entry.linkpath ?? '') };
  if (type === undefined) throw new Error(`${path} is a ${entry.type}`);
  const rest: Readonly<Record<string, string>> = {
    file: ` ${String(size)} ${hash.digest('hex').slice(0, 16)}`,
    symlink: ` -> ${entry.linkpath ?? ''}`,
    char: ` ${String(entry.header.devmaj)}:${String(entry.header.devmin)}`,
  };
  // the mode of a symbolic link means nothing
  const mode = type === 'symlink' ? '' : ` ${((entry.mode ?? 0) & 0o7777).toString(8).padStart(4, '0')}`;
  const owner = `${String(entry.uid ?? 0)}:${String(entry.gid ?? 0)}`;
  return {
    path,
    item: { text: `${type}${mode} ${owner}${rest[type] ?? ''}${attributes}`, isDirectory: type === 'dir' },
  };
}

const nowhere: Item = { text: '', isDirectory: false };

const absolute = (path: string): string => `/${path.replace(/^\.?\/+/, '').replace(/\/+$/, '')}`;

/**
 * What the tree has more and less than the base, sorted: `+ PATH …` and `- PATH`. Of several names of one file the
 * first has its text, the others say `= FIRST`.
 */
export function describeTree(tree: ImageTree, base: ImageTree): string[] {
  const before = lines(base);
  const after = lines(tree);
  return [
    ...[...before.keys()].filter((path) => !after.has(path)).map((path) => `- ${path}`),
    ...[...after]
      .filter(([path, text]) => before.get(path) !== text)
      .map(([path, text]) => `+ ${path} ${text}`),
  ];
}

function lines(tree: ImageTree): Map<string, string> {
  const first = new Map<Item, string>();
  const result = new Map<string, string>();
  for (const path of [...tree.keys()].sort()) {
    if (path === '/' || MOUNTED.test(path)) continue;
    const item = tree.get(path)!;
    const earlier = first.get(item);
    if (earlier === undefined) first.set(item, path);
    result.set(path, earlier === undefined ? item.text : `= ${earlier}`);
  }
  return result;
}
