/**
 * Physical lines → logical lines: comments and blank lines dropped, continuations joined, here-documents attached.
 *
 * A logical line remembers where each of its pieces came from, so that an error deep inside a long RUN points at the
 * line the user sees. Leading blanks of continuation lines stay in the text: the shell gets them too.
 */
import { leadingSpace, trimStart } from './characters.ts';
import { findHeredocs, heredocBody, isTerminator, type HeredocMarker } from './heredoc.ts';
import type { Heredoc, Position } from './instruction.ts';
import { errorAt, lineText, withoutEnding, type SourceText } from './source-text.ts';

/** The text from `offset` on comes from this line and column, up to the next fragment. */
interface Fragment extends Position {
  readonly offset: number;
}

export interface LogicalLine {
  readonly text: string;
  readonly fragments: readonly Fragment[];
  /** Behind the last character, the last here-document's terminator included. */
  readonly end: Position;
  readonly heredocs: readonly Heredoc[];
  /** An empty line inside a continuation, when there was one. */
  readonly emptyContinuation?: Position;
}

/** Lazy: the caller sees every complete instruction before an unterminated here-document throws KUBEFILE_SYNTAX. */
export function* readLogicalLines(source: SourceText, escape: string): Generator<LogicalLine> {
  let line = 1;
  while (line <= source.lines.length) {
    const first = lineText(source, line);
    const skipped = leadingSpace(first);
    if (skipped === first.length || first.charAt(skipped) === '#') {
      line++;
      continue;
    }
    const joined = joinContinuations(source, line, escape);
    const { heredocs, next } = readHeredocs(source, joined);
    line = next;
    yield {
      text: joined.text,
      fragments: joined.fragments,
      end: { line: next - 1, column: lineText(source, next - 1).length + 1 },
      heredocs,
      ...(joined.emptyContinuation === undefined ? {} : { emptyContinuation: joined.emptyContinuation }),
    };
  }
}

/** The place in the file of a character of the logical line. */
export function positionAt({ fragments }: Pick<LogicalLine, 'fragments'>, offset: number): Position {
  const found = fragments.findLast((fragment) => fragment.offset <= offset) ?? fragments[0];
  if (found === undefined) return { line: 1, column: 1 };
  return { line: found.line, column: found.column + Math.max(0, offset - found.offset) };
}

interface Joined {
  readonly text: string;
  readonly fragments: readonly Fragment[];
  readonly emptyContinuation: Position | undefined;
  readonly start: number;
  /** The physical line behind the last one used. */
  readonly next: number;
}

function joinContinuations(source: SourceText, start: number, escape: string): Joined {
  const first = lineText(source, start);
  const skipped = leadingSpace(first);
  let { text, continues } = cutContinuation(first.slice(skipped), escape);
  const pieces = [text];
  const fragments: Fragment[] = [{ offset: 0, line: start, column: skipped + 1 }];
  let emptyContinuation: Position | undefined;
  let length = text.length;
  let line = start + 1;
  for (; continues && line <= source.lines.length; line++) {
    const physical = lineText(source, line);
    const content = trimStart(physical);
    if (content.startsWith('#')) continue;
    if (content === '') {
      emptyContinuation ??= { line, column: 1 };
      continue;
    }
    ({ text, continues } = cutContinuation(physical, escape));
    fragments.push({ offset: length, line, column: 1 });
    pieces.push(text);
    length += text.length;
  }
  return { text: pieces.join(''), fragments, emptyContinuation, start, next: line };
}

/** A last escape character, blanks behind it allowed, continues the line unless another one stands before it. */
function cutContinuation(line: string, escape: string): { text: string; continues: boolean } {
  let end = line.length;
  while (end > 0 && (line.charAt(end - 1) === ' ' || line.charAt(end - 1) === '\t')) end--;
  const continues = line.charAt(end - 1) === escape && line.charAt(end - 2) !== escape;
  return { text: continues ? line.slice(0, end - 1) : line, continues };
}

function readHeredocs(source: SourceText, joined: Joined): { heredocs: Heredoc[]; next: number } {
  let next = joined.next;
  const heredocs: Heredoc[] = [];
  for (const marker of mayHaveHeredocs(joined.text) ? findHeredocs(joined.text) : []) {
    const end = findTerminator(source, next, marker);
    if (end === undefined) {
      const position = positionAt(joined, markerOffset(joined.text, marker));
      const message = `here-document "${marker.name}" starts in line ${joined.start} and is not closed by the end of the file, line ${source.lines.length}`;
      throw errorAt(source, position, {
        message,
        hint: `Close it with a line that is exactly ${marker.name}`,
      });
    }
    heredocs.push({ ...marker, body: heredocBody(source.lines.slice(next - 1, end - 1), marker) });
    next = end + 1;
  }
  return { heredocs, next };
}

function findTerminator(source: SourceText, from: number, marker: HeredocMarker): number | undefined {
  for (let line = from; line <= source.lines.length; line++) {
    if (isTerminator(withoutEnding(source.lines[line - 1] ?? ''), marker)) return line;
  }
  return undefined;
}

const mayHaveHeredocs = (text: string): boolean =>
  /^\s*(?:onbuild[\t\v\f\r ]+)*(?:run|copy|add)[\t\v\f\r ]/i.test(text);

/** Where the marker stands in the line, for a message. */
function markerOffset(text: string, { name }: HeredocMarker): number {
  const quoted = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return Math.max(0, text.search(new RegExp(`\\d*<<-?["'\\\\]?${quoted}`)));
}
