/** Archives from tables, and header blocks made by hand for what no honest writer makes. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readTar, type TarEntry } from '../../src/layer/tar-reader.ts';
import { encodeEntry, type EntryHeader } from '../../src/layer/tar-writer.ts';
import { listXattrs, readXattr } from '../../src/sys/xattr.ts';

export type Entry = Partial<Omit<EntryHeader, 'size'>> & {
  readonly path: string;
  readonly content?: string | Buffer;
};

export const TIME = 1_600_000_000;
const END = Buffer.alloc(1024);

export const fileEntry = (path: string, content = '', rest: Partial<Entry> = {}): Entry => ({
  path,
  content,
  ...rest,
});
export const dirEntry = (path: string, mode = 0o755): Entry => ({
  path: `${path}/`,
  type: 'directory',
  mode,
});
export const linkEntry = (path: string, linkPath: string): Entry => ({ path, type: 'hardlink', linkPath });
export const symlinkEntry = (path: string, linkPath: string): Entry => ({ path, type: 'symlink', linkPath });

export function tarOf(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.map(encode), END]);
}

function encode({ content = '', ...entry }: Entry): Buffer {
  const body = Buffer.from(content);
  const defaults = { type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: TIME } as const;
  return padded(Buffer.concat([encodeEntry({ ...defaults, ...entry, size: body.length }), body]));
}

export function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** A ustar header by hand. `fields` are raw bytes at offsets; the checksum comes out right unless given. */
export function rawHeader(
  name: string,
  flag: string,
  fields: Readonly<Record<number, string | Buffer>> = {},
): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 'latin1');
  const numbers = {
    100: '0000644\0',
    108: '0000000\0',
    116: '0000000\0',
    124: '00000000000\0',
    136: '00000000000\0',
  };
  const all = { ...numbers, 156: flag, 257: 'ustar\x0000', ...fields };
  for (const [offset, value] of Object.entries(all)) Buffer.from(value, 'latin1').copy(block, Number(offset));
  if (fields[148] === undefined) {
    block.write('        ', 148);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return block;
}

export const octal12 = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;

/** An extension header of any kind with its data. */
export function extension(flag: string, data: string | Buffer): Buffer {
  const bytes = Buffer.from(data as string, 'latin1');
  return Buffer.concat([rawHeader('extension', flag, { 124: octal12(bytes.length) }), padded(bytes)]);
}

/** PAX records from pairs, their lengths computed the slow and obvious way. */
export function paxRecords(records: readonly (readonly [string, string])[]): string {
  return records
    .map(([key, value]) => {
      const length = Array.from({ length: 2000 }, (_, n) => n).find(
        (n) => `${n} ${key}=${value}\n`.length === n,
      );
      return `${length} ${key}=${value}\n`;
    })
    .join('');
}

export async function* inChunks(bytes: Buffer, size = 1 << 20): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

export async function collect(input: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

export type ReadBack = Omit<TarEntry, 'body' | 'content' | 'owners'> & { readonly content: Buffer };

export async function readAll(tar: Buffer, { chunk }: { chunk?: number } = {}): Promise<ReadBack[]> {
  const entries: ReadBack[] = [];
  for await (const entry of readTar(inChunks(tar, chunk))) {
    const { path, type, mode, uid, gid, size, mtimeNs, linkPath, device, xattrs } = entry;
    const content = await collect(entry.body());
    entries.push({ path, type, mode, uid, gid, size, mtimeNs, linkPath, device, xattrs, content });
  }
  return entries;
}

const TYPES: readonly (readonly [number, string])[] = [
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'symlink'],
  [0o010000, 'fifo'],
  [0o020000, 'char'],
  [0o060000, 'block'],
];

/** All that a layer keeps of a tree, byte names as latin1, hard links by the first name of each file. */
export function fingerprint(root: string): Record<string, string> {
  const lines: Record<string, string> = {};
  const firstNames = new Map<bigint, string>();
  const visit = (path: string): void => {
    const host = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
    const stat = lstatSync(host, { bigint: true });
    const kind = TYPES.find(([bits]) => (Number(stat.mode) & 0o170000) === bits)?.[1] ?? 'socket';
    const seconds = stat.mtimeNs >= 0n ? stat.mtimeNs / 10n ** 9n : (stat.mtimeNs + 1n) / 10n ** 9n - 1n;
    const details = [`${kind} ${(stat.mode & 0o7777n).toString(8)} ${stat.uid}:${stat.gid} @${seconds}`];
    const first = stat.isDirectory() || stat.nlink === 1n ? undefined : firstNames.get(stat.ino);
    if (first === undefined) firstNames.set(stat.ino, path);
    else details.push(`= ${first}`);
    if (stat.isFile())
      details.push(createHash('sha256').update(readFileSync(host)).digest('hex').slice(0, 16));
    if (stat.isSymbolicLink()) details.push(`-> ${readlinkSync(host, 'latin1')}`);
    if (stat.isCharacterDevice() || stat.isBlockDevice()) details.push(`rdev ${stat.rdev}`);
    for (const name of listXattrs(host).sort())
      details.push(`${name}=${readXattr(host, name)?.toString('hex')}`);
    lines[path] = details.join(' ');
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(host, { encoding: 'latin1' }).sort())
      visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return lines;
}
