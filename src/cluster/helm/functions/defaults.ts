/** Sprig's functions about emptiness, types and choices, and Helm's refusals. */
import { formatValue } from '../format.ts';
import { FunctionError } from '../template-error.ts';
import { equalValues, isTrue, kindOf, typeOf, type Value } from '../value.ts';
import { text, type FunctionTable } from './arguments.ts';

export const DEFAULTS: FunctionTable = {
  default: (fallback = null, value = null) => (isTrue(value) ? value : fallback),
  empty: (value = null) => !isTrue(value),
  coalesce: (...values) => values.find(isTrue) ?? null,
  all: (...values) => values.every(isTrue),
  any: (...values) => values.some(isTrue),
  ternary: (yes = null, no = null, condition = null) => {
    if (typeof condition !== 'boolean')
      throw new FunctionError(`wrong type for value; expected bool; got ${typeOf(condition)}`);
    return condition ? yes : no;
  },
  kindOf: (value = null) => kindOf(value),
  kindIs: (kind, value = null) => kindOf(value) === text(kind),
  typeOf: (value = null) => typeOf(value),
  typeIs: (type, value = null) => typeOf(value) === text(type),
  typeIsLike: (type, value = null) => [text(type), `*${text(type)}`].includes(typeOf(value)),
  deepEqual: (one = null, other = null) => equalValues(one, other),
  fail: (message) => {
    throw new FunctionError(text(message));
  },
  required: (message, value = null) => {
    if (value === null || value === '') throw new FunctionError(text(message));
    return value;
  },
  /** Nothing is in the cluster yet. */
  lookup: () => new Map<string, Value>(),
  hello: () => 'Hello!',
  getHostByName: () => '',
  base: (value) => pathPart(value, /[^/]*\/?$/, '.').replace(/(?<=.)\/$/, ''),
  dir: (value) => directory(text(value)),
  ext: (value) => /\.[^./]*$/.exec(text(value))?.[0] ?? '',
  clean: (value) => clean(text(value)),
  isAbs: (value) => text(value).startsWith('/'),
  urlParse: (value) => urlParts(text(value)),
  urlJoin: (parts = null) => urlOf(parts),
};

function pathPart(value: Value | undefined, pattern: RegExp, empty: string): string {
  const path = text(value).replace(/(?<=.)\/+$/, '');
  return path === '' ? empty : (pattern.exec(path)?.[0] ?? empty);
}

const directory = (path: string): string => clean(path.slice(0, path.lastIndexOf('/') + 1));

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !path.startsWith('/')) parts.push(part);
  }
  const joined = parts.join('/');
  return path.startsWith('/') ? `/${joined}` : joined === '' ? '.' : joined;
}

const URL_PATTERN =
  /^(?:(?<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/(?:(?<userinfo>[^@/?#]*)@)?(?<host>[^/?#]*))?(?<path>[^?#]*)(?:\?(?<query>[^#]*))?(?:#(?<fragment>.*))?$/s;

function urlParts(url: string): Value {
  const groups = URL_PATTERN.exec(url)?.groups ?? {};
  const { scheme = '', userinfo = '', host = '', path = '', query = '', fragment = '' } = groups;
  const hostname = host.replace(/:\d*$/, '').replace(/^\[|\]$/g, '');
  return new Map<string, Value>(
    Object.entries({ scheme, userinfo, host, hostname, path, query, fragment, opaque: '' }),
  );
}

function urlOf(parts: Value): string {
  const part = (key: string): string =>
    parts instanceof Map ? formatValue((parts.get(key) ?? '') as Value) : '';
  const user = part('userinfo') === '' ? '' : `${part('userinfo')}@`;
  const authority = part('host') === '' ? '' : `//${user}${part('host')}`;
  const scheme = part('scheme') === '' ? '' : `${part('scheme')}:`;
  const query = part('query') === '' ? '' : `?${part('query')}`;
  return `${scheme}${authority}${part('path')}${query}${part('fragment') === '' ? '' : `#${part('fragment')}`}`;
}
