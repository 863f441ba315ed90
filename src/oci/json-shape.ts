/**
 * Readers: a reader takes an unknown JSON value and gives it back typed, or throws DOCUMENT_INVALID with the place of
 * the first thing that is wrong. Objects keep the fields that nobody here knows.
 */
import { ArchBuildError } from '../errors.ts';
import { isJsonObject, type JsonObject } from './json.ts';

/** `at` is the value's place, such as `manifest.layers[2].size`. */
export type Reader<T> = (value: unknown, at: string) => T;

type Readers = Readonly<Record<string, Reader<unknown>>>;
type Shape<Required extends Readers, Optional extends Readers> = {
  readonly [K in keyof Required]: ReturnType<Required[K]>;
} & { readonly [K in keyof Optional]?: ReturnType<Optional[K]> };

export function invalidAt(at: string, problem: string): ArchBuildError {
  return new ArchBuildError('DOCUMENT_INVALID', `${at} ${problem}`);
}

/** An object. An optional field that is null, as Go programs write what is empty, is left out. */
export function shape<Required extends Readers, Optional extends Readers>(
  required: Required,
  optional: Optional,
): Reader<Shape<Required, Optional>> {
  return (value, at) => {
    const object = { ...readObject(value, at) };
    for (const [key, read] of Object.entries(required)) {
      if (!Object.hasOwn(object, key)) throw invalidAt(at, `has no ${key}`);
      object[key] = read(object[key], `${at}.${key}`);
    }
    for (const [key, read] of Object.entries(optional)) {
      if (!Object.hasOwn(object, key)) continue;
      if (object[key] === null) Reflect.deleteProperty(object, key);
      else object[key] = read(object[key], `${at}.${key}`);
    }
    return object as Shape<Required, Optional>;
  };
}

export const readObject: Reader<JsonObject> = (value, at) => {
  if (isJsonObject(value)) return value;
  throw invalidAt(at, 'is not an object');
};

export const readText: Reader<string> = (value, at) => {
  if (typeof value === 'string') return value;
  throw invalidAt(at, 'is not a string');
};

export const readFlag: Reader<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value;
  throw invalidAt(at, 'is neither true nor false');
};

/** A count or size that a JavaScript number holds exactly. */
export const readCount: Reader<number> = (value, at) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidAt(at, 'is not a non-negative integer');
};

/** Text that a pattern describes; `what` says so in messages, as in "is not a digest". */
export const readMatching =
  (pattern: RegExp, what: string): Reader<string> =>
  (value, at) => {
    const text = readText(value, at);
    if (pattern.test(text)) return text;
    throw invalidAt(at, `is not ${what}: ${JSON.stringify(text.slice(0, 160))}`);
  };

export const listOf =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (value, at) => {
    if (!Array.isArray(value)) throw invalidAt(at, 'is not a list');
    return value.map((item, position) => read(item, `${at}[${position}]`));
  };

export const recordOf =
  <T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> =>
  (value, at) =>
    Object.fromEntries(
      Object.entries(readObject(value, at)).map(([key, item]) => [
        key,
        read(item, `${at}[${JSON.stringify(key.slice(0, 80))}]`),
      ]),
    );
