/**
 * JSON of strangers, read strictly. `JSON.parse` alone would take the last of two equal keys, replace bad UTF-8, and
 * round large numbers: two programs would then see two documents behind one digest. All of these are refused here,
 * and so is nesting that a recursive reader could not follow.
 */
import { ArchBuildError } from '../errors.ts';
import { beyondLimit, limitOf, type LimitName } from './limits.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const DEPTH_LIMIT = 64;

/** `what` names the document in messages, `limit` the most bytes it may have. Throws DOCUMENT_INVALID. */
export function parseJson(bytes: Uint8Array, what: string, limit: LimitName | number): unknown {
  const most = typeof limit === 'number' ? limit : limitOf(limit);
  if (bytes.length > most) {
    const message = `${what} has ${bytes.length} bytes, more than the ${most} allowed`;
    if (typeof limit === 'number') throw new ArchBuildError('DOCUMENT_INVALID', message);
    throw beyondLimit('DOCUMENT_INVALID', limit, message);
  }
  const text = decode(bytes, what);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ArchBuildError('DOCUMENT_INVALID', `${what} is not JSON`, { cause: error });
  }
  const fault = findFault(text);
  if (fault !== undefined) throw new ArchBuildError('DOCUMENT_INVALID', `${what} ${fault}`);
  return value;
}

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same bytes for the same value: no white space, keys in the order of the objects. */
export const formatJson = (value: JsonObject): Buffer => Buffer.from(JSON.stringify(value), 'utf8');

/** Keys named in `order` first, in that order, then the others sorted; undefined values are left out. */
export function ordered(object: object, order: readonly string[] = []): JsonObject {
  const entries = new Map<string, unknown>(Object.entries(object));
  const others = [...entries.keys()].filter((key) => !order.includes(key)).sort();
  return Object.fromEntries(
    [...order, ...others].flatMap((key) => {
      const value = entries.get(key);
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ArchBuildError('DOCUMENT_INVALID', `${what} is not UTF-8 text`, { cause: error });
  }
}

/** At the first character of a number. */
const NUMBER_PATTERN = /[\d.eE+-]+/y;

/** Looks over the tokens of text that is known to be JSON. Undefined when there is nothing to say against it. */
function findFault(text: string): string | undefined {
  /** Keys of the objects around the token; undefined for arrays. */
  const open: (Set<string> | undefined)[] = [];
  let key = { start: 0, end: 0 };
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    let fault: string | undefined;
    if (code === QUOTE) {
      key = { start: at, end: stringEnd(text, at) };
      at = key.end - 1;
    } else if (code === COLON) fault = keyFault(text.slice(key.start, key.end), open.at(-1));
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      open.push(code === OPEN_OBJECT ? new Set() : undefined);
      if (open.length > DEPTH_LIMIT) fault = `is nested more than ${DEPTH_LIMIT} deep`;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) open.pop();
    else if ((code >= ZERO && code <= NINE) || code === MINUS) {
      const literal = numberAt(text, at);
      at += literal.length - 1;
      if (!isExact(literal)) fault = `has a number out of range: ${literal.slice(0, 40)}`;
    }
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const [QUOTE, COLON, MINUS, ZERO, NINE] = [0x22, 0x3a, 0x2d, 0x30, 0x39];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

function numberAt(text: string, start: number): string {
  NUMBER_PATTERN.lastIndex = start;
  return NUMBER_PATTERN.exec(text)?.[0] ?? '';
}

/** Not by a pattern: V8's overflow their stack on strings of some megabytes. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
}

function keyFault(literal: string, keys: Set<string> | undefined): string | undefined {
  const key = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  if (key === '__proto__') return 'has a key "__proto__"';
  if (keys?.has(key) === true) return `has the key ${literal.slice(0, 80)} twice`;
  keys?.add(key);
  return undefined;
}

function isExact(literal: string): boolean {
  const value = Number(literal);
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
}
