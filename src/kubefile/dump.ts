/**
 * The syntax tree as S-expressions, in the notation of BuildKit's parser: what its test corpus is compared with, and
 * a way to see how a line was cut. Keywords are not checked: an unknown one has an empty argument.
 */
import { cutArguments, isKeyword, type Arguments } from './arguments.ts';
import { splitCommandLine, type CommandLine } from './command-line.ts';
import { readDirectives } from './directives.ts';
import { readLogicalLines } from './logical-lines.ts';
import { errorAt, readSource } from './source-text.ts';
import { locating } from './statement.ts';

/** One line per instruction, no line ending at the end. Throws KUBEFILE_SYNTAX for what cannot be cut. */
export function dumpAst(text: string, file = 'Kubefile'): string {
  const source = readSource(text, file);
  const { escape } = readDirectives(source);
  const lines = [...readLogicalLines(source, escape)].map((line) =>
    locating(source, line, () => dumpCommand(splitCommandLine(line.text), escape)),
  );
  if (lines.length === 0)
    throw errorAt(source, { line: 1, column: 1 }, { message: 'file with no instructions' });
  return lines.map((line) => `(${line})`).join('\n');
}

function dumpCommand({ keyword, flags, rest }: CommandLine, escape: string): string {
  const name = keyword.text.toUpperCase();
  const words = isKeyword(name) ? dumpArguments(cutArguments(name, rest, escape), escape) : [goQuote('')];
  const shownFlags = flags.length === 0 ? [] : [`[${flags.map(({ text }) => goQuote(text)).join(' ')}]`];
  return [keyword.text.toLowerCase(), ...shownFlags, ...words].join(' ');
}

function dumpArguments(cut: Arguments, escape: string): string[] {
  switch (cut.form) {
    case 'words':
    case 'json':
      return cut.words.map(({ text }) => goQuote(text));
    case 'text':
      return cut.text.text === '' ? [] : [goQuote(cut.text.text)];
    case 'pairs':
      return cut.pairs.flatMap(({ key, value }) => [goQuote(key), goQuote(value)]);
    case 'check':
      return cut.type.text === '' ? [] : [goQuote(cut.type.text), ...dumpArguments(cut.command, escape)];
    case 'trigger':
      return cut.trigger.keyword.text === '' ? [] : [`(${dumpCommand(cut.trigger, escape)})`];
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** Go's `strconv.Quote`. */
function goQuote(text: string): string {
  const shown = Array.from(text, (character) => {
    const escaped = ESCAPES[character];
    if (escaped !== undefined) return escaped;
    if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) return character;
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) return `\\x${point.toString(16).padStart(2, '0')}`;
    return point > 0xffff
      ? `\\U${point.toString(16).padStart(8, '0')}`
      : `\\u${point.toString(16).padStart(4, '0')}`;
  });
  return `"${shown.join('')}"`;
}
