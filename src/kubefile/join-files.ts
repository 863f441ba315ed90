/**
 * Several files as one text, as buildah reads them: an instruction belongs to the last FROM above, of whichever file.
 * Each is whole by itself: what stands in one changes nothing about how another is read.
 */
import { readDirectives } from './directives.ts';
import type { Kubefile } from './instruction.ts';
import { readLogicalLines } from './logical-lines.ts';
import { errorAt, readSource, type SourceText } from './source-text.ts';

export interface FileText {
  /** For messages. */
  readonly path: string;
  readonly text: string;
}

/**
 * Throws KUBEFILE_SYNTAX, at its place, for directives that are not understood or contradict those of the first file,
 * and for a line or here-document that goes on beyond its file.
 */
export function joinFiles([first, ...others]: readonly [FileText, ...FileText[]]): string {
  const { escape } = checkFile(first, others.length > 0);
  for (const [index, file] of others.entries()) {
    const own = checkFile(file, index < others.length - 1);
    if (own.escape === escape) continue;
    throw errorAt(own.source, START, {
      message: `the escape character is ${own.escape} here, and ${escape} in ${first.path}`,
      hint: 'begin each of the files with the same # escape=',
    });
  }
  return [first, ...others].map(({ text }) => text.replace(/^\ufeff/, '')).join('\n');
}

const START = { line: 1, column: 1 };

function checkFile(
  { path, text }: FileText,
  isFollowed: boolean,
): { source: SourceText; escape: Kubefile['escape'] } {
  const source = readSource(text, path);
  const { escape } = readDirectives(source);
  const lines = [...readLogicalLines(source, escape)];
  const withNext = [...readLogicalLines(readSource(`${text}\nFROM next`, path), escape)];
  const last = lines.at(-1)?.fragments[0];
  if (!isFollowed || last === undefined || withNext.length > lines.length) return { source, escape };
  throw errorAt(source, last, {
    message: 'the line goes on beyond the end of the file, where another file begins',
    hint: `take away the ${escape} at its end`,
  });
}
