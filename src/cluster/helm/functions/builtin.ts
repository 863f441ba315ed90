/** The functions of Go's text/template itself; `and` and `or` are the evaluator's. */
import { formatValue, sprint, sprintf } from '../format.ts';
import { FunctionError } from '../template-error.ts';
import {
  compareText,
  GoObject,
  isList,
  isMap,
  isNumber,
  isTrue,
  kindOf,
  typeOf,
  type Value,
} from '../value.ts';
import { text, type FunctionTable } from './arguments.ts';

export const BUILTIN: FunctionTable = {
  not: (value = null) => !isTrue(value),
  len: (value = null) => {
    if (typeof value === 'string') return BigInt(Buffer.byteLength(value));
    if (isList(value)) return BigInt(value.length);
    if (isMap(value)) return BigInt(value.size);
    throw new FunctionError(`len of type ${typeOf(value)}`);
  },
  index: (value = null, ...keys) => keys.reduce(indexOnce, value),
  slice: (value = null, ...bounds) => slice(value, bounds),
  print: (...values) => sprint(values),
  printf: (format, ...values) => sprintf(text(format), values),
  println: (...values) => `${values.map(formatValue).join(' ')}\n`,
  html: (...values) => printed(values).replace(/[&<>'"\0]/g, (character) => HTML[character] ?? character),
  js: (...values) => escapeScript(printed(values)),
  urlquery: (...values) => queryEscape(printed(values)),
  eq: (first = null, ...others) => {
    if (others.length === 0) throw new FunctionError('missing argument for comparison');
    return others.some((other) => isSame(first, other));
  },
  ne: (first = null, other = null) => !isSame(first, other),
  lt: (first = null, other = null) => compare(first, other) < 0,
  le: (first = null, other = null) => compare(first, other) <= 0,
  gt: (first = null, other = null) => compare(first, other) > 0,
  ge: (first = null, other = null) => compare(first, other) >= 0,
  call: () => {
    throw new FunctionError('call of a value that is no function');
  },
};

/** As an action would print them. */
const printed = (values: readonly Value[]): string => sprint(values.map((value) => value ?? '<no value>'));

function indexOnce(value: Value, key: Value): Value {
  if (value === null) throw new FunctionError('index of untyped nil');
  if (isMap(value)) return value.get(text(key)) ?? null;
  const entries = value instanceof GoObject ? value.entries : undefined;
  if (entries !== undefined) return entries.get(text(key)) ?? null;
  if (!isList(value) && typeof value !== 'string')
    throw new FunctionError(`can't index item of type ${typeOf(value)}`);
  const at = position(key, isList(value) ? value.length : Buffer.byteLength(value), false);
  return isList(value) ? (value[at] ?? null) : BigInt(Buffer.from(value)[at] ?? 0);
}

function position(key: Value, length: number, isEnd: boolean): number {
  if (typeof key !== 'bigint') throw new FunctionError(`cannot index slice/array with type ${typeOf(key)}`);
  if (key < 0n || key > BigInt(length) || (!isEnd && key === BigInt(length)))
    throw new FunctionError(`index out of range: ${key}`);
  return Number(key);
}

function slice(value: Value, bounds: readonly Value[]): Value {
  if (bounds.length > 3) throw new FunctionError(`too many slice indexes: ${bounds.length}`);
  if (typeof value !== 'string' && !isList(value))
    throw new FunctionError(
      value === null ? 'slice of untyped nil' : `can't slice item of type ${typeOf(value)}`,
    );
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (bounds.length === 3 && typeof value === 'string')
    throw new FunctionError('cannot 3-index slice a string');
  const [from = 0, to = bytes.length, limit = to] = bounds.map((each) => position(each, bytes.length, true));
  if (limit < to) throw new FunctionError(`invalid slice index: ${to} > ${limit}`);
  if (from > to) throw new FunctionError(`invalid slice index: ${from} > ${to}`);
  return Buffer.isBuffer(bytes) ? bytes.subarray(from, to).toString() : bytes.slice(from, to);
}

/** Integers and floats compare by what they are: values come from YAML, which does not tell them apart. */
function isSame(one: Value, other: Value): boolean {
  if (one === null || other === null) return one === other;
  if (isNumber(one) && isNumber(other)) return !(one < other) && !(one > other);
  if (kindOf(one) !== kindOf(other)) throw new FunctionError('incompatible types for comparison');
  if (isMap(one) || isList(one) || one instanceof GoObject)
    throw new FunctionError(`non-comparable type ${typeOf(one)}`);
  return one === other;
}

function compare(one: Value, other: Value): number {
  if (isNumber(one) && isNumber(other)) return one < other ? -1 : one > other ? 1 : 0;
  if (typeof one === 'string' && typeof other === 'string') return compareText(one, other);
  throw new FunctionError(
    kindOf(one) === kindOf(other) ? 'invalid type for comparison' : 'incompatible types for comparison',
  );
}

const HTML: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
  '\0': '\ufffd',
};

const SCRIPT: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
};

const escapeScript = (value: string): string =>
  value.replace(
    /[\\'"<>&=]|\p{Cc}|[\u2028\u2029\ufeff]/gu,
    (character) =>
      SCRIPT[character] ??
      `\\u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
  );

const queryEscape = (value: string): string =>
  encodeURIComponent(value)
    .replace(/%20/g, '+')
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
