/** YAML as plain values, the way charts mean it: YAML 1.1's booleans and octals, no dates, integers exact. */
import { parseDocument, type Tags } from 'yaml';
import type { Value } from '../helm/value.ts';
import { readYaml, YamlError } from './documents.ts';

export { YamlError } from './documents.ts';

/** Of the first document; null for an empty text. Maps have text keys. Throws YamlError. */
export function readValues(text: string): Value {
  readYaml(text); // refuses what is no YAML, and bombs
  const document = parseDocument(text, {
    version: '1.1',
    intAsBigInt: true,
    uniqueKeys: false,
    merge: true,
    customTags: plainTags,
    logLevel: 'silent',
  });
  const [error] = document.errors;
  if (error !== undefined && error.code !== 'MULTIPLE_DOCS')
    throw new YamlError(error.message.split('\n')[0] ?? '');
  return asValue(document.toJS({ mapAsMap: true, maxAliasCount: -1 }));
}

/** Neither dates nor sets nor ordered maps: Helm knows none of them. */
export const plainTags = (tags: Tags): Tags =>
  tags.filter(
    (tag) => typeof tag === 'string' || !(STRANGE.has(tag.tag) || ('format' in tag && tag.format === 'TIME')),
  );

const STRANGE: ReadonlySet<string> = new Set(
  ['timestamp', 'omap', 'pairs', 'set', 'binary'].map((name) => `tag:yaml.org,2002:${name}`),
);

function asValue(value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map(asValue);
  if (value instanceof Map)
    return new Map([...(value as Map<unknown, unknown>)].map(([key, each]) => [keyText(key), asValue(each)]));
  if (value instanceof Set) return new Map([...(value as Set<unknown>)].map((key) => [keyText(key), null]));
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return value as Value;
}

const keyText = (key: unknown): string =>
  typeof key === 'string' || typeof key === 'bigint' || typeof key === 'number' || typeof key === 'boolean'
    ? String(key)
    : key === null
      ? 'null'
      : JSON.stringify(key);
