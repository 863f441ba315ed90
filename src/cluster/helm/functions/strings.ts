/** Sprig's functions on texts. */
import { requireModest } from '../budget.ts';
import { formatValue, goQuote } from '../format.ts';
import { FunctionError } from '../template-error.ts';
import type { Value } from '../value.ts';
import { integer, text, toInteger, withAliases, type FunctionTable } from './arguments.ts';

export const STRINGS: FunctionTable = withAliases(
  {
    trim: (value) => trimSpace(text(value)),
    trimAll: (set, value) => trimSet(text(value), text(set), 'both'),
    trimSuffix: (suffix, value) => without(text(value), text(suffix), 'end'),
    trimPrefix: (prefix, value) => without(text(value), text(prefix), 'start'),
    upper: (value) => text(value).toUpperCase(),
    lower: (value) => text(value).toLowerCase(),
    title: (value) =>
      text(value).replace(
        /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
        (_, before: string, letter: string) => before + letter.toUpperCase(),
      ),
    untitle: (value) =>
      text(value).replace(
        /(^|\s)(\p{L})/gu,
        (_, before: string, letter: string) => before + letter.toLowerCase(),
      ),
    repeat: (count, value) => repeat(text(value), integer(count)),
    substr: (from, to, value) => substring(text(value), integer(from), integer(to)),
    nospace: (value) => text(value).replace(/\s+/g, ''),
    trunc: (length, value) => truncate(text(value), integer(length)),
    abbrev: (width, value) => abbreviate(text(value), integer(width)),
    initials: (value) =>
      text(value)
        .split(/\s+/)
        .map((word) => word[0] ?? '')
        .join(''),
    wrap: (width, value) => wrap(text(value), integer(width), '\n'),
    wrapWith: (width, separator, value) => wrap(text(value), integer(width), text(separator)),
    contains: (part, value) => text(value).includes(text(part)),
    hasPrefix: (prefix, value) => text(value).startsWith(text(prefix)),
    hasSuffix: (suffix, value) => text(value).endsWith(text(suffix)),
    quote: (...values) => quoted(values, goQuote),
    squote: (...values) => quoted(values, (each) => `'${each}'`),
    cat: (...values) =>
      values
        .filter((value) => value !== null)
        .map(formatValue)
        .join(' '),
    indent: (width, value) => indent(text(value), integer(width)),
    nindent: (width, value) => `\n${indent(text(value), integer(width))}`,
    replace: (old, by, value) => text(value).split(text(old)).join(text(by)),
    plural: (one, many, count) => (integer(count) === 1 ? text(one) : text(many)),
    snakecase: (value) => words(text(value)).join('_').toLowerCase(),
    kebabcase: (value) => words(text(value)).join('-').toLowerCase(),
    camelcase: (value) =>
      words(text(value))
        .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
        .join(''),
    swapcase: (value) =>
      text(value).replace(/\p{L}/gu, (letter) =>
        letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase(),
      ),
    toString: (value: Value = null) => formatValue(value),
    split: (separator, value) =>
      new Map(pieces(value, separator).map((piece, index) => [`_${index}`, piece])),
    splitn: (separator, count, value) =>
      new Map(
        splitAtMost(text(value), text(separator), integer(count)).map((piece, index) => [`_${index}`, piece]),
      ),
    splitList: (separator, value) => pieces(value, separator),
    seq: (...bounds) => sequence(bounds.map(toInteger)),
  },
  { trimall: 'trimAll' },
);

const trimSpace = (value: string): string => value.replace(/^[\s\u0085]+|[\s\u0085]+$/g, '');

function trimSet(value: string, set: string, side: 'both' | 'start' | 'end'): string {
  const characters = Array.from(value);
  let [from, to] = [0, characters.length];
  if (side !== 'end') while (from < to && set.includes(characters[from] ?? '')) from++;
  if (side !== 'start') while (to > from && set.includes(characters[to - 1] ?? '')) to--;
  return characters.slice(from, to).join('');
}

function without(value: string, part: string, side: 'start' | 'end'): string {
  if (part === '') return value;
  if (side === 'end') return value.endsWith(part) ? value.slice(0, -part.length) : value;
  return value.startsWith(part) ? value.slice(part.length) : value;
}

function repeat(value: string, count: number): string {
  if (count < 0) throw new FunctionError('negative repeat count');
  requireModest(value.length * count);
  return value.repeat(count);
}

/** By bytes, as Go cuts texts. */
function substring(value: string, from: number, to: number): string {
  const bytes = Buffer.from(value);
  if (from < 0) return bytes.subarray(0, to).toString();
  if (to < 0 || to > bytes.length) return bytes.subarray(from).toString();
  return bytes.subarray(from, to).toString();
}

function truncate(value: string, length: number): string {
  const bytes = Buffer.from(value);
  if (length < 0) return bytes.length + length > 0 ? bytes.subarray(length).toString() : value;
  return bytes.length > length ? bytes.subarray(0, length).toString() : value;
}

const abbreviate = (value: string, width: number): string =>
  width < 4 || value.length <= width ? value : `${value.slice(0, width - 3)}...`;

function wrap(value: string, width: number, separator: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of value.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(separator);
}

const quoted = (values: readonly Value[], quote: (value: string) => string): string =>
  values
    .filter((value) => value !== null)
    .map((value) => quote(formatValue(value)))
    .join(' ');

function indent(value: string, width: number): string {
  const padding = repeat(' ', width);
  const lines = value.split('\n');
  requireModest(value.length + lines.length * padding.length);
  return lines.map((line) => padding + line).join('\n');
}

const pieces = (value: Value | undefined, separator: Value | undefined): string[] =>
  text(separator) === '' ? Array.from(text(value)) : text(value).split(text(separator));

function splitAtMost(value: string, separator: string, count: number): string[] {
  if (count === 0) return [];
  const all = pieces(value, separator);
  if (count < 0 || all.length <= count) return all;
  return [...all.slice(0, count - 1), all.slice(count - 1).join(separator)];
}

const words = (value: string): string[] =>
  value
    .replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');

/** As the program of that name. */
function sequence(bounds: readonly bigint[]): string {
  const [first = 0n, second, third] = bounds;
  const [from, to] = second === undefined ? [1n, first] : [first, third ?? second];
  const step = third === undefined || second === undefined ? (to < from ? -1n : 1n) : second;
  if (bounds.length === 0 || step === 0n) return '';
  requireModest(Number((to - from) / step));
  const numbers: bigint[] = [];
  for (let value = from; step > 0n ? value <= to : value >= to; value += step) numbers.push(value);
  return numbers.join(' ');
}
