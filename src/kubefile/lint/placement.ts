/** Names in COPY words. */

/** The last part of a path; empty for `.` and `/`. */
export function baseName(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return parts.at(-1) ?? '';
}

/** A word that selects contents whatever the dialect: the context itself, or the matches of a wildcard. */
export const isSpreadWord = (word: string): boolean => baseName(word) === '' || /[*?[]/.test(word);
