/** Tokens one after the other, and the place of a mistake. */
import { TemplateError } from './template-error.ts';
import type { Token, TokenKind } from './tokens.ts';

/** Deeper nesting is nobody's. */
const DEPTH_LIMIT = 500;

export class TokenReader {
  readonly file: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.#tokens = tokens;
    this.file = file;
  }

  peek(): Token {
    const token = this.#tokens[Math.min(this.#at, this.#tokens.length - 1)];
    if (token === undefined) throw new TypeError('a text without tokens');
    return token;
  }

  next(): Token {
    const token = this.peek();
    this.#at++;
    return token;
  }

  peekPastSpace(): Token {
    this.skipSpace();
    return this.peek();
  }

  skipSpace(): void {
    while (this.peek().kind === 'space') this.#at++;
  }

  /** To come back to with `goTo`. */
  mark(): number {
    return this.#at;
  }

  goTo(mark: number): void {
    this.#at = mark;
  }

  expect(kind: TokenKind, where: string): void {
    const token = this.next();
    if (token.kind !== kind) throw this.error(`unexpected ${describe(token)} in ${where}`);
  }

  nested<Value>(read: () => Value): Value {
    if (++this.#depth > DEPTH_LIMIT) throw this.error('nested too deep');
    const value = read();
    this.#depth--;
    return value;
  }

  error(message: string): TemplateError {
    const { line } = this.#tokens[Math.max(0, Math.min(this.#at, this.#tokens.length) - 1)] ?? { line: 1 };
    return new TemplateError(message, { template: this.file, line });
  }
}

export const isSymbol = (token: Token, text: string): boolean =>
  token.kind === 'symbol' && token.text === text;
export const describe = ({ kind, text }: Token): string =>
  kind === 'text' || text === '' ? kind : JSON.stringify(text);
