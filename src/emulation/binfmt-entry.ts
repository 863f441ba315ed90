/**
 * One entry of binfmt_misc: the line that registers it, the text the kernel shows for it, and what it matches.
 *
 * Source: Documentation/admin-guide/binfmt-misc.rst and fs/binfmt_misc.c of Linux.
 */
import { ArchBuildError } from '../errors.ts';

/** Keep argv[0], open the file for the emulator, use the program's credentials, open the emulator now. */
export const FULL_FLAGS = 'POCF';

export interface Registration {
  readonly name: string;
  /** Hex, compared from offset 0. */
  readonly magic: string;
  readonly mask: string;
  /** Absolute path of the emulator. */
  readonly interpreter: string;
  readonly flags: string;
}

export type BinfmtMatch =
  | {
      readonly kind: 'magic';
      readonly offset: number;
      readonly magic: Buffer;
      readonly mask: Buffer | undefined;
    }
  | { readonly kind: 'extension'; readonly extension: string }
  /** A kind that newer kernels have and we do not know. */
  | { readonly kind: 'unknown' };

export interface BinfmtEntry {
  readonly name: string;
  readonly enabled: boolean;
  readonly interpreter: string;
  /** Letters in the kernel's order, unknown ones included. */
  readonly flags: string;
  readonly match: BinfmtMatch;
}

const LONGEST_LINE = 1920;
const DELIMITERS = [':', '|', '!', '%', '&', '+', ',', ';', '@', '~', '\u0001'];

/** The line for `register`, to be written in one write. Throws BINFMT for what the kernel would refuse or misread. */
export function formatEntry({ name, magic, mask, interpreter, flags }: Registration): string {
  if (!/^[^/\0\n]+$/.test(name) || ['.', '..', 'register', 'status'].includes(name))
    refuse(name, 'this cannot be a name');
  if (!interpreter.startsWith('/') || interpreter.includes('\0'))
    refuse(name, 'the emulator needs an absolute path');
  if (!/^(?:[0-9a-f]{2})+$/.test(magic) || !/^(?:[0-9a-f]{2})+$/.test(mask) || magic.length !== mask.length) {
    refuse(name, 'magic and mask must be hexadecimal and of the same length');
  }
  if (!/^[A-Z]*$/.test(flags)) refuse(name, `unknown flags ${JSON.stringify(flags)}`);
  const delimiter = delimiterFor(name, interpreter);
  if (delimiter === undefined) refuse(name, 'no delimiter is left for this name and path');
  const line = ['', name, 'M', '0', escapeHex(magic), escapeHex(mask), interpreter, flags].join(delimiter);
  if (Buffer.byteLength(line) > LONGEST_LINE) {
    refuse(name, `the line is longer than ${LONGEST_LINE} bytes`, 'put the emulator at a shorter path');
  }
  return line;
}

const delimiterFor = (...texts: readonly string[]): string | undefined =>
  DELIMITERS.find((candidate) => !texts.some((text) => text.includes(candidate)));

/** The line that would register the entry again, for people; undefined for kinds that are not understood. */
export function lineOf({ name, match, interpreter, flags }: BinfmtEntry): string | undefined {
  if (match.kind === 'unknown') return undefined;
  const fields =
    match.kind === 'extension'
      ? ['E', '', match.extension, '']
      : [
          'M',
          match.offset,
          escapeHex(match.magic.toString('hex')),
          escapeHex(match.mask?.toString('hex') ?? ''),
        ];
  const delimiter = delimiterFor(name, interpreter, ...fields.map(String)) ?? ':';
  return ['', name, ...fields, interpreter, flags].join(delimiter);
}

/** What the kernel shows in the file of an entry. Throws BINFMT when it is nothing like it. */
export function parseEntry(name: string, text: string): BinfmtEntry {
  const parts =
    /^(?<state>enabled|disabled)\ninterpreter (?<interpreter>[^]*?)\nflags: (?<flags>[A-Za-z]*) *\n(?<rest>[^]*)$/.exec(
      text,
    )?.groups;
  if (parts === undefined) refuse(name, 'the kernel describes it in a way that is not understood');
  return {
    name,
    enabled: parts['state'] === 'enabled',
    interpreter: parts['interpreter'] ?? '',
    flags: parts['flags'] ?? '',
    match: parseMatch(parts['rest'] ?? ''),
  };
}

/** Whether the kernel would hand a file that begins with these bytes to the entry, were it enabled. */
export function matchesEntry({ match }: Pick<BinfmtEntry, 'match'>, beginning: Uint8Array): boolean {
  if (match.kind !== 'magic') return false;
  const { offset, magic, mask } = match;
  return magic.every((byte, index) => {
    const at = offset + index;
    const seen = at < WINDOW ? (beginning[at] ?? 0) : 0; // a shorter file is padded with zeros
    return ((seen ^ byte) & (mask?.[index] ?? 0xff)) === 0;
  });
}

/** How much of a file the kernel looks at. */
const WINDOW = 256;

function parseMatch(text: string): BinfmtMatch {
  const extension = /^extension \.(?<extension>[^]*?)\n?$/.exec(text)?.groups?.['extension'];
  if (extension !== undefined) return { kind: 'extension', extension };
  const hex = /^offset (?<offset>\d+)\nmagic (?<magic>[0-9a-f]+)\n(?:mask (?<mask>[0-9a-f]+)\n)?/.exec(
    text,
  )?.groups;
  if (hex === undefined) return { kind: 'unknown' };
  return {
    kind: 'magic',
    offset: Number(hex['offset']),
    magic: Buffer.from(hex['magic'] ?? '', 'hex'),
    mask: hex['mask'] === undefined ? undefined : Buffer.from(hex['mask'], 'hex'),
  };
}

const escapeHex = (hex: string): string => hex.replaceAll(/../g, String.raw`\x$&`);

function refuse(name: string, why: string, hint?: string): never {
  throw new ArchBuildError(
    'BINFMT',
    `binfmt entry ${JSON.stringify(name)}: ${why}`,
    hint === undefined ? {} : { hint },
  );
}
