/**
 * One shell word, or a line of them: quotes, escapes and `$` substitutions as BuildKit's shell lexer reads them.
 *
 * Two texts come out: the word with blanks kept (`text`) and its parts at unquoted blanks (`words`), where blanks that
 * came out of a variable separate too. Recursion happens only in `${name:-…}` and is limited, as is the result.
 */
import { ArchBuildError } from '../errors.ts';
import { characterAt, isDigit, isLetter, isSpace, quote } from './characters.ts';
import { substitute, unsetError, type Modifier } from './substitution.ts';

/** Where variables come from; undefined is unset, which differs from empty. */
export interface Scope {
  get(name: string): string | undefined;
}

export interface LexOptions {
  readonly escape: '\\' | '`';
  readonly onUsed?: ((name: string) => void) | undefined;
  readonly onUndefined?: ((name: string) => void) | undefined;
  /** What stays as it is written: for a look at a line before anybody expands it. */
  readonly keepQuotes?: boolean;
  readonly keepEscapes?: boolean;
  readonly keepUnset?: boolean;
  /** Text, not a word: quotes are characters like others. */
  readonly asText?: boolean;
}

export interface Lexed {
  readonly text: string;
  readonly words: readonly string[];
}

const MAX_DEPTH = 200;
/** More than a program can be given as one argument, so nothing useful is refused. */
const MAX_LENGTH = 2 ** 20;
const SPECIAL_PARAMETERS = '@*#?-$!';

/** Throws EXPANSION, with the word in the message. */
export function lexWord(word: string, scope: Scope, options: LexOptions): Lexed {
  return new WordLexer(word, scope, options).lex();
}

class WordLexer {
  readonly #source: string;
  readonly #scope: Scope;
  readonly #options: LexOptions;
  #at = 0;
  #depth = 0;
  #rawEscapes: boolean;

  constructor(source: string, scope: Scope, options: LexOptions) {
    this.#source = source;
    this.#scope = scope;
    this.#options = options;
    this.#rawEscapes = options.keepEscapes === true;
  }

  lex(): Lexed {
    const words = new WordCollector();
    const text = this.#until('', words);
    return { text, words: words.finish() };
  }

  /** Reads up to and over `stop`, or to the end when it is empty. */
  #until(stop: '' | '}' | '/', words?: WordCollector): string {
    let text = '';
    for (;;) {
      const next = this.#peek();
      if (next === '') {
        if (stop === '') return text;
        throw this.#error(`missing "${stop}"`);
      }
      if (next === stop) {
        this.#take();
        return text;
      }
      const { piece, quoted } = this.#piece(next);
      text += piece;
      if (text.length > MAX_LENGTH) throw this.#error(`more than ${MAX_LENGTH} characters come out`);
      words?.add(piece, quoted);
    }
  }

  #piece(next: string): { piece: string; quoted: boolean } {
    if (next === '$') return { piece: this.#dollar(), quoted: false };
    const text = this.#options.asText === true;
    if (next === "'" && !text) return { piece: this.#singleQuoted(), quoted: true };
    if (next === '"' && !text) return { piece: this.#doubleQuoted(), quoted: true };
    this.#take();
    if (next !== this.#options.escape) return { piece: next, quoted: false };
    return { piece: (this.#rawEscapes ? next : '') + this.#take(), quoted: true };
  }

  #singleQuoted(): string {
    const start = this.#at;
    const end = this.#source.indexOf("'", start + 1);
    if (end < 0) throw this.#error('unterminated single quote');
    this.#at = end + 1;
    return this.#options.keepQuotes === true
      ? this.#source.slice(start, end + 1)
      : this.#source.slice(start + 1, end);
  }

  #doubleQuoted(): string {
    const mark = this.#options.keepQuotes === true ? '"' : '';
    let text = mark;
    this.#take();
    for (;;) {
      const next = this.#peek();
      if (next === '') throw this.#error('unterminated double quote');
      if (next === '$') {
        text += this.#dollar();
        continue;
      }
      this.#take();
      if (next === '"') return text + mark;
      text += next === this.#options.escape ? this.#escapedInQuotes(next) : next;
    }
  }

  /** Between double quotes an escape character is one only before `"`, `$` and itself. */
  #escapedInQuotes(escape: string): string {
    const next = this.#peek();
    if (!['"', '$', escape].includes(next)) return this.#rawEscapes ? escape + escape : escape;
    this.#take();
    return this.#rawEscapes ? escape + next : next;
  }

  #dollar(): string {
    this.#take();
    if (this.#peek() === '{') return this.#nested(() => this.#braces());
    const name = this.#name();
    if (name === '') return '$';
    return this.#lookup(name) ?? (this.#keepsUnset ? `$${name}` : '');
  }

  #braces(): string {
    this.#take();
    if (['{', '}', ':'].includes(this.#peek())) throw this.#error('bad substitution');
    const name = this.#name();
    const operator = this.#take();
    if (operator === '') throw this.#error('missing "}"');
    if (operator === '}') return this.#lookup(name) ?? (this.#keepsUnset ? `\${${name}}` : '');
    if (operator === '/') return this.#replacement(name);
    const colon = operator === ':';
    const modifier = colon ? this.#take() : operator;
    if (!isModifier(modifier) || (colon && (modifier === '#' || modifier === '%'))) {
      throw this.#error(`unsupported modifier "${colon ? ':' : ''}${modifier}"`);
    }
    const word = this.#withRawEscapes(modifier === '#' || modifier === '%', () => this.#until('}'));
    const value = this.#lookup(name);
    if (value === undefined && this.#keepsUnset) return `\${${name}${colon ? ':' : ''}${modifier}${word}}`;
    if (modifier === '?' && (value === undefined || (colon && value === '')))
      throw unsetError(name, value, word);
    return substitute(modifier, { value, colon, word, escape: this.#options.escape });
  }

  #replacement(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#take();
    const pattern = this.#withRawEscapes(true, () => this.#until('/'));
    const replacement = this.#withRawEscapes(true, () => this.#until('}'));
    const value = this.#lookup(name);
    if (value === undefined && this.#keepsUnset)
      return `\${${name}/${all ? '/' : ''}${pattern}/${replacement}}`;
    return substitute('/', { value, colon: all, word: pattern, replacement, escape: this.#options.escape });
  }

  /** A number, one special parameter, or letters, digits and underscores; empty when there is none. */
  #name(): string {
    const start = this.#at;
    const first = this.#peek();
    if (first !== '' && SPECIAL_PARAMETERS.includes(first)) return this.#take();
    const accepts = isDigit(first) ? isDigit : isNameCharacter;
    while (this.#at < this.#source.length && accepts(this.#peek())) this.#take();
    return this.#source.slice(start, this.#at);
  }

  #lookup(name: string): string | undefined {
    const value = this.#scope.get(name);
    if (value === undefined) this.#options.onUndefined?.(name);
    else this.#options.onUsed?.(name);
    return value;
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`substitutions are nested more than ${MAX_DEPTH} deep`);
    const result = read();
    this.#depth--;
    return result;
  }

  #withRawEscapes<T>(raw: boolean, read: () => T): T {
    const before = this.#rawEscapes;
    this.#rawEscapes = raw;
    const result = read();
    this.#rawEscapes = before;
    return result;
  }

  get #keepsUnset(): boolean {
    return this.#options.keepUnset === true;
  }

  #peek(): string {
    return characterAt(this.#source, this.#at);
  }

  #take(): string {
    const character = this.#peek();
    this.#at += character.length;
    return character;
  }

  #error(what: string): ArchBuildError {
    return new ArchBuildError('EXPANSION', `${what} in ${quote(this.#source)}`);
  }
}

/** Words are separated by unquoted blanks; a word of nothing but empty quotes disappears. */
class WordCollector {
  readonly #words: string[] = [];
  #word = '';

  add(piece: string, quoted: boolean): void {
    if (quoted) {
      this.#word += piece;
      return;
    }
    for (const character of piece) {
      if (!isSpace(character)) this.#word += character;
      else if (this.#word !== '') this.#push();
    }
  }

  finish(): readonly string[] {
    if (this.#word !== '') this.#push();
    return this.#words;
  }

  #push(): void {
    this.#words.push(this.#word);
    this.#word = '';
  }
}

const isNameCharacter = (character: string): boolean =>
  character === '_' || isLetter(character) || isDigit(character);

const isModifier = (character: string): character is Modifier =>
  '+-?#%'.includes(character) && character !== '';
