/**
 * Go's `filepath.Match`, which the wildcards of COPY and ADD follow: `*` and `?` stop at a slash, `[a-z]` and `[^a-z]`
 * are classes, the backslash escapes. `**` means nothing special here.
 *
 * A star is only ever extended when the text behind it does not match, and then the star before it is settled: at most
 * pattern × name steps.
 */
import { ArchBuildError, type ErrorCode } from '../errors.ts';
import { quote } from './characters.ts';

type Range = readonly [low: number, high: number];

/** One place in a pattern. Code points, so that a name is never cut inside a character. */
export type Element =
  | { readonly kind: 'character'; readonly point: number }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly Range[] };

const SLASH = 0x2f;

/** Does the whole name match? Throws `code` when the pattern is malformed, whatever the name is. */
export function goFilepathMatch(pattern: string, name: string, code: ErrorCode = 'IGNORE_PATTERN'): boolean {
  const elements = parseFilePattern(pattern);
  if (elements === undefined) throw new ArchBuildError(code, `malformed pattern ${quote(pattern)}`);
  return matches(elements, codePoints(name));
}

/** Does COPY treat this source as a pattern, rather than as the name of one file? */
export const hasWildcard = (word: string): boolean => /[*?[\\]/.test(word);

function matches(elements: readonly Element[], name: readonly number[]): boolean {
  let element = 0;
  let at = 0;
  /** Where to go on after the last star when what is behind it does not match; `at` grows by one each time. */
  let retry: { element: number; at: number } | undefined;
  for (;;) {
    const current = elements[element];
    if (current?.kind === 'star') {
      element++;
      retry = { element, at };
      continue;
    }
    if (current === undefined && at === name.length) return true;
    if (current !== undefined && at < name.length && acceptsCharacter(current, name[at] ?? 0)) {
      element++;
      at++;
      continue;
    }
    if (retry === undefined || retry.at >= name.length || name[retry.at] === SLASH) return false;
    retry = { element: retry.element, at: retry.at + 1 };
    ({ element, at } = retry);
  }
}

/** Does one character match? A star accepts none here: it is the caller's to repeat. */
export function acceptsCharacter(element: Element, point: number): boolean {
  switch (element.kind) {
    case 'character':
      return element.point === point;
    case 'any':
      return point !== SLASH;
    case 'class':
      return element.negated !== element.ranges.some(([low, high]) => low <= point && point <= high);
    case 'star':
      return false;
  }
}

/** Undefined for a malformed pattern. */
export function parseFilePattern(pattern: string): Element[] | undefined {
  const points = codePoints(pattern);
  const elements: Element[] = [];
  let at = 0;
  while (at < points.length) {
    const character = String.fromCodePoint(points[at] ?? 0);
    if (character === '[') {
      const found = parseClass(points, at + 1);
      if (found === undefined) return undefined;
      elements.push(found.element);
      at = found.end;
      continue;
    }
    if (character === '\\' && ++at === points.length) return undefined;
    if (character === '*') elements.push({ kind: 'star' });
    else if (character === '?') elements.push({ kind: 'any' });
    else elements.push({ kind: 'character', point: points[at] ?? 0 });
    at++;
  }
  return elements;
}

function parseClass(points: readonly number[], start: number): { element: Element; end: number } | undefined {
  const negated = points[start] === '^'.codePointAt(0);
  const ranges: Range[] = [];
  let at = negated ? start + 1 : start;
  while (points[at] !== CLOSE || ranges.length === 0) {
    const low = classCharacter(points, at);
    if (low === undefined) return undefined;
    const high = points[low.end] === DASH ? classCharacter(points, low.end + 1) : low;
    if (high === undefined) return undefined;
    ranges.push([low.point, high.point]);
    at = high.end;
  }
  return { element: { kind: 'class', negated, ranges }, end: at + 1 };
}

const CLOSE = 0x5d;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

/** One end of a range: a dash or a closing bracket has to be escaped, and something has to follow. */
function classCharacter(
  points: readonly number[],
  start: number,
): { point: number; end: number } | undefined {
  let at = start;
  if (points[at] === DASH || points[at] === CLOSE) return undefined;
  if (points[at] === BACKSLASH) at++;
  const point = points[at];
  return point === undefined || at + 1 >= points.length ? undefined : { point, end: at + 1 };
}

export const codePoints = (text: string): number[] =>
  Array.from(text, (character) => character.codePointAt(0) ?? 0);
