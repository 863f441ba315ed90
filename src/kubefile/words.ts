/** The words of ENV, LABEL and ARG: cut at blanks outside quotes, with quotes and escapes kept for expansion. */
import { characterAt, isSpace } from './characters.ts';
import { LineError, type Word } from './command-line.ts';
import type { KeyValue } from './instruction.ts';

export interface PairWord extends KeyValue {
  readonly offset: number;
  /** `KEY value with blanks` instead of `KEY=value`. */
  readonly legacy: boolean;
}

/**
 * `name=value …`, or the legacy form `name rest of the line` when the first word has no `=`. Throws a LineError when
 * `command` is given no value, or a later word without `=`.
 */
export function splitPairs(rest: Word, { command, escape }: { command: string; escape: string }): PairWord[] {
  const words = splitQuoted(rest, escape);
  const [first] = words;
  if (first === undefined) return [];
  if (!first.text.includes('=')) return [legacyPair(rest, command)];
  return words.map(({ text, offset }) => {
    const equals = text.indexOf('=');
    if (equals < 0) {
      const message = `can't find = in "${text}", must be of the form name=value`;
      throw new LineError(message, offset, 'Quote a value that has blanks');
    }
    return { key: text.slice(0, equals), value: text.slice(equals + 1), offset, legacy: false };
  });
}

/** Blanks inside quotes, and behind the escape character, do not separate. An unclosed quote runs to the end. */
export function splitQuoted({ text, offset }: Word, escape: string): Word[] {
  const words: Word[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at++;
    if (at >= text.length) return words;
    const word = readWord(text, at, escape);
    if (word.text !== '') words.push({ text: word.text, offset: offset + at });
    at = word.end;
  }
}

function readWord(text: string, start: number, escape: string): { text: string; end: number } {
  let word = '';
  let mark = '';
  let at = start;
  while (at < text.length) {
    const character = text.charAt(at);
    if (mark === '' && isSpace(character)) break;
    if (character === escape && mark !== "'") {
      // At the very end it escapes nothing and goes.
      if (at + 1 === text.length) return { text: word, end: text.length };
      const escaped = characterAt(text, at + 1);
      word += character + escaped;
      at += 1 + escaped.length;
      continue;
    }
    if (character === mark) mark = '';
    else if (mark === '' && (character === '"' || character === "'")) mark = character;
    word += character;
    at++;
  }
  return { text: word, end: at };
}

function legacyPair({ text, offset }: Word, command: string): PairWord {
  const [blanks] = /[\t\v\f\r ]+/.exec(text) ?? [];
  if (blanks === undefined)
    throw new LineError(`${command} must have two arguments`, offset, `Write ${command} name=value`);
  const end = text.indexOf(blanks);
  return { key: text.slice(0, end), value: text.slice(end + blanks.length), offset, legacy: true };
}
