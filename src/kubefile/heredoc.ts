/** Here-documents: finding their markers in an instruction's line and reading their bodies behind it. */
import type { Heredoc } from './instruction.ts';
import { lexWord, type LexOptions } from './word-lexer.ts';

export type HeredocMarker = Omit<Heredoc, 'body'>;

const NO_VARIABLES = { get: () => undefined };
/** The escape directive does not reach here: a marker is shell syntax. */
const PLAIN: LexOptions = { escape: '\\', keepUnset: true };
const QUOTED: LexOptions = { ...PLAIN, keepQuotes: true };
const RAW: LexOptions = { ...QUOTED, keepEscapes: true };

/** The markers of a line, left to right. A line whose quotes do not balance has none, as the shell will say itself. */
export function findHeredocs(line: string): HeredocMarker[] {
  if (!line.includes('<<')) return [];
  return (lexOrNothing(line, RAW) ?? []).flatMap((word) => parseHeredocMarker(word) ?? []);
}

/** `3<<-"EOF"` → its parts; undefined when the word is no marker. */
export function parseHeredocMarker(word: string): HeredocMarker | undefined {
  const [, descriptor = '', dash = '', rest = ''] = /^(\d*)<<(-?)([^<]+)$/.exec(word) ?? [];
  if (rest === '') return undefined;
  const [name, ...more] = lexOrNothing(rest, PLAIN) ?? [];
  const [written] = lexOrNothing(rest, QUOTED) ?? [];
  if (name === undefined || written === undefined || more.length > 0) return undefined;
  const expand = countQuotes(name) === countQuotes(written);
  return { name, expand, chomp: dash === '-', fileDescriptor: Number(descriptor) };
}

/** Does this physical line (without its ending) close the document? */
export const isTerminator = (line: string, { name, chomp }: HeredocMarker): boolean =>
  (chomp ? line.replace(/^\t+/, '') : line) === name;

/** The body out of its physical lines, which keep their endings. */
export function heredocBody(lines: readonly string[], { chomp }: HeredocMarker): string {
  return (chomp ? lines.map((line) => line.replace(/^\t+/, '')) : lines).join('');
}

function lexOrNothing(text: string, options: LexOptions): readonly string[] | undefined {
  try {
    return lexWord(text, NO_VARIABLES, options).words;
  } catch {
    return undefined;
  }
}

const countQuotes = (text: string): number => text.replace(/[^'"]/g, '').length;
