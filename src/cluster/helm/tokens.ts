/** A template's text to tokens, after the lexical rules of Go's text/template. */
import { TemplateError } from './template-error.ts';

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'word' // identifiers, keywords, true, false, nil
  | 'field' // .name
  | 'variable' // $name or $
  | 'number'
  | 'char'
  | 'string'
  | 'dot'
  | 'symbol' // ( ) | , = :=
  | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Of strings and characters what they mean, else what is written. */
  readonly text: string;
  /** Counts from 1. */
  readonly line: number;
}

const OPEN = '{{';
const CLOSE = '}}';
const SPACE = ' \t\r\n';

/** Throws TemplateError. */
export function tokenize(text: string, template: string): Token[] {
  return new Lexer(text, template).run();
}

class Lexer {
  readonly #text: string;
  readonly #template: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #counted = 0;
  #parens = 0;

  constructor(text: string, template: string) {
    this.#text = text;
    this.#template = template;
  }

  run(): Token[] {
    let trimsLeft = false;
    for (;;) {
      const open = this.#text.indexOf(OPEN, this.#at);
      const end = open < 0 ? this.#text.length : open;
      this.#addText(end, { trimsLeft, trimsRight: open >= 0 && this.#isTrim(open + OPEN.length) });
      if (open < 0) break;
      this.#at = open;
      trimsLeft = this.#action();
    }
    this.#add('end', '');
    return this.#tokens;
  }

  /** `{{- ` takes the blanks before, ` -}}` those after. */
  #addText(end: number, { trimsLeft, trimsRight }: { trimsLeft: boolean; trimsRight: boolean }): void {
    let from = this.#at;
    let to = end;
    if (trimsLeft) while (from < to && isSpace(this.#text[from])) from++;
    if (trimsRight) while (to > from && isSpace(this.#text[to - 1])) to--;
    this.#at = from;
    if (to > from) this.#add('text', this.#text.slice(from, to));
    this.#at = end;
  }

  #isTrim(at: number): boolean {
    return this.#text[at] === '-' && isSpace(this.#text[at + 1]);
  }

  /** From `{{` to behind `}}`; says whether the blanks after it go. */
  #action(): boolean {
    const start = this.#at;
    let inside = start + OPEN.length;
    if (this.#isTrim(inside)) inside += 2;
    if (this.#text.startsWith('/*', inside)) return this.#comment(inside);
    this.#add('open', OPEN);
    this.#at = inside;
    this.#parens = 0;
    for (;;) {
      const trims = isSpace(this.#text[this.#at]) && this.#text.startsWith(`-${CLOSE}`, this.#at + 1);
      if (trims || this.#text.startsWith(CLOSE, this.#at)) {
        if (this.#parens > 0) throw this.#error('unclosed left paren');
        this.#add('close', CLOSE);
        this.#at += trims ? 2 + CLOSE.length : CLOSE.length;
        return trims;
      }
      this.#inside();
    }
  }

  #comment(inside: number): boolean {
    const end = this.#text.indexOf('*/', inside);
    if (end < 0) throw this.#error('unclosed comment');
    let after = end + 2;
    const trims = isSpace(this.#text[after]) && this.#text.startsWith(`-${CLOSE}`, after + 1);
    if (trims) after += 2;
    if (!this.#text.startsWith(CLOSE, after)) throw this.#error('comment ends before closing delimiter');
    this.#at = after + CLOSE.length;
    return trims;
  }

  #inside(): void {
    const rest = this.#text[this.#at];
    if (rest === undefined) throw this.#error('unclosed action');
    if (isSpace(rest)) {
      this.#match('space', /[ \t\r\n]+?(?= -\}\}|[^ \t\r\n]|$)/y);
      return;
    }
    if (rest === '"') this.#quoted('string', /"(?:[^"\\\n]|\\[^\n])*"/y, 'unterminated quoted string');
    else if (rest === "'")
      this.#quoted('char', /'(?:[^'\\\n]|\\[^\n])+'/y, 'unterminated character constant');
    else if (rest === '`') this.#raw();
    else this.#plain(rest);
  }

  #plain(character: string): void {
    for (const [kind, pattern] of PATTERNS) if (this.#match(kind, pattern)) return;
    throw this.#error(`unexpected ${JSON.stringify(character)} in an action`);
  }

  #match(kind: TokenKind, pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return false;
    if (kind === 'symbol') this.#countParens(found);
    this.#add(kind, found);
    this.#at += found.length;
    if (MUST_END.has(kind) && !this.#atTerminator()) throw this.#error(`bad character after ${found}`);
    return true;
  }

  #countParens(symbol: string): void {
    if (symbol === '(') this.#parens++;
    if (symbol === ')' && --this.#parens < 0) throw this.#error('unexpected right paren');
  }

  #atTerminator(): boolean {
    const next = this.#text[this.#at];
    return (
      next === undefined || isSpace(next) || '.,|:)('.includes(next) || this.#text.startsWith(CLOSE, this.#at)
    );
  }

  #quoted(kind: 'string' | 'char', pattern: RegExp, problem: string): void {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#error(problem);
    const meaning = unescape(found.slice(1, -1));
    if (meaning === undefined) throw this.#error(`bad escape in ${found}`);
    if (kind === 'char' && Array.from(meaning).length !== 1)
      throw this.#error(`malformed character constant: ${found}`);
    this.#add(kind, meaning);
    this.#at += found.length;
  }

  #raw(): void {
    const end = this.#text.indexOf('`', this.#at + 1);
    if (end < 0) throw this.#error('unterminated raw quoted string');
    this.#add('string', this.#text.slice(this.#at + 1, end));
    this.#at = end + 1;
  }

  #add(kind: TokenKind, text: string): void {
    this.#tokens.push({ kind, text, line: this.#lineHere() });
  }

  #lineHere(): number {
    for (; this.#counted < this.#at; this.#counted++) if (this.#text[this.#counted] === '\n') this.#line++;
    return this.#line;
  }

  #error(message: string): TemplateError {
    return new TemplateError(message, { template: this.#template, line: this.#lineHere() });
  }
}

const isSpace = (character: string | undefined): boolean =>
  character !== undefined && SPACE.includes(character);

const NAME = String.raw`[\p{L}_][\p{L}\p{Nd}_]*`;
const PATTERNS: readonly (readonly [TokenKind, RegExp])[] = [
  ['variable', new RegExp(String.raw`\$(?:${NAME})?`, 'uy')],
  [
    'number',
    /[+-]?(?:0[xX][0-9a-fA-F_]+(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[\d_]+)?|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)i?/y,
  ],
  ['field', new RegExp(String.raw`\.${NAME}`, 'uy')],
  ['dot', /\./y],
  ['word', new RegExp(NAME, 'uy')],
  ['symbol', /:=|[()|,=]/y],
];
const MUST_END: ReadonlySet<TokenKind> = new Set(['field', 'variable', 'word', 'number', 'dot']);

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

const ESCAPE = /\\(?<code>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.?)/gsu;

/** Undefined for an escape that Go does not know. */
function unescape(text: string): string | undefined {
  const meanings = Array.from(text.matchAll(ESCAPE), ({ groups }) => meaningOf(groups?.['code'] ?? ''));
  if (meanings.includes(undefined)) return undefined;
  let next = 0;
  return text.replace(ESCAPE, () => meanings[next++] ?? '');
}

function meaningOf(code: string): string | undefined {
  if (code.length === 1) return ESCAPES[code];
  if (code === '') return undefined;
  const point = /^[0-7]/.test(code) ? parseInt(code, 8) : parseInt(code.slice(1), 16);
  return point > 0x10ffff ? undefined : String.fromCodePoint(point);
}
