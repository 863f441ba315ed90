/** The JSON form of RUN, CMD, COPY and others: `["a", "b"]` and nothing else, or it is not JSON at all. */
import { trimStart } from './characters.ts';
import { LineError, type Word } from './command-line.ts';

/**
 * The strings of a JSON array; undefined when the text is no JSON array, which then is shell form (`["a", 'b']`).
 * Throws a LineError for an array of something else than strings, where falling back could only surprise.
 */
export function parseJsonForm({ text, offset }: Word): string[] | undefined {
  if (!trimStart(text).startsWith('[')) return undefined;
  const value = parseOrNothing(text);
  if (!Array.isArray(value)) return undefined;
  if (!value.every((element) => typeof element === 'string')) {
    throw new LineError(
      'a JSON array here must be of strings only',
      offset,
      'Quote each element, and do not nest arrays',
    );
  }
  return value;
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
