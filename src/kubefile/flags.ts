/** `--name=value` flags: which ones an instruction has is data, and anything else is an error. */
import type { Word } from './command-line.ts';
import type { Keyword } from './instruction.ts';
import { statementError, type Statement } from './statement.ts';
import { didYouMean } from './suggest.ts';

/** `switch` is `--link` or `--link=true|false`; `list` may be repeated. */
type FlagKind = 'text' | 'list' | 'switch';

const COPY_FLAGS = { chown: 'text', chmod: 'text', link: 'switch', exclude: 'list' } as const;
const FLAGS: Partial<Record<Keyword, Readonly<Record<string, FlagKind>>>> = {
  FROM: { platform: 'text' },
  RUN: { mount: 'list', network: 'text', security: 'text', device: 'list' },
  COPY: { ...COPY_FLAGS, from: 'text', parents: 'switch' },
  ADD: { ...COPY_FLAGS, checksum: 'text', 'keep-git-dir': 'switch', unpack: 'switch' },
  HEALTHCHECK: {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  },
};

export interface FlagValues {
  readonly text: (name: string) => string | undefined;
  readonly list: (name: string) => readonly string[];
  /** Undefined when the flag is not there. */
  readonly switch: (name: string) => boolean | undefined;
  /** Where a flag stands in the line, for errors about its value; 0 when it is not there. */
  readonly offset: (name: string) => number;
}

/** Throws KUBEFILE_SYNTAX for flags that are unknown, twice there, without value, or no boolean. */
export function readFlags(statement: Statement): FlagValues {
  const kinds = FLAGS[statement.keyword] ?? {};
  const found = new Map<string, { values: string[]; offset: number }>();
  for (const flag of statement.command.flags) {
    const { name, value } = readFlag(statement, flag, kinds);
    const before = found.get(name);
    if (before !== undefined && kinds[name] !== 'list') {
      throw statementError(statement, flag.offset, { message: `flag --${name} is there twice` });
    }
    if (before === undefined) found.set(name, { values: [value], offset: flag.offset });
    else before.values.push(value);
  }
  return {
    text: (name) => found.get(name)?.values[0],
    list: (name) => found.get(name)?.values ?? [],
    switch: (name) => (found.has(name) ? found.get(name)?.values[0] === 'true' : undefined),
    offset: (name) => found.get(name)?.offset ?? 0,
  };
}

function readFlag(
  statement: Statement,
  { text, offset }: Word,
  kinds: Readonly<Record<string, FlagKind>>,
): { name: string; value: string } {
  const equals = text.indexOf('=');
  const name = text.slice(2, equals < 0 ? undefined : equals);
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined) {
    const hint = didYouMean(name, Object.keys(kinds), '--') ?? hintForWords(statement.keyword);
    throw statementError(statement, offset, {
      message: `unknown flag --${name} of ${statement.keyword}`,
      hint,
    });
  }
  const value = equals < 0 ? (kind === 'switch' ? 'true' : '') : text.slice(equals + 1);
  if (value === '' && (kind === 'switch' || equals < 0)) {
    throw statementError(statement, offset, {
      message: `flag --${name} has no value`,
      hint: `Write --${name}=VALUE`,
    });
  }
  if (kind === 'switch' && !/^(?:true|false)$/i.test(value)) {
    throw statementError(statement, offset, { message: `flag --${name} is true or false, not "${value}"` });
  }
  return { name, value: kind === 'switch' ? value.toLowerCase() : value };
}

const hintForWords = (keyword: Keyword): string | undefined =>
  ['CMD', 'ENTRYPOINT', 'RUN'].includes(keyword)
    ? `Write ${keyword} -- … when the command itself starts with --`
    : undefined;
