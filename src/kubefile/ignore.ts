/**
 * Ignore files (`.dockerignore`): the last pattern that matches a path or one of its parents decides, `!` takes back.
 * The rules are moby's patternmatcher.
 */
import { normalize } from 'node:path/posix';
import { ArchBuildError, type SourceLocation } from '../errors.ts';
import { trim } from './characters.ts';
import { compilePathPattern, type PathPattern } from './path-pattern.ts';

/** Paths are relative to the context, with slashes, without `./` and trailing slash. */
export interface IgnoreMatcher {
  readonly excludes: (path: string) => boolean;
  /**
   * May a directory have anything below it that is not excluded? False only for an excluded directory that no `!`
   * pattern reaches into, which then need not be read at all.
   */
  readonly mayContainIncluded: (directory: string) => boolean;
}

/** The patterns of an ignore file, cleaned. With `file`, a bad pattern throws IGNORE_PATTERN with its line. */
export function parseIgnoreFile(text: string, file?: string): string[] {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  return lines.flatMap((line, index) => {
    if (line.startsWith('#')) return [];
    const pattern = cleanPattern(trim(line));
    if (pattern === '') return [];
    if (file !== undefined) {
      const column = line.search(/\S/) + 1;
      compileRule(pattern, { file, line: index + 1, column, sourceLine: line.replace(/\r$/, '') });
    }
    return [pattern];
  });
}

/** Throws IGNORE_PATTERN for a malformed pattern. */
export function compileIgnore(patterns: readonly string[]): IgnoreMatcher {
  const rules = patterns
    .map(trim)
    .filter((pattern) => pattern !== '')
    .map((pattern) => compileRule(pattern));
  const matchesOf = inheritedMatches(rules);
  const excludes = (path: string): boolean => {
    if (path === '' || path === '.') return false;
    const matched = matchesOf(path);
    const last = rules.findLastIndex((_, index) => matched[index] === 1);
    return last >= 0 && rules[last]?.takesBack === false;
  };
  return {
    excludes,
    mayContainIncluded: (directory) =>
      !excludes(directory) ||
      rules.some(({ takesBack, pattern }) => takesBack && pattern.mayMatchBelow(directory)),
  };
}

interface Rule {
  readonly takesBack: boolean;
  readonly pattern: PathPattern;
}

/** `!` aside, a leading slash means nothing and the path is cleaned. */
function cleanPattern(line: string): string {
  const takesBack = line.startsWith('!');
  const pattern = takesBack ? trim(line.slice(1)) : line;
  const clean = pattern === '' ? '' : cleanPath(pattern);
  return (takesBack ? '!' : '') + (clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean);
}

const cleanPath = (path: string): string => normalize(path).replace(/(?<=.)\/$/, '');

function compileRule(text: string, location?: SourceLocation): Rule {
  const details = location === undefined ? {} : { location };
  const clean = cleanPath(text);
  const takesBack = clean.startsWith('!');
  const name = takesBack ? clean.slice(1) : clean;
  if (name === '') {
    throw new ArchBuildError('IGNORE_PATTERN', 'a lone "!" takes nothing back', details);
  }
  const pattern = compilePathPattern(name);
  if (pattern === undefined)
    throw new ArchBuildError('IGNORE_PATTERN', `malformed pattern "${text}"`, details);
  return { takesBack, pattern };
}

/** Per path one flag per rule: it matches the path or a parent. Directories are remembered, their files come in runs. */
function inheritedMatches(rules: readonly Rule[]): (path: string) => Uint8Array {
  const directories = new Map<string, Uint8Array>([['', new Uint8Array(rules.length)]]);
  const directoryMatches = (path: string): Uint8Array => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const matched = compute(path);
    directories.set(path, matched);
    return matched;
  };
  const compute = (path: string): Uint8Array => {
    const inherited = directoryMatches(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    return inherited.map((flag, index) =>
      flag === 1 || rules[index]?.pattern.matches(path) === true ? 1 : 0,
    );
  };
  return compute;
}
