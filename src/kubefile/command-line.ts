/** A logical line → keyword, flags, rest; offsets count in the logical line. */
import { isSpace, leadingSpace, trimEnd } from './characters.ts';

/** A piece of the logical line; what `text` is after quotes went does not change where it stands. */
export interface Word {
  readonly text: string;
  readonly offset: number;
}

export interface CommandLine {
  /** As written. */
  readonly keyword: Word;
  /** `--name=value` with its quotes and backslashes resolved. */
  readonly flags: readonly Word[];
  /** What follows, blanks at both ends removed. */
  readonly rest: Word;
}

/** What is wrong with a text at a place in its logical line; the caller knows the file. */
export class LineError extends Error {
  readonly offset: number;
  readonly hint: string | undefined;

  constructor(message: string, offset: number, hint?: string) {
    super(message);
    this.name = 'LineError';
    this.offset = offset;
    this.hint = hint;
  }
}

/** The blanks that separate keyword, flags and words: fewer than there are in Unicode. */
const BLANKS = /[\t\v\f\r ]+/g;

/** Throws a LineError for a flag whose quotes do not close. `start` is where `text` begins in the logical line. */
export function splitCommandLine(text: string, start = 0): CommandLine {
  const begin = leadingSpace(text);
  const content = trimEnd(text);
  const blank = content.slice(begin).search(BLANKS);
  const keywordEnd = blank < 0 ? content.length : begin + blank;
  const keyword = { text: content.slice(begin, keywordEnd), offset: start + begin };
  const { flags, end } = readFlags(content, keywordEnd);
  const restStart = end + leadingSpace(content.slice(end));
  return {
    keyword,
    flags: flags.map(({ text: flag, offset }) => ({ text: flag, offset: start + offset })),
    rest: { text: content.slice(restStart), offset: start + restStart },
  };
}

/** The words between runs of blanks; quotes mean nothing. A text without words has none. */
export function splitBlanks({ text, offset }: Word): Word[] {
  const words: Word[] = [];
  let start = 0;
  for (const { 0: blanks, index } of text.matchAll(BLANKS)) {
    if (index > start) words.push({ text: text.slice(start, index), offset: offset + start });
    start = index + blanks.length;
  }
  if (start < text.length) words.push({ text: text.slice(start), offset: offset + start });
  return words;
}

/** Flags stand before everything else; `--` alone ends them. */
function readFlags(text: string, from: number): { flags: Word[]; end: number } {
  const flags: Word[] = [];
  let at = from;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (!text.startsWith('--', at)) return { flags, end: at };
    const flag = readFlag(text, at);
    if (flag.text === '--') return { flags, end: flag.end };
    flags.push({ text: flag.text, offset: at });
    at = flag.end;
  }
}

/** One flag, up to the first blank outside quotes. The backslash escapes here whatever the escape directive says. */
function readFlag(text: string, start: number): { text: string; end: number } {
  let flag = '';
  let mark = '';
  let at = start;
  for (; at < text.length; at++) {
    const character = text.charAt(at);
    if (mark === '' && isSpace(character)) break;
    if (character === mark) mark = '';
    else if (mark === '' && (character === '"' || character === "'")) mark = character;
    else if (character === '\\') flag += text.charAt(++at);
    else flag += character;
  }
  if (mark !== '') throw new LineError(`quote in flag ${flag.split('=')[0] ?? flag} is not closed`, start);
  return { text: flag, end: at };
}
