/**
 * Reads the tables out of Go test files: composite literals of strings, numbers, names, nested literals, `+` and the
 * few calls that tables use. A keyed literal becomes an object, any other an array, a name a `GoName` unless it is
 * bound. What is not understood is an error: no row is lost silently.
 */
export class GoName {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export type GoValue = string | number | boolean | null | GoName | GoValue[] | { [key: string]: GoValue };

export interface GoBindings {
  readonly names?: Readonly<Record<string, GoValue>>;
  readonly calls?: Readonly<Record<string, (...args: GoValue[]) => GoValue>>;
}

const CALLS: NonNullable<GoBindings['calls']> = {
  'strings.Join': (parts, separator) =>
    Array.isArray(parts) ? parts.map(goText).join(goText(separator)) : goText(parts),
  'strings.Repeat': (text, count) => goText(text).repeat(Number(count)),
  'path.Join': (...parts) =>
    parts
      .map(goText)
      .filter((part) => part !== '')
      .join('/'),
};

/** A value that must be a string. */
export function goText(value: GoValue | undefined): string {
  if (typeof value === 'string') return value;
  throw new Error(`not a string: ${JSON.stringify(value)}`);
}

/** The text from `func name(` to the next function: braces in column 0 may be within raw strings. */
export function goFunction(source: string, name: string): string {
  const start = source.search(new RegExp(`^func ${name}\\(`, 'm'));
  if (start < 0) throw new Error(`no func ${name}`);
  const end = source.indexOf('\nfunc ', start);
  return source.slice(start, end < 0 ? undefined : end);
}

/** The rows of the literal that follows the first match of `marker` (which ends before the opening brace). */
export function goTable(source: string, marker: RegExp, bindings: GoBindings = {}): GoValue[] {
  const match = marker.exec(source);
  if (match === null) throw new Error(`no table ${String(marker)}`);
  const value = new Parser(source, match.index + match[0].length, bindings).composite();
  if (!Array.isArray(value)) throw new Error(`the table at ${String(marker)} has keys`);
  return value;
}

/** The expression that starts at `position`, and where it ends. */
export function goExpression(
  source: string,
  position: number,
  bindings: GoBindings,
): { readonly value: GoValue; readonly end: number } {
  const parser = new Parser(source, position, bindings);
  return { value: parser.expression(), end: parser.position };
}

/** As `goTable`, for tables whose rows are keyed structs. */
export function goRows(
  source: string,
  marker: RegExp,
  bindings: GoBindings = {},
): { [key: string]: GoValue }[] {
  return goTable(source, marker, bindings).map((row) => {
    if (typeof row !== 'object' || row === null || Array.isArray(row) || row instanceof GoName) {
      throw new Error('a row is not a keyed struct');
    }
    return row;
  });
}

const TOKEN = /\s+|\/\/[^\n]*|\/\*[^]*?\*\/|"(?:[^"\\]|\\.)*"|`[^`]*`|[A-Za-z_][\w.]*|\d[\w.]*|./uy;

class Parser {
  readonly #source: string;
  readonly #bindings: GoBindings;
  #position: number;

  constructor(source: string, position: number, bindings: GoBindings) {
    this.#source = source;
    this.#position = position;
    this.#bindings = bindings;
  }

  get position(): number {
    return this.#position;
  }

  composite(): GoValue {
    this.#expect('{');
    const items: GoValue[] = [];
    const fields: Record<string, GoValue> = {};
    while (this.#peek() !== '}') {
      const value = this.expression();
      if (this.#accept(':')) fields[fieldName(value)] = this.expression();
      else items.push(value);
      if (!this.#accept(',')) break;
    }
    this.#expect('}');
    if (items.length > 0 && Object.keys(fields).length > 0) throw this.#error('keyed and unkeyed items');
    return Object.keys(fields).length > 0 ? fields : items;
  }

  expression(): GoValue {
    let value = this.#operand();
    for (;;) {
      const or = this.#accept('|');
      if (!or && !this.#accept('+')) return value;
      const right = this.#operand();
      if (or && typeof value === 'number' && typeof right === 'number') value |= right;
      else if (!or && typeof value === 'string' && typeof right === 'string') value += right;
      else throw this.#error(or ? '| of other things than numbers' : '+ of other things than strings');
    }
  }

  #operand(): GoValue {
    const token = this.#peek();
    if (token === '{') return this.composite();
    if (token === '&') {
      this.#next();
      return this.#operand();
    }
    if (token === '[') {
      while (this.#next() !== ']');
      this.#next();
      return this.#peek() === '(' ? this.#call('[]') : this.composite();
    }
    this.#next();
    if (token.startsWith('"')) return goString(token);
    if (token.startsWith('`')) return token.slice(1, -1);
    if (/^\d/.test(token)) return Number(token);
    if (/^[A-Za-z_]/.test(token)) return this.#named(token);
    throw this.#error(`unexpected ${JSON.stringify(token)}`);
  }

  #named(name: string): GoValue {
    if (name === 'map') while (this.#peek() !== '{') this.#next();
    if (this.#peek() === '{') return this.composite();
    if (this.#peek() === '(') return this.#call(name);
    const { names = {} } = this.#bindings;
    if (Object.hasOwn(names, name)) return names[name]!;
    if (name === 'nil') return null;
    return name === 'true' || name === 'false' ? name === 'true' : new GoName(name);
  }

  #call(name: string): GoValue {
    this.#expect('(');
    const args: GoValue[] = [];
    while (this.#peek() !== ')') {
      args.push(this.expression());
      if (!this.#accept(',')) break;
    }
    this.#expect(')');
    const call = this.#bindings.calls?.[name] ?? CALLS[name];
    if (call !== undefined) return call(...args);
    if (args.length === 1 && args[0] !== undefined) return args[0]; // a conversion
    throw this.#error(`unknown function ${name}`);
  }

  #peek(): string {
    const before = this.#position;
    const token = this.#next();
    this.#position = before;
    return token;
  }

  #next(): string {
    for (;;) {
      TOKEN.lastIndex = this.#position;
      const [token] = TOKEN.exec(this.#source) ?? [];
      if (token === undefined) throw this.#error('end of file');
      this.#position += token.length;
      if (!/^(?:\s|\/\/|\/\*)/.test(token)) return token;
    }
  }

  #accept(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#next();
    return true;
  }

  #expect(token: string): void {
    const found = this.#next();
    if (found !== token)
      throw this.#error(`${JSON.stringify(found)} where ${JSON.stringify(token)} should be`);
  }

  #error(problem: string): Error {
    const line = this.#source.slice(0, this.#position).split('\n').length;
    return new Error(`Go literal, line ${line}: ${problem}`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
  v: '\v',
  f: '\f',
};

function fieldName(key: GoValue): string {
  if (key instanceof GoName) return key.name;
  return typeof key === 'boolean' || typeof key === 'number' ? `${key}` : goText(key);
}

function goString(literal: string): string {
  return literal.slice(1, -1).replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[^xu])/gi, (_all, escape: string) => {
    if (escape.length > 1) return String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    const escaped = ESCAPES[escape];
    if (escaped === undefined) throw new Error(`Go string escape \\${escape}`);
    return escaped;
  });
}
