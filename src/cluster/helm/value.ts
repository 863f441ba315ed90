/**
 * Values of templates as Go has them: an integer is a bigint, a float a number, a map has sorted keys when it is read
 * in order, nil is null. What a chart sees of the program (`.Files`, `.Capabilities`) is an object with methods.
 */
import { FunctionError } from './template-error.ts';

export type Value = null | boolean | string | bigint | number | readonly Value[] | ValueMap | GoObject;
export type ValueMap = ReadonlyMap<string, Value>;
export type TemplateFunction = (...values: Value[]) => Value;

/** A struct: a field it does not have is a mistake, unlike a key that a map does not have. */
export class GoObject {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, Value>;
  readonly methods: ReadonlyMap<string, TemplateFunction>;
  /** What `range` sees, for types that are maps underneath. */
  readonly entries: ValueMap | undefined;

  constructor(
    typeName: string,
    parts: {
      readonly fields?: Readonly<Record<string, Value>>;
      readonly methods?: Readonly<Record<string, TemplateFunction>>;
      readonly entries?: ValueMap;
    },
  ) {
    this.typeName = typeName;
    this.fields = new Map(Object.entries(parts.fields ?? {}));
    this.methods = new Map(Object.entries(parts.methods ?? {}));
    this.entries = parts.entries;
  }

  has(name: string): boolean {
    return this.fields.has(name) || this.entries !== undefined;
  }

  get(name: string): Value {
    return this.fields.get(name) ?? this.entries?.get(name) ?? null;
  }
}

export const isMap = (value: Value | undefined): value is ValueMap => value instanceof Map;
export const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value);
export const isNumber = (value: Value | undefined): value is bigint | number =>
  typeof value === 'bigint' || typeof value === 'number';

/** The names Go has for them in messages. */
export function typeOf(value: Value): string {
  if (value === null) return '<nil>';
  if (value instanceof GoObject) return value.typeName;
  if (isMap(value)) return 'map[string]interface {}';
  if (isList(value)) return '[]interface {}';
  const names: Readonly<Record<string, string>> = { boolean: 'bool', bigint: 'int', number: 'float64' };
  return names[typeof value] ?? typeof value;
}

export function kindOf(value: Value): string {
  if (value === null) return 'invalid';
  if (value instanceof GoObject) return value.entries === undefined ? 'struct' : 'map';
  if (isMap(value)) return 'map';
  return isList(value) ? 'slice' : typeOf(value);
}

/** What `if` thinks of it. */
export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string' || isList(value)) return value.length > 0;
  if (value instanceof GoObject) return value.entries === undefined || value.entries.size > 0;
  return value.size > 0;
}

/** Keys as `range` and `print` order them. */
export const sortedEntries = (map: ValueMap): [string, Value][] =>
  [...map].sort(([one], [other]) => compareText(one, other));

/** By bytes of UTF-8, which is by code points. */
export function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

/** Deep equality, as reflect.DeepEqual has it for values out of YAML. */
export function equalValues(one: Value, other: Value): boolean {
  if (isList(one) && isList(other))
    return (
      one.length === other.length && one.every((value, index) => equalValues(value, other[index] ?? null))
    );
  if (isMap(one) && isMap(other))
    return (
      one.size === other.size &&
      [...one].every(([key, value]) => other.has(key) && equalValues(value, other.get(key) ?? null))
    );
  if (isNumber(one) && isNumber(other)) return Number(one) === Number(other);
  return one === other;
}

export function copyValue(value: Value): Value {
  if (isList(value)) return value.map(copyValue);
  if (isMap(value)) return new Map([...value].map(([key, each]) => [key, copyValue(each)]));
  return value;
}

/** For the few functions that change their argument, as `set` does. */
export function mutable(map: ValueMap): Map<string, Value> {
  if (map instanceof Map) return map as Map<string, Value>;
  throw new FunctionError('not a map that can be changed');
}
