/** What functions say about their arguments, in the way Go says it. */
import { FunctionError } from '../template-error.ts';
import {
  isList,
  isMap,
  isNumber,
  typeOf,
  type TemplateFunction,
  type Value,
  type ValueMap,
} from '../value.ts';

export type FunctionTable = Readonly<Record<string, TemplateFunction>>;

const wrong = (wanted: string, value: Value): FunctionError =>
  new FunctionError(`wrong type for value; expected ${wanted}; got ${typeOf(value)}`);

export function text(value: Value | undefined): string {
  if (typeof value === 'string') return value;
  throw value === undefined ? missing() : wrong('string', value);
}

export function list(value: Value | undefined): readonly Value[] {
  if (isList(value)) return value;
  throw value === undefined ? missing() : wrong('[]interface {}', value);
}

export function map(value: Value | undefined): ValueMap {
  if (isMap(value)) return value;
  throw value === undefined ? missing() : wrong('map[string]interface {}', value);
}

/** An `int` parameter. */
export function integer(value: Value | undefined): number {
  if (typeof value === 'bigint') return Number(value);
  throw value === undefined ? missing() : wrong('int', value);
}

const missing = (): FunctionError => new FunctionError('wrong number of args: too few');

/** As sprig's casts do it: what is no number is 0. */
export function toInteger(value: Value | undefined): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value !== 'string') return 0n;
  const digits = /^([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|\d+)$/.exec(value.replace(/\.0*$/, ''));
  if (digits === null) return 0n;
  const [, sign, number = '0'] = digits;
  const magnitude = BigInt(/^0[0-7]/.test(number) ? `0o${number.slice(1)}` : number);
  return sign === '-' ? -magnitude : magnitude;
}

export function toFloat(value: Value | undefined): number {
  if (isNumber(value)) return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string' || value.trim() !== value || value === '') return 0;
  const number = Number(value);
  return Number.isNaN(number) ? 0 : number;
}

/** Every function of a table under another name as well. */
export const withAliases = (
  table: FunctionTable,
  aliases: Readonly<Record<string, string>>,
): FunctionTable => ({
  ...table,
  ...Object.fromEntries(Object.entries(aliases).map(([alias, name]) => [alias, table[name] ?? lost(name)])),
});

function lost(name: string): never {
  throw new TypeError(`no function ${name} to be called otherwise`);
}
