/** Pipelines: commands joined by `|`, each a function or a value with its arguments. */
import type { Command, Operand, Pipe } from './nodes.ts';
import { parseNumber } from './numbers.ts';
import type { Scope } from './scope.ts';
import { describe, isSymbol, type TokenReader } from './token-reader.ts';
import type { Token } from './tokens.ts';

export const KEYWORDS: ReadonlySet<string> = new Set(
  'block break continue define else end if range template with'.split(' '),
);

export class PipelineParser {
  readonly #tokens: TokenReader;
  readonly #functions: ReadonlySet<string>;
  readonly #scope: Scope;

  constructor(
    tokens: TokenReader,
    { functions, scope }: { readonly functions: ReadonlySet<string>; readonly scope: Scope },
  ) {
    this.#tokens = tokens;
    this.#functions = functions;
    this.#scope = scope;
  }

  /** Up to and with its end. Throws TemplateError. */
  read(end: 'close' | ')'): Pipe {
    return this.#tokens.nested(() => {
      const { line } = this.#tokens.peekPastSpace();
      const { variables, assigns } = this.#declarations();
      const commands: Command[] = [];
      for (;;) {
        const token = this.#tokens.peekPastSpace();
        if (token.kind === 'close' || isSymbol(token, ')')) {
          if ((end === ')') !== isSymbol(token, ')'))
            throw this.#tokens.error(`unexpected ${describe(token)} in a pipeline`);
          this.#tokens.next();
          this.#checkCommands(commands, variables);
          return { variables, assigns, commands, line };
        }
        commands.push(this.#command());
      }
    });
  }

  #checkCommands(commands: readonly Command[], variables: readonly string[]): void {
    if (commands.length === 0 && variables.length > 0) throw this.#tokens.error('missing value for command');
    for (const [first] of commands.slice(1)) {
      const isCallable = first !== undefined && !['constant', 'nil', 'dot'].includes(first.kind);
      if (!isCallable) throw this.#tokens.error('a constant cannot take the result of another command');
    }
  }

  /** Up to two variables before `:=` or `=`. */
  #declarations(): { variables: string[]; assigns: boolean } {
    const start = this.#tokens.mark();
    const variables: string[] = [];
    for (;;) {
      this.#tokens.skipSpace();
      const variable = this.#tokens.peek();
      if (variable.kind !== 'variable') break;
      this.#tokens.next();
      this.#tokens.skipSpace();
      const symbol = this.#tokens.next();
      variables.push(variable.text);
      if (isSymbol(symbol, ':=') || isSymbol(symbol, '=')) {
        const assigns = symbol.text === '=';
        for (const name of variables) this.#declare(name, assigns);
        return { variables, assigns };
      }
      if (!isSymbol(symbol, ',') || variables.length === 2) break;
    }
    this.#tokens.goTo(start);
    return { variables: [], assigns: false };
  }

  #declare(name: string, assigns: boolean): void {
    if (!assigns) this.#scope.add(name);
    else this.#requireVariable(name);
  }

  #requireVariable(name: string): void {
    if (!this.#scope.has(name)) throw this.#tokens.error(`undefined variable ${JSON.stringify(name)}`);
  }

  #command(): Command {
    const operands: Operand[] = [];
    for (;;) {
      this.#tokens.skipSpace();
      const token = this.#tokens.peek();
      if (isSymbol(token, '|')) {
        this.#tokens.next();
        const after = this.#tokens.peekPastSpace();
        if (after.kind === 'close' || isSymbol(after, ')') || isSymbol(after, '|'))
          throw this.#tokens.error('missing value for command');
        break;
      }
      if (token.kind === 'close' || isSymbol(token, ')')) break;
      operands.push(this.#operand());
      const next = this.#tokens.peek();
      const isEnd =
        next.kind === 'space' || next.kind === 'close' || isSymbol(next, ')') || isSymbol(next, '|');
      if (!isEnd) throw this.#tokens.error(`unexpected ${describe(next)} in operand`);
    }
    if (operands.length === 0) throw this.#tokens.error('empty command');
    return operands;
  }

  /** A term, and the fields asked of it. */
  #operand(): Operand {
    const term = this.#term();
    const path: string[] = [];
    while (this.#tokens.peek().kind === 'field') path.push(this.#tokens.next().text.slice(1));
    if (path.length === 0) return term;
    if (term.kind === 'field' || term.kind === 'variable') return { ...term, path: [...term.path, ...path] };
    if (term.kind === 'constant' || term.kind === 'nil') throw this.#tokens.error('unexpected . after term');
    if (term.kind === 'dot') return { kind: 'field', path };
    return { kind: 'chain', of: term, path };
  }

  #term(): Operand {
    const token = this.#tokens.next();
    switch (token.kind) {
      case 'word':
        return this.#word(token);
      case 'dot':
        return { kind: 'dot' };
      case 'field':
        return { kind: 'field', path: [token.text.slice(1)] };
      case 'variable':
        this.#requireVariable(token.text);
        return { kind: 'variable', name: token.text, path: [] };
      case 'string':
        return { kind: 'constant', value: token.text };
      case 'char':
        return { kind: 'constant', value: BigInt(token.text.codePointAt(0) ?? 0) };
      case 'number': {
        const value = parseNumber(token.text);
        if (value === undefined) throw this.#tokens.error(`bad number syntax: ${JSON.stringify(token.text)}`);
        return { kind: 'constant', value };
      }
      default:
        if (isSymbol(token, '(')) return { kind: 'pipe', pipe: this.#parenthesized() };
        throw this.#tokens.error(`unexpected ${describe(token)} in operand`);
    }
  }

  #parenthesized(): Pipe {
    const pipe = this.read(')');
    if (pipe.commands.length === 0) throw this.#tokens.error('missing value for parenthesized pipeline');
    return pipe;
  }

  #word({ text }: Token): Operand {
    if (text === 'true' || text === 'false') return { kind: 'constant', value: text === 'true' };
    if (text === 'nil') return { kind: 'nil' };
    if (!KEYWORDS.has(text) && this.#functions.has(text)) return { kind: 'function', name: text };
    throw this.#tokens.error(
      KEYWORDS.has(text) ? `unexpected <${text}> in operand` : `function ${JSON.stringify(text)} not defined`,
    );
  }
}
