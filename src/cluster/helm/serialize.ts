/** Values from and to YAML, JSON and TOML, as Helm's functions read and write them. */
import { stringify } from 'yaml';
import { plainTags, readValues, YamlError } from '../yaml/values.ts';
import { formatFloat } from './format.ts';
import { FunctionError } from './template-error.ts';
import { GoObject, isList, isMap, sortedEntries, type Value } from './value.ts';

/** Without the last newline; texts of several lines as blocks, lists not indented. */
export function toYaml(value: Value): string {
  const plain = plainOf(value);
  const text = stringify(plain, {
    version: '1.1',
    customTags: plainTags,
    lineWidth: 0,
    indentSeq: false,
    aliasDuplicateObjects: false,
  });
  return text.replace(/\n$/, '');
}

/** A map with the `Error` when it cannot be read. */
export function fromYaml(text: string): Value {
  return readOr(
    text,
    (value) => (isMap(value) ? value : value === null ? new Map() : undefined),
    (error) => new Map([['Error', error]]),
  );
}

export function fromYamlList(text: string): Value {
  return readOr(
    text,
    (value) => (isList(value) ? value : value === null ? [] : undefined),
    (error) => [error],
  );
}

function readOr(
  text: string,
  accept: (value: Value) => Value | undefined,
  refuse: (error: string) => Value,
): Value {
  try {
    const value = accept(readValues(text));
    return value === undefined ? refuse('error unmarshaling: it is another kind of value') : value;
  } catch (error) {
    if (error instanceof YamlError) return refuse(error.message);
    throw error;
  }
}

/** JSON is read with YAML's reader, which keeps integers apart from floats; what is no JSON is an `Error`. */
export function fromJson(text: string): Value {
  try {
    JSON.parse(text);
  } catch (error) {
    return new Map([['Error', error instanceof Error ? error.message : '']]);
  }
  return readValues(text);
}

export function toJson(value: Value, { isRaw = false }: { readonly isRaw?: boolean } = {}): string {
  const text = json(value);
  return isRaw
    ? text
    : text.replace(
        /[<>&\u2028\u2029]/g,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
}

export const toPrettyJson = (value: Value): string =>
  toJson(value, { isRaw: true }) === 'null' ? 'null' : pretty(value, '');

function json(value: Value): string {
  if (value === null) return 'null';
  if (isList(value)) return `[${value.map(json).join(',')}]`;
  const entries = entriesOf(value);
  if (entries !== undefined)
    return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${json(each)}`).join(',')}}`;
  return scalarJson(value);
}

function pretty(value: Value, indent: string): string {
  const inner = `${indent}  `;
  if (isList(value) && value.length > 0)
    return `[\n${value.map((each) => inner + pretty(each, inner)).join(',\n')}\n${indent}]`;
  const entries = entriesOf(value);
  if (entries === undefined || entries.length === 0) return json(value);
  const lines = entries.map(([key, each]) => `${inner}${JSON.stringify(key)}: ${pretty(each, inner)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}

function scalarJson(value: Value): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  return JSON.stringify(value);
}

function entriesOf(value: Value): [string, Value][] | undefined {
  if (isMap(value)) return sortedEntries(value);
  if (!(value instanceof GoObject)) return undefined;
  return sortedEntries(value.entries ?? value.fields);
}

/** What the YAML writer takes: plain objects without a prototype, sorted. */
function plainOf(value: Value): unknown {
  if (isList(value)) return value.map(plainOf);
  const entries = entriesOf(value);
  return entries === undefined ? value : new Map(entries.map(([key, each]) => [key, plainOf(each)]));
}

/** Scalars and lists first, then tables, as TOML needs it. */
export function toToml(value: Value): string {
  if (!isMap(value)) throw new FunctionError('toToml of what is no map');
  return toml(value, []);
}

function toml(value: Value, path: readonly string[]): string {
  const entries = entriesOf(value) ?? [];
  const lines = entries
    .filter(([, each]) => each !== null && entriesOf(each) === undefined)
    .map(([key, each]) => `${tomlKey(key)} = ${tomlScalar(each)}\n`);
  const tables = entries
    .filter(([, each]) => entriesOf(each) !== undefined)
    .map(([key, each]) => {
      const inner = [...path, tomlKey(key)];
      return `${path.length === 0 && lines.length === 0 ? '' : '\n'}[${inner.join('.')}]\n${toml(each, inner)}`;
    });
  return lines.join('') + tables.join('');
}

const tomlKey = (key: string): string => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));

function tomlScalar(value: Value): string {
  if (isList(value)) return `[${value.map(tomlScalar).join(', ')}]`;
  if (typeof value === 'number') return Number.isInteger(value) ? `${value}.0` : formatFloat(value);
  const entries = entriesOf(value);
  if (entries !== undefined)
    return `{${entries.map(([key, each]) => `${tomlKey(key)} = ${tomlScalar(each)}`).join(', ')}}`;
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}
