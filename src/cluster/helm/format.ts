/** Values as text: what an action prints, and the verbs of `printf`. */
import { FunctionError } from './template-error.ts';
import { GoObject, isList, isMap, isNumber, kindOf, sortedEntries, typeOf, type Value } from './value.ts';

/** `%v` */
export function formatValue(value: Value): string {
  if (value === null) return '<nil>';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatFloat(value);
  if (isList(value)) return `[${value.map(formatValue).join(' ')}]`;
  if (isMap(value))
    return `map[${sortedEntries(value)
      .map(([key, each]) => `${key}:${formatValue(each)}`)
      .join(' ')}]`;
  if (value instanceof GoObject) return formatObject(value);
  return String(value);
}

function formatObject({ fields, methods, entries }: GoObject): string {
  const text = methods.get('String')?.();
  if (typeof text === 'string') return text;
  return entries === undefined
    ? `{${[...fields.values()].map(formatValue).join(' ')}}`
    : formatValue(entries);
}

/** `%v` of a float: the shortest text, with an exponent below 1e-4 and from 1e6 on. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const exponent = value === 0 ? 0 : Number(value.toExponential().split('e')[1]);
  return exponent < -4 || exponent >= PLAIN_DIGITS ? goExponent(value.toExponential()) : String(value);
}

/** A float with more digits before its point is written with an exponent. */
const PLAIN_DIGITS = 6;

/** At least two digits of exponent. */
const goExponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

/** Longer results are nobody's. */
const WIDTH_LIMIT = 1 << 16;
const VERB = /%([-+# 0]*)(?:\[(\d+)\])?(\*|\d+)?(\.(?:\*|\d+)?)?(.)?/su;

export function sprintf(format: string, values: readonly Value[]): string {
  const state = { next: 0, isReordered: false };
  let text = '';
  let rest = format;
  for (let match = VERB.exec(rest); match !== null; match = VERB.exec(rest)) {
    text += rest.slice(0, match.index) + formatMatch(match, values, state);
    rest = rest.slice(match.index + match[0].length);
  }
  text += rest;
  if (state.isReordered || state.next >= values.length) return text;
  const extra = values
    .slice(state.next)
    .map((value) => `${value === null ? '' : `${typeOf(value)}=`}${formatValue(value)}`);
  return `${text}%!(EXTRA ${extra.join(', ')})`;
}

function formatMatch(
  [, flags = '', index, width, precision, verb]: RegExpExecArray,
  values: readonly Value[],
  state: { next: number; isReordered: boolean },
): string {
  if (verb === undefined) return '%!(NOVERB)';
  if (verb === '%') return '%';
  const size = (word: string | undefined): number | undefined =>
    word === '*' ? Number(values[state.next++] ?? 0) : word === undefined ? undefined : Number(word);
  const options = { flags, width: size(width), precision: size(precision?.slice(1)) };
  if ((options.width ?? 0) > WIDTH_LIMIT || (options.precision ?? 0) > WIDTH_LIMIT)
    throw new FunctionError('printf: a width beyond all measure');
  if (index !== undefined) {
    state.next = Number(index) - 1;
    state.isReordered = true;
  }
  if (state.next >= values.length || state.next < 0)
    return `%!${verb}(${index === undefined ? 'MISSING' : 'BADINDEX'})`;
  return formatVerb(verb, values[state.next++] ?? null, options);
}

interface VerbOptions {
  readonly flags: string;
  readonly width: number | undefined;
  readonly precision: number | undefined;
}

function formatVerb(verb: string, value: Value, options: VerbOptions): string {
  const text =
    isList(value) && !'vTqxX'.includes(verb)
      ? `[${value.map((each) => formatScalar(verb, each, options) ?? bad(verb, each)).join(' ')}]`
      : formatScalar(verb, value, options);
  return text === undefined ? bad(verb, value) : pad(text, options, isNumber(value));
}

const bad = (verb: string, value: Value): string =>
  value === null ? `%!${verb}(<nil>)` : `%!${verb}(${typeOf(value)}=${formatValue(value)})`;

function formatScalar(verb: string, value: Value, options: VerbOptions): string | undefined {
  switch (verb) {
    case 'v':
      if (options.flags.includes('#')) return goSyntax(value);
      return isNumber(value) ? withSign(formatValue(value), options) : formatValue(value);
    case 'T':
      return typeOf(value);
    case 's':
      if (isNumber(value) || typeof value === 'boolean' || value === null) return undefined;
      return cut(formatValue(value), options);
    case 'q':
      if (typeof value === 'bigint') return `'${String.fromCodePoint(Number(value))}'`;
      if (isList(value)) return `[${value.map((each) => goQuote(formatValue(each))).join(' ')}]`;
      if (typeof value !== 'string') return undefined;
      if (options.flags.includes('#') && /^[^`\p{Cc}\ufeff]*$/u.test(value)) return `\`${value}\``;
      return goQuote(cut(value, options));
    case 't':
      return typeof value === 'boolean' ? String(value) : undefined;
    case 'c':
    case 'U':
      return typeof value === 'bigint' ? character(verb, value) : undefined;
    default:
      return formatNumber(verb, value, options);
  }
}

const character = (verb: string, value: bigint): string =>
  verb === 'c'
    ? String.fromCodePoint(Number(value))
    : `U+${value.toString(16).toUpperCase().padStart(4, '0')}`;

const RADIX: Readonly<Record<string, number>> = { d: 10, b: 2, o: 8, x: 16, X: 16 };
const PREFIX: Readonly<Record<string, string>> = { b: '0b', o: '0', x: '0x', X: '0X' };

function formatNumber(verb: string, value: Value, options: VerbOptions): string | undefined {
  const radix = RADIX[verb];
  if (radix !== undefined && typeof value === 'bigint') {
    const digits = (value < 0n ? -value : value).toString(radix).padStart(options.precision ?? 0, '0');
    const prefix = options.flags.includes('#') ? (PREFIX[verb] ?? '') : '';
    return withSign(
      `${value < 0n ? '-' : ''}${prefix}${verb === 'X' ? digits.toUpperCase() : digits}`,
      options,
    );
  }
  if ((verb === 'x' || verb === 'X') && typeof value === 'string') {
    const hex = Buffer.from(value).toString('hex');
    return verb === 'X' ? hex.toUpperCase() : hex;
  }
  if (typeof value !== 'number') return undefined;
  const { precision } = options;
  const digits = Math.min(precision ?? 6, 100);
  switch (verb) {
    case 'f':
    case 'F':
      return withSign(value.toFixed(digits), options);
    case 'e':
    case 'E': {
      const text = goExponent(value.toExponential(digits));
      return withSign(verb === 'E' ? text.toUpperCase() : text, options);
    }
    case 'g':
    case 'G':
      return withSign(
        precision === undefined
          ? formatFloat(value)
          : formatFloat(Number(value.toPrecision(Math.max(1, digits)))),
        options,
      );
    default:
      return undefined;
  }
}

function withSign(text: string, { flags }: VerbOptions): string {
  if (text.startsWith('-')) return text;
  return flags.includes('+') ? `+${text}` : flags.includes(' ') ? ` ${text}` : text;
}

const cut = (text: string, { precision }: VerbOptions): string =>
  precision === undefined ? text : Array.from(text).slice(0, precision).join('');

function pad(text: string, { flags, width = 0 }: VerbOptions, isNumeric: boolean): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  if (flags.includes('-')) return text + ' '.repeat(missing);
  if (!flags.includes('0') || !isNumeric) return ' '.repeat(missing) + text;
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  return sign + '0'.repeat(missing) + text.slice(sign.length);
}

const SHORT: ReadonlyMap<string, string> = new Map([
  ['\u0007', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
  ['\\', '\\\\'],
  ['"', '\\"'],
]);

/** `%q`: a string as Go would write it. */
export function goQuote(text: string): string {
  const quoted = text.replace(/[\\"\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    const short = SHORT.get(character);
    if (short !== undefined) return short;
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return `"${quoted}"`;
}

function goSyntax(value: Value): string {
  if (typeof value === 'string') return goQuote(value);
  if (isList(value)) return `${typeOf(value)}{${value.map(goSyntax).join(', ')}}`;
  if (isMap(value))
    return `${typeOf(value)}{${sortedEntries(value)
      .map(([key, each]) => `${goQuote(key)}:${goSyntax(each)}`)
      .join(', ')}}`;
  return formatValue(value);
}

/** `print`: blanks between operands when neither is a string. */
export function sprint(values: readonly Value[]): string {
  return values
    .map((value, index) => {
      const before = values[index - 1];
      const isApart = index > 0 && kindOf(value) !== 'string' && kindOf(before ?? null) !== 'string';
      return (isApart ? ' ' : '') + formatValue(value);
    })
    .join('');
}
