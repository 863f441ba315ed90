/** `--cache-from` and `--cache-to` of the command line, as docker buildx has them. */
import { resolve } from 'node:path';
import type { CacheSource, CacheTarget } from '../build/cache/cache-options.ts';
import { ArchBuildError } from '../errors.ts';
import { fullName } from '../oci/reference.ts';
import { COMPRESSION_KEYS, encodingOf } from './compression-fields.ts';
import { fieldsOf, truthOf } from './fields.ts';

export interface CacheFlags {
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
}

/** Throws USAGE; OFFLINE for a registry that may not be asked. */
export function cachesOf(
  flags: CacheFlags,
  { offline }: { readonly offline: boolean },
): { readonly cacheFrom: readonly CacheSource[]; readonly cacheTo: readonly CacheTarget[] } {
  const read = (option: string, text: string): Word => ({
    option,
    text,
    fields: fieldsOfCache(option, text),
    offline,
  });
  return {
    cacheFrom: flags.cacheFrom.map((text) => sourceOf(read('--cache-from', text), 'src')),
    cacheTo: flags.cacheTo.map((text) => targetOf(read('--cache-to', text))),
  };
}

interface Word {
  readonly option: string;
  readonly text: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly offline: boolean;
}

/** A reference alone is one in a registry. */
function fieldsOfCache(option: string, text: string): ReadonlyMap<string, string> {
  if (/(?:^|,)type=/.test(text)) return fieldsOf(option, text);
  return new Map([
    ['type', 'registry'],
    ['ref', text],
  ]);
}

const TARGET_KEYS = ['mode', 'ignore-error', ...COMPRESSION_KEYS];

function targetOf(word: Word): CacheTarget {
  const { fields, option } = word;
  if (fields.get('type') === 'inline') {
    refuseOthers(word, ['type', 'mode']);
    if ((fields.get('mode') ?? 'min') !== 'min')
      throw invalid(word, 'an image carries what it is made of', 'write type=registry for mode=max');
    return { type: 'inline' };
  }
  const mode = fields.get('mode') ?? 'min';
  if (mode !== 'min' && mode !== 'max')
    throw invalid(word, `unknown mode ${JSON.stringify(mode)}`, 'write min or max');
  const ignoreError = truthOf(`${option} ${word.text}`, 'ignore-error', fields.get('ignore-error')) ?? false;
  const packing = encodingOf(`${option} ${word.text}`, fields)?.packing;
  return {
    ...sourceOf(word, 'dest', TARGET_KEYS),
    mode,
    ignoreError,
    ...(packing === undefined ? {} : { packing }),
  };
}

function sourceOf(word: Word, place: 'src' | 'dest', more: readonly string[] = []): CacheSource {
  const { fields, option, text, offline } = word;
  switch (fields.get('type')) {
    case 'registry': {
      refuseOthers(word, ['type', 'ref', ...more]);
      const reference = fullName(needed(word, 'ref'));
      if (!offline) return { type: 'registry', reference };
      throw new ArchBuildError('OFFLINE', `${option} ${text} asks the network, and --offline forbids it`);
    }
    case 'local':
      refuseOthers(word, ['type', place, 'tag', ...more]);
      return { type: 'local', directory: resolve(needed(word, place)), tag: fields.get('tag') ?? 'latest' };
    default: {
      const types = place === 'dest' ? 'registry, local or inline' : 'registry or local';
      throw invalid(word, `unknown type ${JSON.stringify(fields.get('type') ?? '')}`, `write type=${types}`);
    }
  }
}

function needed(word: Word, key: string): string {
  const value = word.fields.get(key) ?? '';
  if (value === '') throw invalid(word, `${key}= is missing`);
  return value;
}

function refuseOthers(word: Word, known: readonly string[]): void {
  const unknown = [...word.fields.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw invalid(word, `unknown ${JSON.stringify(unknown)}`, `it takes ${known.slice(1).join(', ')}`);
}

const invalid = ({ option, text }: Word, what: string, hint?: string): ArchBuildError =>
  new ArchBuildError('USAGE', `invalid ${option} ${text}: ${what}`, hint === undefined ? {} : { hint });
