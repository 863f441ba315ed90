/** The user's text as physical lines, and errors that point into it. */
import { ArchBuildError, type ErrorCode } from '../errors.ts';
import type { Position, SourceRange } from './instruction.ts';

export interface SourceText {
  /** As shown in messages. */
  readonly file: string;
  /** With their line endings, which belong to here-document bodies; a byte order mark is gone. */
  readonly lines: readonly string[];
}

export interface Complaint {
  readonly code?: ErrorCode;
  readonly hint?: string | undefined;
}

/** Longest physical line in bytes, the limit of BuildKit's reader. */
const MAX_LINE_BYTES = 65_535;

/** Throws KUBEFILE_SYNTAX for a line beyond the limit. */
export function readSource(text: string, file: string): SourceText {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split(/(?<=\n)/);
  if (lines.at(-1) === '') lines.pop();
  const source = { file, lines };
  const long = lines.findIndex(isTooLong);
  if (long >= 0) {
    const message = `line is longer than the limit of ${MAX_LINE_BYTES} bytes`;
    throw errorAt(
      source,
      { line: long + 1, column: 1 },
      { message, hint: 'Split it with line continuations' },
    );
  }
  return source;
}

/** A physical line without its ending; empty beyond the end. */
export const lineText = (source: SourceText, line: number): string =>
  withoutEnding(source.lines[line - 1] ?? '');

export const withoutEnding = (line: string): string => line.replace(/[\r\n]+$/, '');

/**
 * Where `wanted` first stands in an instruction, behind its keyword; the instruction's start when it does not, for
 * instance because a line break cuts it.
 */
export function placeOf(source: SourceText, { start, end }: SourceRange, wanted: string): Position {
  const [keyword = ''] = /^\S*/.exec(lineText(source, start.line).slice(start.column - 1)) ?? [];
  for (let line = start.line; line <= end.line; line++) {
    const from = line === start.line ? start.column - 1 + keyword.length : 0;
    const at = lineText(source, line).indexOf(wanted, from);
    if (at >= 0) return { line, column: at + 1 };
  }
  return start;
}

/** An error at a place in the text, KUBEFILE_SYNTAX unless another code is given. */
export function errorAt(
  source: SourceText,
  position: Position,
  { message, code = 'KUBEFILE_SYNTAX', hint }: Complaint & { readonly message: string },
): ArchBuildError {
  const location = { file: source.file, ...position, sourceLine: lineText(source, position.line) };
  return new ArchBuildError(code, message, hint === undefined ? { location } : { location, hint });
}

function isTooLong(line: string): boolean {
  // A UTF-16 unit is at most three bytes.
  return line.length > MAX_LINE_BYTES / 3 && Buffer.byteLength(withoutEnding(line)) > MAX_LINE_BYTES;
}
