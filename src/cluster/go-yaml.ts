/**
 * YAML as Go programs write it (yaml.v2 behind sigs.k8s.io/yaml): sealer's ids are digests of such a text, so each
 * choice counts. Keys are sorted, lists are not indented, strings are quoted only where they would mean something
 * else, and long lines are folded behind column 80. Pure.
 *
 * The rules of quoting and folding are those of libyaml's emitter, which yaml.v2 is a translation of.
 */

export type YamlValue =
  string | number | boolean | null | readonly YamlValue[] | { readonly [key: string]: YamlValue | undefined };

const INDENT = 2;
const WIDTH = 80;

/** Fields that are undefined are left out. */
export function formatGoYaml(value: YamlValue): string {
  const text = formatNode(value, { indent: 0, column: 0, isKey: false });
  return `${text.replace(/^\n/, '')}\n`;
}

interface Place {
  /** Of the mapping or list the node is in. */
  readonly indent: number;
  /** Where on the line the node begins. */
  readonly column: number;
  readonly isKey: boolean;
}

/** What stands behind the `:` or the `-`, with the line break or space in front of it. */
function formatNode(value: YamlValue, place: Place): string {
  if (value === null || typeof value !== 'object')
    return ` ${formatScalar(value, place)}`.replace(/^ (?=\n)/, '');
  if (isList(value)) return value.length === 0 ? ' []' : formatList(value, place.indent);
  const keys = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort(naturally);
  if (keys.length === 0) return ' {}';
  return keys.map((key) => `\n${formatEntry(key, value[key] ?? null, place.indent)}`).join('');
}

const isList = (value: object): value is readonly YamlValue[] => Array.isArray(value);

function formatEntry(key: string, value: YamlValue, indent: number): string {
  const head = `${' '.repeat(indent)}${formatScalar(key, { indent, column: indent, isKey: true })}:`;
  const below = value !== null && typeof value === 'object' && !isList(value) ? indent + INDENT : indent;
  return head + formatNode(value, { indent: below, column: head.length + 1, isKey: false });
}

function formatList(items: readonly YamlValue[], indent: number): string {
  return items
    .map((item) => {
      const isMap = item !== null && typeof item === 'object' && !isList(item);
      const place = { indent: isMap ? indent + INDENT : indent, column: indent + 2, isKey: false };
      const text = formatNode(item, place);
      return `\n${' '.repeat(indent)}-${isMap ? text.replace(/^\n +/, ' ') : text}`;
    })
    .join('');
}

function formatScalar(value: string | number | boolean | null, place: Place): string {
  if (typeof value !== 'string') return String(value);
  const allowed = stylesFor(value);
  const isLong = value.includes('\n');
  if (isLong && allowed.literal && !place.isKey) return literal(value, place.indent + INDENT);
  if (isLong || !allowed.quotable || RESOLVED.test(value)) return doubleQuoted(value, place);
  if (allowed.plain) return fold(value, place);
  return `'${fold(value.replaceAll("'", "''"), { ...place, column: place.column + 1 }, 1)}'`;
}

/** What a plain scalar would be something else than a string: numbers, dates, the words for true, false and null. */
const RESOLVED = new RegExp(
  [
    '',
    '~|null|Null|NULL|<<',
    'y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF',
    '[-+]?(?:\\.inf|\\.Inf|\\.INF)|\\.nan|\\.NaN|\\.NAN',
    '[-+]?(?:0b[01_]+|0o?[0-7_]+|[0-9][0-9_]*|0[xX][0-9a-fA-F_]+)',
    '[-+]?(?:\\.[0-9]+|[0-9]+(?:\\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?',
    '[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\\.[0-9_]*)?',
    '\\d{4}-\\d{1,2}-\\d{1,2}(?:(?:[Tt]|[ \\t]+)\\d{1,2}:\\d\\d:\\d\\d(?:\\.\\d*)?[ \\t]*(?:Z|[-+]\\d\\d?(?::?\\d\\d)?)?)?',
  ]
    .map((each) => `^(?:${each})$`)
    .join('|'),
);

interface Styles {
  readonly plain: boolean;
  /** In single quotes, which know no escapes. */
  readonly quotable: boolean;
  readonly literal: boolean;
}

function stylesFor(text: string): Styles {
  const special = SPECIAL.test(text) || / \n/.test(text);
  const isIndicated =
    /^(?:---|\.\.\.)/.test(text) || /^[#,[\]{}&*!|>'"%@`]|^[?:-](?:\s|$)|:(?:\s|$)|\s#/.test(text);
  const hasEdge = /^ | $/.test(text);
  return {
    plain: !special && !isIndicated && !hasEdge,
    quotable: !special,
    literal: !special && !text.endsWith(' '),
  };
}

/** What YAML does not print: control characters (a tab is one), other line ends, the byte order mark, lone surrogates. */
const SPECIAL = /[^\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;

function literal(text: string, indent: number): string {
  const pad = ' '.repeat(indent);
  const hint = /^[ \n]/.test(text) ? String(INDENT) : '';
  const chomping = !text.endsWith('\n') ? '-' : /(?:^|\n)\n$/.test(text) ? '+' : '';
  const body = text.replace(/\n$/, '').split('\n');
  const lines = body.map((line) => (line === '' ? '' : pad + line));
  return `|${hint}${chomping}\n${lines.join('\n')}`;
}

/** A space behind column 80 becomes a line break, unless it is a key's, or next to another one, or at the `margin`. */
function fold(text: string, { indent, column, isKey }: Place, margin = 0): string {
  if (isKey) return text;
  const characters = Array.from(text);
  let at = column;
  let result = '';
  for (const [index, character] of characters.entries()) {
    const isInside = margin === 0 || (index > 0 && index < characters.length - 1);
    const isLone = characters[index - 1] !== ' ' && characters[index + 1] !== ' ';
    if (character === ' ' && at > WIDTH && isInside && isLone) {
      result += `\n${' '.repeat(indent + INDENT)}`;
      at = indent + INDENT;
    } else {
      result += character;
      at++;
    }
  }
  return result;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\\0',
  '\x07': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\x85': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
};

function doubleQuoted(text: string, { indent, column, isKey }: Place): string {
  const characters = Array.from(text);
  let at = column + 1;
  let result = '"';
  for (const [index, character] of characters.entries()) {
    const isInside = index > 0 && index < characters.length - 1;
    if (character === ' ' && !isKey && at > WIDTH && isInside && characters[index - 1] !== ' ') {
      result += `\n${' '.repeat(indent + INDENT)}${characters[index + 1] === ' ' ? '\\' : ''}`;
      at = indent + INDENT;
      continue;
    }
    const shown = ESCAPES[character] ?? (SPECIAL.test(character) ? numbered(character) : character);
    result += shown;
    at += shown.length;
  }
  return `${result}"`;
}

function numbered(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Numbers inside of names by value, and what is no letter before letters: `a2`, `a10`, `ab`. */
function naturally(a: string, b: string): number {
  const partsOf = (text: string): readonly string[] => text.match(/\d+|\p{L}|./gsu) ?? [];
  const [left, right] = [partsOf(a), partsOf(b)] as const;
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = compareParts(left[index] ?? '', right[index] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareParts(a: string, b: string): number {
  if (a === b) return 0;
  const [letterA, letterB] = [a, b].map((part) => /^\p{L}/u.test(part));
  if (letterA !== letterB) return letterA === true ? 1 : -1;
  if (/^\d/.test(a) && /^\d/.test(b)) return Number(a) - Number(b) || a.length - b.length;
  return a < b ? -1 : 1;
}
