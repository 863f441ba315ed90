/**
 * The `*` and `?` patterns of `${v#p}`, `${v%p}` and `${v/p/r}`.
 *
 * A pattern is cut at its stars into segments of fixed length; each is found from left to right after the one before.
 * The leftmost place is always good enough for all but the last segment, so nothing is ever tried twice.
 */
import { ArchBuildError } from '../errors.ts';
import { quote } from './characters.ts';

/** What one `?` is in a segment; any other element is the character itself. */
const ANY = Symbol('any character');
type Segment = readonly (string | typeof ANY)[];
/** `a*b` is two segments, `*` is two empty ones, the empty pattern is one empty one. */
export type Glob = readonly Segment[];

/** Segments times text is the work to do: nobody writes a longer pattern than this. */
const MAX_PATTERN_LENGTH = 1024;
/** Characters that replacements may put in; the whole word has a limit of its own. */
const MAX_GROWTH = 2 ** 20;

/** `\*`, `\?`, `\\` are literal; `\}` and `\/` only had to be escaped to get here; any other escape is an EXPANSION error. */
export function parseGlob(pattern: string, escape: string): Glob {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new ArchBuildError(
      'EXPANSION',
      `pattern ${quote(pattern)} is longer than ${MAX_PATTERN_LENGTH} characters`,
    );
  }
  const segments: (string | typeof ANY)[][] = [[]];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') {
      segments.push([]);
    } else if (character === '?') {
      segments.at(-1)?.push(ANY);
    } else if (character === escape) {
      const escaped = characters[++at] ?? '';
      if (!['*', '?', '}', '/', escape].includes(escaped)) {
        throw new ArchBuildError(
          'EXPANSION',
          `invalid escape "${escape}${escaped}" in pattern ${quote(pattern)}`,
        );
      }
      segments.at(-1)?.push(escaped);
    } else {
      segments.at(-1)?.push(character);
    }
  }
  return segments;
}

/** `text` without the shortest or longest prefix that matches. */
export function trimPrefix(text: string, glob: Glob, longest: boolean): string {
  const characters = Array.from(text);
  const end = matchAt(characters, 0, { glob, longest });
  return end === undefined ? text : characters.slice(end).join('');
}

/** `text` without the shortest or longest suffix that matches: the prefix rule on everything reversed. */
export function trimSuffix(text: string, glob: Glob, longest: boolean): string {
  const characters = Array.from(text).reverse();
  const reversed = glob.map((segment) => segment.toReversed()).reverse();
  const end = matchAt(characters, 0, { glob: reversed, longest });
  return end === undefined ? text : characters.slice(end).reverse().join('');
}

/** The first match, or all that do not overlap, replaced; a match starts as early and is as long as it can be. */
export function replaceGlob(
  text: string,
  glob: Glob,
  options: { replacement: string; all: boolean },
): string {
  const characters = Array.from(text);
  const out: string[] = [];
  let growth = 0;
  let copied = 0;
  let from = 0;
  while (from <= characters.length) {
    const start = find(characters, from, glob[0] ?? []);
    const end = start === undefined ? undefined : matchAt(characters, start, { glob, longest: true });
    if (start === undefined || end === undefined) break;
    // An empty match right behind the one before is not a match of its own.
    if (end > start || start === 0 || start > copied) {
      out.push(characters.slice(copied, start).join(''), options.replacement);
      growth += options.replacement.length;
      if (growth > MAX_GROWTH)
        throw new ArchBuildError('EXPANSION', `replacing ${quote(text)} makes it too long`);
      copied = end;
    }
    if (!options.all) break;
    from = end > start ? end : end + 1;
  }
  return out.join('') + characters.slice(copied).join('');
}

/** Where the match that starts at `start` ends; undefined when there is none. */
function matchAt(
  text: readonly string[],
  start: number,
  { glob, longest }: { glob: Glob; longest: boolean },
): number | undefined {
  const [first = [], ...rest] = glob;
  if (!matchesSegment(text, start, first)) return undefined;
  let end = start + first.length;
  const last = longest ? rest.pop() : undefined;
  for (const segment of rest) {
    const found = find(text, end, segment);
    if (found === undefined) return undefined;
    end = found + segment.length;
  }
  if (last === undefined) return end;
  const found = findLast(text, end, last);
  return found === undefined ? undefined : found + last.length;
}

function matchesSegment(text: readonly string[], start: number, segment: Segment): boolean {
  if (start + segment.length > text.length) return false;
  return segment.every((element, index) => element === ANY || element === text[start + index]);
}

function find(text: readonly string[], from: number, segment: Segment): number | undefined {
  for (let start = from; start + segment.length <= text.length; start++) {
    if (matchesSegment(text, start, segment)) return start;
  }
  return undefined;
}

function findLast(text: readonly string[], from: number, segment: Segment): number | undefined {
  for (let start = text.length - segment.length; start >= from; start--) {
    if (matchesSegment(text, start, segment)) return start;
  }
  return undefined;
}
