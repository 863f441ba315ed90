/**
 * A tar header as Go's archive/tar writes it of what it finds on a disk: ustar where everything fits, else PAX. Pure.
 */
import type { Device } from '../sys/special-file.ts';
import { encodePax, type PaxRecord } from './pax.ts';
import { BLOCK, checksumOf, paddingOf } from './tar-format.ts';

export interface GoHeader {
  /** Raw bytes as latin1, without a slash at the end. */
  readonly path: string;
  /** The type flag. */
  readonly type: '0' | '2' | '3' | '4' | '5' | '6';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Names of the owners, empty where there are none. */
  readonly user: string;
  readonly group: string;
  readonly size: number;
  /** Whole seconds. */
  readonly mtime: number;
  readonly linkPath?: string;
  readonly device?: Device;
}

const NAME = 100;
const PREFIX = 155;

/** The blocks in front of the content. */
export function encodeGoHeader(header: GoHeader): Buffer {
  const split = splitPath(header.path);
  const records = recordsOf(header, split);
  if (records.length === 0) return encodeBlock(header, split ?? ['', header.path]);
  const data = encodePax(records);
  const plain = { ...header, linkPath: ascii(header.linkPath ?? '') };
  return Buffer.concat([
    extensionBlock(header.path, data.length),
    data,
    Buffer.alloc(paddingOf(data.length)),
    encodeBlock(plain, ['', ascii(header.path)]),
  ]);
}

/** Prefix and name, cut at the last slash that leaves the prefix short enough; undefined when that does not fit. */
function splitPath(path: string): [prefix: string, name: string] | undefined {
  if (path.length <= NAME) return ['', path];
  const slash = path.slice(0, PREFIX + 1).lastIndexOf('/');
  const name = path.slice(slash + 1);
  return slash <= 0 || name.length > NAME ? undefined : [path.slice(0, slash), name];
}

const isAscii = (text: string): boolean => /^[\x01-\x7f]*$/.test(text);
const ascii = (text: string): string => text.replace(/[^\x01-\x7f]/g, '');

function recordsOf({ path, linkPath = '' }: GoHeader, split: readonly string[] | undefined): PaxRecord[] {
  const isLongLink = linkPath.length > NAME || !isAscii(linkPath);
  if (split !== undefined && isAscii(path) && !isLongLink) return [];
  return [
    ...(isLongLink ? [['linkpath', linkPath] as const] : []),
    ...(path.length > NAME || !isAscii(path) ? [['path', path] as const] : []),
  ];
}

/** Nothing but a name, a size and a type: the other fields stay NUL bytes. */
function extensionBlock(path: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const slash = path.lastIndexOf('/') + 1;
  const name = `${path.slice(0, slash)}PaxHeaders.0/${path.slice(slash)}`;
  block.write(ascii(name).slice(0, NAME).replace(/\/+$/, ''), 0, 'latin1');
  block.write(octal(size, 11), 124, 'latin1');
  block.write('x', 156, 'latin1');
  return sealed(block);
}

function encodeBlock(header: GoHeader, [prefix, name]: readonly [string, string]): Buffer {
  const block = Buffer.alloc(BLOCK);
  const fields: readonly (readonly [number, string])[] = [
    [0, name.slice(0, NAME)],
    [100, octal(header.mode, 7)],
    [108, octal(header.uid, 7)],
    [116, octal(header.gid, 7)],
    [124, octal(header.size, 11)],
    [136, octal(header.mtime, 11)],
    [156, header.type],
    [157, (header.linkPath ?? '').slice(0, NAME)],
    [265, header.user.slice(0, 31)],
    [297, header.group.slice(0, 31)],
    [329, octal(header.device?.major ?? 0, 7)],
    [337, octal(header.device?.minor ?? 0, 7)],
    [345, prefix],
  ];
  for (const [at, text] of fields) block.write(text, at, 'latin1');
  return sealed(block);
}

/** The digits and a NUL. */
const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;

function sealed(block: Buffer): Buffer {
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
