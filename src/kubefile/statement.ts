/** One instruction's line between cutting and meaning: its pieces, and errors that point at them. */
import type { ArchBuildError } from '../errors.ts';
import { cutArguments, isKeyword, type Arguments } from './arguments.ts';
import { LineError, splitCommandLine, type CommandLine, type Word } from './command-line.ts';
import { CLUSTER_KEYWORDS, DIALECTS } from './dialect.ts';
import type { Dialect, Keyword, SourceRange } from './instruction.ts';
import { positionAt, type LogicalLine } from './logical-lines.ts';
import { errorAt, type Complaint, type SourceText } from './source-text.ts';
import { didYouMean } from './suggest.ts';

/** What all statements of a file have in common. */
export interface FileContext {
  readonly source: SourceText;
  readonly escape: '\\' | '`';
  readonly dialect: Dialect;
}

export interface Statement {
  readonly context: FileContext;
  readonly keyword: Keyword;
  readonly line: LogicalLine;
  readonly command: CommandLine;
  readonly arguments: Arguments;
}

/** A logical line cut at its keyword; errors carry the place. */
export function splitLine(source: SourceText, line: LogicalLine): CommandLine {
  return locating(source, line, () => splitCommandLine(line.text));
}

/** Throws for a keyword that the dialect does not know and for arguments that cannot be cut. */
export function readStatement(context: FileContext, line: LogicalLine, command: CommandLine): Statement {
  const keyword = readKeyword(context, line, command.keyword);
  const cut = locating(context.source, line, () => cutArguments(keyword, command.rest, context.escape));
  return { context, keyword, line, command, arguments: cut };
}

export function statementError(
  { context, line }: Pick<Statement, 'context' | 'line'>,
  offset: number,
  complaint: Complaint & { readonly message: string },
): ArchBuildError {
  return errorAt(context.source, positionAt(line, offset), complaint);
}

export const rangeOf = ({ line, command }: Pick<Statement, 'line' | 'command'>): SourceRange => ({
  start: positionAt(line, command.keyword.offset),
  end: line.end,
});

function readKeyword(context: FileContext, line: LogicalLine, { text, offset }: Word): Keyword {
  const keyword = text.toUpperCase();
  const { keywords, syntax } = DIALECTS[context.dialect];
  const refuse = (complaint: Complaint & { readonly message: string }): ArchBuildError =>
    statementError({ context, line }, offset, complaint);
  const hint = 'Make # syntax=kubefile/v2 the first line of the file';
  if (text === '') throw refuse({ message: 'line continuation without an instruction' });
  if (isKeyword(keyword)) {
    if (keywords.includes(keyword)) return keyword;
    const message = CLUSTER_KEYWORDS.some((known) => known === keyword)
      ? `${keyword} is an instruction of kubefile/v2, not of ${syntax}`
      : `${keyword} is not an instruction of ${syntax}`;
    throw refuse({ message, hint });
  }
  throw refuse({ message: `unknown instruction "${text}"`, hint: didYouMean(text, keywords) });
}

/** Runs `read`; what it says about an offset of the line becomes an error with its place. */
export function locating<T>(source: SourceText, line: LogicalLine, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    throw errorAt(source, positionAt(line, error.offset), { message: error.message, hint: error.hint });
  }
}
