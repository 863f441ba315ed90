/**
 * The 512-byte header block of a tar archive: v7, ustar (POSIX.1-1988), star and GNU dialects. Pure.
 *
 * Names are latin1 strings, one char per byte: an archive's names need not be UTF-8.
 * Sources: POSIX.1-2017 pax(1) "ustar Interchange Format"; GNU tar manual "Basic Tar Format".
 */
import { ArchBuildError } from '../errors.ts';
import { beyondLimit, type LimitName } from '../oci/limits.ts';
import type { Device } from '../sys/special-file.ts';

export const BLOCK = 512;

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** Type flags of real entries. `7` is a contiguous file, NUL the file of v7. */
export const ENTRY_TYPES: ReadonlyMap<string, EntryType> = new Map([
  ['0', 'file'],
  ['\0', 'file'],
  ['7', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
]);

/** Largest number in an octal field of 12 bytes (11 digits and a NUL): sizes and times. */
export const MAX_OCTAL_11 = 0o77777777777;
/** In a field of 8 bytes: mode, owner, device numbers. */
export const MAX_OCTAL_7 = 0o7777777;

/** A header block as it is written, before extension headers change it. */
export interface RawHeader {
  readonly name: string;
  readonly typeFlag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds, may be negative. */
  readonly mtime: number;
  readonly linkName: string;
  readonly device: Device;
}

export function invalidLayer(message: string, cause?: unknown): ArchBuildError {
  return new ArchBuildError('LAYER_INVALID', message, cause === undefined ? {} : { cause });
}

/** A layer that asks for too much. */
export const beyondLayerLimit = (name: LimitName, message: string): ArchBuildError =>
  beyondLimit('LAYER_INVALID', name, message);

const ZEROS = Buffer.alloc(BLOCK);

export const isZeroBlock = (block: Buffer): boolean => block[0] === 0 && block.equals(ZEROS);

/** How many zero bytes follow a body of `size` bytes. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** Throws LAYER_INVALID: wrong checksum, a number that is none, a negative size or owner. */
export function decodeHeader(block: Buffer): RawHeader {
  if (!checksumMatches(block)) throw invalidLayer('not a tar archive, or damaged: wrong header checksum');
  const dialect = block.toString('latin1', 257, 265);
  const posix = dialect.startsWith('ustar\0');
  const devices = posix || dialect === 'ustar  \0';
  const typeFlag = block.toString('latin1', 156, 157);
  const header: RawHeader = {
    name: nameOf(block, posix),
    typeFlag,
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: unsigned(readNumber(block, 108, 8), 'uid'),
    gid: unsigned(readNumber(block, 116, 8), 'gid'),
    size: unsigned(readNumber(block, 124, 12), 'size'),
    mtime: readNumber(block, 136, 12),
    linkName: readString(block, 157, 100),
    device: devices && (typeFlag === '3' || typeFlag === '4') ? deviceOf(block) : NO_DEVICE,
  };
  return header;
}

const NO_DEVICE: Device = { major: 0, minor: 0 };

const deviceOf = (block: Buffer): Device => ({
  major: unsigned(readNumber(block, 329, 8), 'device number'),
  minor: unsigned(readNumber(block, 337, 8), 'device number'),
});

/** Names of the owners, empty where the header has none. */
export const ownersOfHeader = (block: Buffer): { readonly user: string; readonly group: string } => ({
  user: readString(block, 265, 32),
  group: readString(block, 297, 32),
});

/** The prefix field exists in POSIX headers only; star keeps two times at its end. */
function nameOf(block: Buffer, posix: boolean): string {
  const name = readString(block, 0, 100);
  if (!posix || block[345] === 0) return name;
  const isStar = block.toString('latin1', 508, 512) === 'tar\0';
  return `${readString(block, 345, isStar ? 131 : 155)}/${name}`;
}

function readString(block: Buffer, offset: number, length: number): string {
  let end = offset;
  while (end < offset + length && block[end] !== 0) end++;
  return block.toString('latin1', offset, end);
}

const SPACE = 0x20;

/** Octal text, or base-256 when the first bit is set. What follows a NUL or a space is ignored, as every reader does. */
export function readNumber(block: Buffer, offset: number, length: number): number {
  if (((block[offset] ?? 0) & 0x80) !== 0) return readBase256(block, offset, length);
  const end = offset + length;
  let at = offset;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === 0 || byte === SPACE) break;
    if (byte < 0x30 || byte > 0x37) throw invalidLayer('a number in a tar header is not octal');
    value = value * 8 + byte - 0x30;
  }
  return value;
}

/** Two's complement over all bits but the first, which marks the form. */
function readBase256(block: Buffer, offset: number, length: number): number {
  const negative = ((block[offset] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  for (let index = 0; index < length; index++) {
    const byte = block[offset + index] ?? 0;
    const bits = index === 0 ? (byte & 0x3f) | (negative ? 0xc0 : 0) : byte;
    value = index === 0 ? BigInt(negative ? bits - 256 : bits) : (value << 8n) | BigInt(bits);
  }
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalidLayer('a number in a tar header is out of range');
  return number;
}

function unsigned(value: number, what: string): number {
  if (value < 0) throw invalidLayer(`negative ${what} in a tar header`);
  return value;
}

/** Some old writers summed signed chars. */
function checksumMatches(block: Buffer): boolean {
  const stored = readNumber(block, 148, 8);
  if (checksumOf(block) === stored) return true;
  let signed = 0;
  for (let at = 0; at < BLOCK; at++) signed += at >= 148 && at < 156 ? SPACE : block.readInt8(at);
  return signed === stored;
}

/** The sum of all bytes with the checksum field as spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * SPACE;
  for (let at = 0; at < 148; at++) sum += block[at] ?? 0;
  for (let at = 156; at < BLOCK; at++) sum += block[at] ?? 0;
  return sum;
}
