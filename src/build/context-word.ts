/** What the word for a build context names: a directory, or something that has to be brought into one first. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isUrl } from './add-url.ts';
import { isGitRepository } from './git-source.ts';

export type ContextWord =
  /** It need not exist. */
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'archive'; readonly path: string }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'url'; readonly url: string }
  /** `word` is what `parseGitSource` reads. */
  | { readonly kind: 'repository'; readonly word: string };

/** What there is goes before what a word looks like. */
export function readContextWord(word: string): ContextWord {
  if (word === '-') return { kind: 'stdin' };
  const path = resolve(word);
  if (existsSync(path)) return { kind: statSync(path).isFile() ? 'archive' : 'directory', path };
  const repository = word.replace(/^github\.com\//, 'https://$&');
  if (repository !== word || isGitRepository(word) || isLocalRepository(word))
    return { kind: 'repository', word: repository };
  return isUrl(word) ? { kind: 'url', url: word } : { kind: 'directory', path };
}

/** A repository of this host, which nothing but the command line may name. */
export const isLocalRepository = (word: string): boolean => /^file:\/\//i.test(word);
