/**
 * Word expansion: a pure function of a word and a scope. Which words are expanded, and with which scope, the planner
 * decides: everything but RUN, CMD, ENTRYPOINT and SHELL, where `$` belongs to the shell of the image.
 */
import { lexWord, type Scope } from './word-lexer.ts';

export type { Scope } from './word-lexer.ts';

export interface ExpandOptions {
  readonly escape: '\\' | '`';
  /** Called for each variable that had a value, in order, once per use: what a cache key depends on. */
  readonly onUsed?: (name: string) => void;
  /** Called for each variable that had none, also where `${v:-…}` supplies one. */
  readonly onUndefined?: (name: string) => void;
}

/**
 * Quotes removed, escapes resolved, variables replaced; blanks stay. Unset variables are empty. Throws EXPANSION on
 * unbalanced quotes or braces, on unknown operators (`:=`), and on `${v:?message}`.
 */
export function expandWord(word: string, scope: Scope, options: ExpandOptions): string {
  return lexWord(word, scope, options).text;
}

/** As `expandWord`, then cut at blanks that are neither quoted nor escaped, those out of variables included. */
export function expandWords(word: string, scope: Scope, options: ExpandOptions): string[] {
  return [...lexWord(word, scope, options).words];
}

/**
 * The body of a here-document of COPY: variables replaced, quotes kept, and of a backslash and a character only that,
 * whatever the file's escape character is: BuildKit's rule, a shell would keep most backslashes. Throws as `expandWord`
 * does, but for quotes.
 */
export function expandText(text: string, scope: Scope): string {
  return lexWord(text, scope, { escape: '\\', asText: true }).text;
}
