/**
 * `.helmignore` at the root of a chart's folder: what is no part of the chart. A packed chart was made without it.
 *
 * Not the rules of other ignore files: a pattern without a slash is about names wherever they are, a pattern with one
 * about paths from the root; `/` at the end wants a directory; what a `!` pattern does *not* match is left out.
 */
import { goFilepathMatch } from '../../kubefile/file-match.ts';
import { ArchBuildError } from '../../errors.ts';
import type { ChartContents } from './chart.ts';
import { ChartError } from './chart-error.ts';

const IGNORE_FILE = '.helmignore';
/** Always left out, whatever the file says. */
const HIDDEN_TEMPLATES = 'templates/.?*';

interface Rule {
  readonly isNegated: boolean;
  readonly wantsDirectory: boolean;
  readonly matches: (path: string) => boolean;
}

/** Throws ChartError with the line of a pattern that is none. */
export function withoutIgnored(contents: ChartContents, place: string): ChartContents {
  const text =
    contents
      .get(IGNORE_FILE)
      ?.toString('utf8')
      .replace(/^\ufeff/, '') ?? '';
  const rules = [...text.split('\n'), HIDDEN_TEMPLATES].flatMap((line, index) =>
    ruleOf(line.trim(), { file: `${place}/${IGNORE_FILE}`, line: index + 1 }),
  );
  const ignoredDirectories = new Map<string, boolean>();
  const isInIgnored = (path: string): boolean => {
    const end = path.lastIndexOf('/');
    if (end < 0) return false;
    const parent = path.slice(0, end);
    const answer = ignoredDirectories.get(parent) ?? (isInIgnored(parent) || isIgnored(rules, parent, true));
    ignoredDirectories.set(parent, answer);
    return answer;
  };
  return new Map([...contents].filter(([path]) => !isInIgnored(path) && !isIgnored(rules, path, false)));
}

/** The first rule that has something to say decides. */
function isIgnored(rules: readonly Rule[], path: string, isDirectory: boolean): boolean {
  return rules.some(({ isNegated, wantsDirectory, matches }) => {
    const applies = (isDirectory || !wantsDirectory) && matches(path);
    return applies !== isNegated;
  });
}

function ruleOf(line: string, place: { readonly file: string; readonly line: number }): Rule[] {
  if (line === '' || line.startsWith('#')) return [];
  const isNegated = line.startsWith('!');
  const written = isNegated ? line.slice(1) : line;
  const wantsDirectory = written.endsWith('/');
  const pattern = wantsDirectory ? written.slice(0, -1) : written;
  if (line.includes('**') || !isPattern(pattern))
    throw new ChartError(`no pattern: ${JSON.stringify(line)}`, place.file, place.line);
  const isPath = pattern.includes('/');
  const matches = (path: string): boolean =>
    goFilepathMatch(pattern.replace(/^\//, ''), isPath ? path : path.slice(path.lastIndexOf('/') + 1));
  return [{ isNegated, wantsDirectory, matches }];
}

function isPattern(pattern: string): boolean {
  try {
    goFilepathMatch(pattern, 'x');
    return true;
  } catch (error) {
    if (error instanceof ArchBuildError) return false;
    throw error;
  }
}
