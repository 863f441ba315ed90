/**
 * PAX extended header records: `<length> <key>=<value>\n`, the length counting the whole record in bytes. Pure.
 *
 * Keys and values are latin1 strings of bytes; xattr values are binary. Source: POSIX.1-2017 pax(1).
 */
import { invalidLayer } from './tar-format.ts';

/** In the order of the archive: GNU sparse 0.0 repeats keys. */
export type PaxRecord = readonly [key: string, value: string];

const XATTR_PREFIX = 'SCHILY.xattr.';

/** The key of an xattr's record. A key cannot hold `=`: GNU tar writes `%3D`, and `%25` for `%`. */
export function xattrKey(name: string): string {
  const bytes = Buffer.from(name, 'utf8').toString('latin1');
  return XATTR_PREFIX + bytes.replaceAll('%', '%25').replaceAll('=', '%3D');
}

/** The inverse; undefined for other keys. */
export function xattrNameOf(key: string): string | undefined {
  if (!key.startsWith(XATTR_PREFIX)) return undefined;
  const bytes = key.slice(XATTR_PREFIX.length).replaceAll('%3D', '=').replaceAll('%25', '%');
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function encodePax(records: readonly PaxRecord[]): Buffer {
  return Buffer.from(records.map(encodeRecord).join(''), 'latin1');
}

function encodeRecord([key, value]: PaxRecord): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Throws LAYER_INVALID for anything that is not a sequence of whole records. */
export function decodePax(data: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? '' : data.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[0-9]+$/.test(digits) || end <= space + 1 || end > data.length || data[end - 1] !== 0x0a) {
      throw invalidLayer('malformed PAX header record');
    }
    const equals = data.indexOf(0x3d, space);
    if (equals <= space + 1 || equals >= end) throw invalidLayer('PAX header record without a key');
    const key = data.toString('latin1', space + 1, equals);
    const value = data.toString('latin1', equals + 1, end - 1);
    if (key.includes('\0') || (TEXT_KEYS.has(key) && value.includes('\0'))) {
      throw invalidLayer(`NUL byte in the PAX header record ${JSON.stringify(key)}`);
    }
    records.push([key, value]);
    at = end;
  }
  return records;
}

const TEXT_KEYS = new Set(['path', 'linkpath', 'GNU.sparse.name']);

/** A PAX time such as `1700000000.25` or `-1.5`, in nanoseconds; digits beyond are cut. */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(text);
  if (match === null)
    throw invalidLayer(`malformed time in a PAX header: ${JSON.stringify(text.slice(0, 40))}`);
  const [, sign, seconds = '0', fraction = ''] = match;
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -total : total;
}

export function parsePaxNumber(text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) {
    throw invalidLayer(`malformed number in a PAX header: ${JSON.stringify(text.slice(0, 40))}`);
  }
  return value;
}
