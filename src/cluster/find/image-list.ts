/** `imageList`: one name a line, blank lines and comments aside; a name may stand in quotes. */
import type { Findings } from './image-mention.ts';

export function findInImageList(text: string, file: string): Findings {
  const mentions = text
    .replace(/^\ufeff/, '')
    .split('\n')
    .map((line, index) => ({ text: nameIn(line), place: { file, line: index + 1 } }))
    .filter((mention) => mention.text !== '');
  return { mentions, problems: [] };
}

/** A comment begins at a `#` that stands first or after a blank: no name has one. */
const nameIn = (line: string): string =>
  line
    .replace(/(^|\s)#.*/, '')
    .trim()
    .replace(/^(["'])(.*)\1$/, '$2')
    .trim();
