/**
 * Regular expressions of Go in JavaScript's clothes. Go's never take more than linear time, ours can be made to go on
 * for ever: each runs under a clock.
 */
import { createContext, Script } from 'node:vm';
import { goQuote } from '../format.ts';
import { FunctionError } from '../template-error.ts';
import type { Value } from '../value.ts';
import { integer, text, withAliases, type FunctionTable } from './arguments.ts';

const CLOCK_MS = 1000;

export const REGULAR: FunctionTable = withAliases(
  {
    regexMatch: (pattern, value) => matches(pattern, value, 1).length > 0,
    regexFind: (pattern, value) => matches(pattern, value, 1)[0] ?? '',
    regexFindAll: (pattern, value, count) => matches(pattern, value, integer(count)),
    regexReplaceAll: (pattern, value, by) => replaceAll(pattern, value, template(text(by))),
    regexReplaceAllLiteral: (pattern, value, by) =>
      replaceAll(pattern, value, text(by).replace(/\$/g, '$$$$')),
    regexSplit: (pattern, value, count) => split(text(pattern), text(value), integer(count)),
    regexQuoteMeta: (value) => text(value).replace(/[\\.+*?()|[\]{}^$]/g, '\\$&'),
  },
  {
    mustRegexMatch: 'regexMatch',
    mustRegexFind: 'regexFind',
    mustRegexFindAll: 'regexFindAll',
    mustRegexReplaceAll: 'regexReplaceAll',
    mustRegexReplaceAllLiteral: 'regexReplaceAllLiteral',
    mustRegexSplit: 'regexSplit',
  },
);

const sandbox = createContext({ input: '', source: '', flags: '', by: '', result: undefined as unknown });
const FIND = new Script(
  'result = [...input.matchAll(new RegExp(source, flags))].map((m) => [m.index, m[0]])',
);
const REPLACE = new Script('result = input.replace(new RegExp(source, flags), by)');

function run(
  script: Script,
  pattern: string,
  values: { readonly input: string; readonly by?: string },
): unknown {
  Object.assign(sandbox, { by: '', ...values, ...translate(pattern), result: undefined });
  try {
    script.runInContext(sandbox, { timeout: CLOCK_MS });
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code === 'ERR_SCRIPT_EXECUTION_TIMEOUT')
      throw new FunctionError(`the pattern ${goQuote(pattern)} takes too long`);
    throw new FunctionError(`error parsing regexp: ${String(message)}`);
  }
  return sandbox['result'];
}

const CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7f',
  blank: '\\t ',
  cntrl: '\\x00-\\x1f\\x7f',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  word: '\\w',
  xdigit: '0-9A-Fa-f',
};

/** Flags in front, named groups, POSIX classes, and the ends of a text. */
function translate(pattern: string): { source: string; flags: string } {
  let flags = 'g';
  const source = pattern
    .replace(/^\(\?([imsU]+)\)/, (_, set: string) => {
      flags += set.replace('U', '');
      return '';
    })
    .replace(/\(\?P</g, '(?<')
    .replace(/\[:(\w+):\]/g, (whole, name: string) => CLASSES[name] ?? whole)
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$');
  return { source, flags: /\\p\{|\\pL/.test(source) ? `${flags}u` : flags };
}

type Match = readonly [index: number, text: string];

const found = (pattern: string, input: string): readonly Match[] =>
  Array.from(run(FIND, pattern, { input }) as Iterable<Match>, ([index, each]) => [index, each] as const);

function matches(pattern: Value | undefined, value: Value | undefined, count: number): string[] {
  const all = found(text(pattern), text(value)).map(([, each]) => each);
  return count < 0 ? all : all.slice(0, count);
}

const replaceAll = (pattern: Value | undefined, value: Value | undefined, by: string): string =>
  String(run(REPLACE, text(pattern), { input: text(value), by }));

/** `${1}`, `$1` and `${name}` of Go: a name reaches as far as it can. */
const template = (by: string): string =>
  by.replace(/\$(?:\$|\{(\w+)\}|(\w+))?/g, (_, braced?: string, bare?: string) => {
    const name = braced ?? bare;
    if (name === undefined) return '$$';
    return /^\d+$/.test(name) ? (name === '0' ? '$&' : `$${name}`) : `$<${name}>`;
  });

function split(pattern: string, value: string, count: number): string[] {
  if (count === 0) return [];
  const parts: string[] = [];
  let from = 0;
  for (const [index, each] of found(pattern, value)) {
    if (count > 0 && parts.length === count - 1) break;
    if (each === '' && (index === 0 || index === value.length)) continue;
    parts.push(value.slice(from, index));
    from = index + each.length;
  }
  return [...parts, value.slice(from)];
}
