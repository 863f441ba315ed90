/**
 * An error as text, with the line it is about. Pure, and without colour.
 *
 * What is shown comes from files that may be hostile: control characters never reach the terminal, and a long line is
 * cut around the place.
 */
import type { ArchBuildError, SourceLocation } from '../errors.ts';

/** Widest piece of a source line that is shown. */
const MAX_WIDTH = 100;

/** Several lines, no line ending at the end. */
export function formatDiagnostic(error: ArchBuildError): string {
  const { code, message, hint, location, items } = error;
  const place = location === undefined ? '' : `${location.file}:${location.line}:${location.column}: `;
  const lines = [`error[${code}] ${place}${message}`, ...(location === undefined ? [] : excerpt(location))];
  lines.push(...items.map((item) => `  ${item}`));
  if (hint !== undefined) lines.push(`hint: ${hint}`);
  return lines.map(printable).join('\n');
}

/** A remark about a line; as `formatDiagnostic`. */
export function formatFinding(rule: string, message: string, location: SourceLocation): string {
  const { file, line, column } = location;
  const lines = [`warning[${rule}] ${file}:${line}:${column}: ${message}`, ...excerpt(location)];
  return lines.map(printable).join('\n');
}

/** The source line, and below it carets under the word at the column. */
function excerpt({ line, column, sourceLine }: SourceLocation): string[] {
  if (sourceLine === undefined || sourceLine === '') return [];
  const at = Math.min(column - 1, sourceLine.length);
  const start = at < MAX_WIDTH ? 0 : at - MAX_WIDTH / 2;
  const shown = sourceLine.slice(start, start + MAX_WIDTH);
  const before = start === 0 ? '' : '…';
  const after = start + MAX_WIDTH < sourceLine.length ? '…' : '';
  const word = /^\S*/.exec(shown.slice(at - start))?.[0] ?? '';
  const padding = (before + shown.slice(0, at - start)).replace(/[^\t]/gu, ' ');
  const number = String(line);
  return [
    `  ${number} | ${before}${shown}${after}`,
    `  ${' '.repeat(number.length)} | ${padding}${'^'.repeat(Math.max(1, Array.from(word).length))}`,
  ];
}

/** Controls, and the marks that reorder text, become a replacement character; tabs stay. */
const printable = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
