/** Sprig's functions on lists and maps. */
import { formatValue } from '../format.ts';
import { requireModest } from '../budget.ts';
import { FunctionError } from '../template-error.ts';
import {
  compareText,
  copyValue,
  equalValues,
  isList,
  isMap,
  isTrue,
  mutable,
  type Value,
  type ValueMap,
} from '../value.ts';
import { integer, list, map, text, withAliases, type FunctionTable } from './arguments.ts';
import { mergeMaps } from './merge.ts';

export const LISTS: FunctionTable = withAliases(
  {
    list: (...values) => values,
    first: (value) => list(value)[0] ?? null,
    last: (value) => list(value).at(-1) ?? null,
    rest: (value) => list(value).slice(1),
    initial: (value) => list(value).slice(0, -1),
    append: (value, item = null) => [...list(value), item],
    prepend: (value, item = null) => [item, ...list(value)],
    concat: (...values) => values.flatMap((value) => [...list(value)]),
    reverse: (value) => [...list(value)].reverse(),
    uniq: (value) => unique(list(value)),
    without: (value, ...left) =>
      list(value).filter((each) => !left.some((other) => equalValues(each, other))),
    has: (item: Value = null, value: Value = null) =>
      value !== null && list(value).some((each) => equalValues(each, item)),
    compact: (value) => list(value).filter(isTrue),
    slice: (value, from = 0n, to?: Value) =>
      list(value).slice(integer(from), to === undefined ? undefined : integer(to)),
    chunk: (size, value) => chunks(integer(size), list(value)),
    sortAlpha: (value = null) => strings(value).sort(compareText),
    join: (separator, value = null) => strings(value).join(text(separator)),
    toStrings: (value = null) => strings(value),
    until: (count) => counted(0, integer(count), integer(count) < 0 ? -1 : 1),
    untilStep: (from, to, step) => counted(integer(from), integer(to), integer(step)),
  },
  {
    tuple: 'list',
    push: 'append',
    mustFirst: 'first',
    mustLast: 'last',
    mustRest: 'rest',
    mustInitial: 'initial',
    mustAppend: 'append',
    mustPush: 'append',
    mustPrepend: 'prepend',
    mustReverse: 'reverse',
    mustUniq: 'uniq',
    mustWithout: 'without',
    mustHas: 'has',
    mustCompact: 'compact',
    mustSlice: 'slice',
    mustChunk: 'chunk',
  },
);

export const MAPS: FunctionTable = withAliases(
  {
    dict: (...values) => dictionary(values),
    get: (value, key) => map(value).get(text(key)) ?? '',
    set: (value, key, item = null) => {
      mutable(map(value)).set(text(key), item);
      return map(value);
    },
    unset: (value, key) => {
      mutable(map(value)).delete(text(key));
      return map(value);
    },
    hasKey: (value, key) => map(value).has(text(key)),
    pluck: (key, ...values) =>
      values.flatMap((value) => {
        const found = map(value).get(text(key));
        return found === undefined ? [] : [found];
      }),
    keys: (...values) => values.flatMap((value) => [...map(value).keys()].sort(compareText)),
    values: (value) =>
      [...map(value)].sort(([one], [other]) => compareText(one, other)).map(([, each]) => each),
    pick: (value, ...keys) => chosen(map(value), (key) => keys.includes(key)),
    omit: (value, ...keys) => chosen(map(value), (key) => !keys.includes(key)),
    merge: (value, ...others) =>
      others.reduce((into, other) => mergeMaps(map(into), map(other), 'keep'), value ?? null),
    mergeOverwrite: (value, ...others) =>
      others.reduce((into, other) => mergeMaps(map(into), map(other), 'overwrite'), value ?? null),
    deepCopy: (value = null) => copyValue(value),
    dig: (...values) => dig(values),
  },
  {
    mustMerge: 'merge',
    mustMergeOverwrite: 'mergeOverwrite',
    mustDeepCopy: 'deepCopy',
  },
);

function unique(values: readonly Value[]): Value[] {
  const kept: Value[] = [];
  for (const value of values) if (!kept.some((other) => equalValues(other, value))) kept.push(value);
  return kept;
}

function chunks(size: number, values: readonly Value[]): Value[] {
  if (size < 1) throw new FunctionError('chunk of nothing');
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) =>
    values.slice(index * size, (index + 1) * size),
  );
}

/** A value that is no list is a list of it; nil is left out. */
function strings(value: Value): string[] {
  const values = isList(value) ? value : value === null ? [] : [value];
  return values.filter((each) => each !== null).map(formatValue);
}

export function counted(from: number, to: number, step: number): Value[] {
  if (step === 0 || (to - from) * step <= 0) return [];
  const length = Math.ceil((to - from) / step);
  requireModest(length);
  return Array.from({ length }, (_, index) => BigInt(from + index * step));
}

function dictionary(values: readonly Value[]): ValueMap {
  const entries: [string, Value][] = [];
  for (let index = 0; index < values.length; index += 2)
    entries.push([formatValue(values[index] ?? null), values[index + 1] ?? '']);
  return new Map(entries);
}

const chosen = (value: ValueMap, isWanted: (key: string) => boolean): ValueMap =>
  new Map([...value].filter(([key]) => isWanted(key)));

/** `dig "a" "b" default map` */
function dig(values: readonly Value[]): Value {
  if (values.length < 3) throw new FunctionError('dig needs at least three arguments');
  const keys = values.slice(0, -2);
  let found: Value = values.at(-1) ?? null;
  for (const key of keys) {
    const next: Value | undefined = isMap(found) ? found.get(text(key)) : undefined;
    if (next === undefined) return values.at(-2) ?? null;
    found = next;
  }
  return found;
}
