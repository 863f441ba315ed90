/**
 * Character classes as Go defines them: the formats read here were defined by Go programs, whose idea of a blank is
 * not that of JavaScript's `\s` (U+0085 is one, the byte order mark is not).
 */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const LETTER = /\p{L}/u;
const DIGIT = /\p{Nd}/u;

export const isSpace = (character: string): boolean => SPACE.test(character);
export const isLetter = (character: string): boolean => LETTER.test(character);
export const isDigit = (character: string): boolean => DIGIT.test(character);

/** The code point at `at` as a string; empty at the end. */
export function characterAt(text: string, at: number): string {
  const point = text.codePointAt(at);
  return point === undefined ? '' : String.fromCodePoint(point);
}

/** How many UTF-16 units of white space `text` starts with. */
export function leadingSpace(text: string): number {
  let at = 0;
  while (at < text.length && isSpace(text.charAt(at))) at++;
  return at;
}

export const trimStart = (text: string): string => text.slice(leadingSpace(text));

export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

export const trim = (text: string): string => trimEnd(trimStart(text));

/** A piece of the user's text for a message: quoted, one line, not longer than a reader wants. */
export function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 77)}…` : text;
  return JSON.stringify(shown).replaceAll('\\\\', '\\');
}
