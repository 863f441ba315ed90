/**
 * Header bytes of one tar entry: plain ustar when everything fits, with a PAX header before it only when something
 * does not. The same entry always gives the same bytes: no user names, no access or change times.
 */
import type { Device } from '../sys/special-file.ts';
import { encodePax, xattrKey, type PaxRecord } from './pax.ts';
import { BLOCK, checksumOf, MAX_OCTAL_11, MAX_OCTAL_7, paddingOf, type EntryType } from './tar-format.ts';

export interface EntryHeader {
  /** Raw bytes as latin1, a directory's with a trailing slash. */
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the body that follows; 0 for everything but files. */
  readonly size: number;
  /** Whole seconds, may be negative. */
  readonly mtime: number;
  /** Target of a symlink or hard link, raw bytes as latin1. */
  readonly linkPath?: string;
  readonly device?: Device;
  readonly xattrs?: ReadonlyMap<string, Buffer>;
}

const TYPE_FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** One header block, or a PAX header, its records and the header block. The body and its padding are the caller's. */
export function encodeEntry(entry: EntryHeader): Buffer {
  const split = splitPath(entry.path);
  const records = paxRecordsOf(entry, split);
  const block = encodeBlock(entry, split);
  if (records.length === 0) return block;
  const data = encodePax(records);
  const extension = encodeBlock(extensionHeader(entry, data.length), undefined, 'x');
  return Buffer.concat([extension, data, Buffer.alloc(paddingOf(data.length)), block]);
}

interface SplitPath {
  readonly prefix: string;
  readonly name: string;
}

/** ustar's two name fields hold 155 + 100 bytes cut at a slash; undefined when the path does not fit. */
function splitPath(path: string): SplitPath | undefined {
  if (path.length <= 100) return { prefix: '', name: path };
  if (path.length > 256) return undefined;
  const slash = path.indexOf('/', path.length - 101);
  if (slash <= 0 || slash > 155 || slash === path.length - 1) return undefined;
  return { prefix: path.slice(0, slash), name: path.slice(slash + 1) };
}

const isAscii = (text: string): boolean => /^[\x01-\x7f]*$/.test(text);

function paxRecordsOf(entry: EntryHeader, split: SplitPath | undefined): PaxRecord[] {
  const records: PaxRecord[] = [];
  const { path, linkPath = '', size, uid, gid, mtime, xattrs } = entry;
  if (split === undefined || !isAscii(path)) records.push(['path', path]);
  if (linkPath.length > 100 || !isAscii(linkPath)) records.push(['linkpath', linkPath]);
  if (size > MAX_OCTAL_11) records.push(['size', String(size)]);
  if (uid > MAX_OCTAL_7) records.push(['uid', String(uid)]);
  if (gid > MAX_OCTAL_7) records.push(['gid', String(gid)]);
  if (mtime < 0 || mtime > MAX_OCTAL_11) records.push(['mtime', String(mtime)]);
  if (xattrs === undefined) return records;
  return [...records, ...[...xattrs].map(xattrRecord).sort(byKey)];
}

const xattrRecord = ([name, value]: readonly [string, Buffer]): PaxRecord => [
  xattrKey(name),
  value.toString('latin1'),
];
const byKey = ([a]: PaxRecord, [b]: PaxRecord): number => (a < b ? -1 : 1);

/** Its name matters to nobody who understands PAX; others make a file of it. */
function extensionHeader(entry: EntryHeader, size: number): EntryHeader {
  const base = entry.path.replace(/\/$/, '').replace(/^.*\//s, '');
  const name = base.replace(/[^\x21-\x7e]/g, '_').slice(0, 80);
  return { path: `PaxHeaders.0/${name}`, type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime: 0 };
}

function encodeBlock(
  entry: EntryHeader,
  split: SplitPath | undefined,
  flag = TYPE_FLAGS[entry.type],
): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(split?.name ?? entry.path.slice(0, 100), 0, 'latin1');
  writeOctal(block, 100, entry.mode & 0o7777);
  writeOctal(block, 108, entry.uid > MAX_OCTAL_7 ? 0 : entry.uid);
  writeOctal(block, 116, entry.gid > MAX_OCTAL_7 ? 0 : entry.gid);
  writeLongOctal(block, 124, entry.size > MAX_OCTAL_11 ? 0 : entry.size);
  writeLongOctal(block, 136, entry.mtime < 0 || entry.mtime > MAX_OCTAL_11 ? 0 : entry.mtime);
  block.write(flag, 156, 'latin1');
  if (entry.linkPath !== undefined) block.write(entry.linkPath.slice(0, 100), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  writeOctal(block, 329, entry.device?.major ?? 0);
  writeOctal(block, 337, entry.device?.minor ?? 0);
  if (split !== undefined && split.prefix !== '') block.write(split.prefix, 345, 'latin1');
  const checksum = checksumOf(block);
  for (let digit = 0; digit < 6; digit++) block[148 + digit] = 0x30 + ((checksum >> (15 - 3 * digit)) & 7);
  block[155] = 0x20;
  return block;
}

/** Seven digits and a NUL. */
function writeOctal(block: Buffer, offset: number, value: number): void {
  let rest = value;
  for (let at = offset + 6; at >= offset; at--) {
    block[at] = 0x30 + (rest & 7);
    rest >>>= 3;
  }
}

/** Eleven digits and a NUL; the value has more than 32 bits. */
function writeLongOctal(block: Buffer, offset: number, value: number): void {
  writeOctal(block, offset + 4, value % MODULUS);
  let rest = Math.floor(value / MODULUS);
  for (let at = offset + 3; at >= offset; at--) {
    block[at] = 0x30 + (rest & 7);
    rest >>>= 3;
  }
}

const MODULUS = 8 ** 7;
