/**
 * JSON of strangers, read strictly. `JSON.parse` alone would take the last of two equal keys, replace bad UTF-8, and
 * round large numbers: two programs would then see two documents behind one digest. All of these are refused here,
 * and so is nesting that a recursive reader could not follow.
 */
import { ArchBuildError } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const DEPTH_LIMIT = 64;

/** `what` names the document in messages. Throws DOCUMENT_INVALID. */
export function parseJson(bytes: Uint8Array, what: string, limitBytes: number): unknown {
  if (bytes.length > limitBytes) {
    throw new ArchBuildError(
      'DOCUMENT_INVALID',
      `${what} has ${bytes.length} bytes, more than the ${limitBytes} allowed`,
    );
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

const TOKEN_PATTERN = /["{}[\]:]|-?\d[\d.eE+-]*/g;

/** Looks over the tokens of text that is known to be JSON. Undefined when there is nothing to say against it. */
function findFault(text: string): string | undefined {
  /** Keys of the objects around the token; undefined for arrays. */
  const open: (Set<string> | undefined)[] = [];
  const pattern = new RegExp(TOKEN_PATTERN);
  let lastString = '';
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const [token] = match;
    if (token === '"') {
      const end = stringEnd(text, match.index);
      lastString = text.slice(match.index, end);
      pattern.lastIndex = end;
      continue;
    }
    const fault = tokenFault(token, { open, lastString });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Not by a pattern: V8's overflow their stack on strings of some megabytes. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
}

interface Around {
  readonly open: (Set<string> | undefined)[];
  readonly lastString: string;
}

function tokenFault(token: string, { open, lastString }: Around): string | undefined {
  switch (token[0]) {
    case '{':
    case '[':
      open.push(token === '{' ? new Set() : undefined);
      return open.length > DEPTH_LIMIT ? `is nested more than ${DEPTH_LIMIT} deep` : undefined;
    case '}':
    case ']':
      open.pop();
      return undefined;
    case ':':
      return keyFault(lastString, open.at(-1));
    default:
      return isExact(token) ? undefined : `has a number out of range: ${token.slice(0, 40)}`;
  }
}

function keyFault(literal: string, keys: Set<string> | undefined): string | undefined {
  const key = JSON.parse(literal) as string;
  if (key === '__proto__') return 'has a key "__proto__"';
  if (keys?.has(key) === true) return `has the key ${literal.slice(0, 80)} twice`;
  keys?.add(key);
  return undefined;
}

function isExact(literal: string): boolean {
  const value = Number(literal);
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
}
