/** Tokens to templates, after the grammar of Go's text/template. */
import type { TemplateNode, TemplateSet } from './nodes.ts';
import { KEYWORDS, PipelineParser } from './parse-pipeline.ts';
import { Scope } from './scope.ts';
import { describe, TokenReader } from './token-reader.ts';
import { tokenize } from './tokens.ts';

/** The text's own template under `name`, and all it defines. A word that is no function is a mistake. Throws TemplateError. */
export function parseTemplate(text: string, name: string, functions: ReadonlySet<string>): TemplateSet {
  return new TemplateParser(new TokenReader(tokenize(text, name), name), functions).run();
}

type Ending = 'end' | 'else' | undefined;

class TemplateParser {
  readonly #tokens: TokenReader;
  readonly #scope = new Scope();
  readonly #pipelines: PipelineParser;
  readonly #templates: TemplateSet = new Map();
  #loops = 0;

  constructor(tokens: TokenReader, functions: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#pipelines = new PipelineParser(tokens, { functions, scope: this.#scope });
  }

  run(): TemplateSet {
    const { nodes, ending } = this.#list(true);
    if (ending !== undefined) throw this.#tokens.error(`unexpected {{${ending}}}`);
    this.#define(this.#tokens.file, nodes);
    return this.#templates;
  }

  /** Up to `end` or `else`, or the end of the text where that is allowed. */
  #list(isTop = false): { nodes: TemplateNode[]; ending: Ending } {
    return this.#tokens.nested(() => {
      const nodes: TemplateNode[] = [];
      for (;;) {
        const token = this.#tokens.next();
        if (token.kind === 'text') {
          nodes.push({ kind: 'text', text: token.text, line: token.line });
          continue;
        }
        if (token.kind === 'end') {
          if (!isTop) throw this.#tokens.error('the text ends before {{end}}');
          return { nodes, ending: undefined };
        }
        const { kind, text } = this.#tokens.peekPastSpace();
        if (kind === 'word' && (text === 'end' || text === 'else')) {
          this.#tokens.next();
          return { nodes, ending: text };
        }
        const node = this.#action(isTop);
        if (node !== undefined) nodes.push(node);
      }
    });
  }

  /** Behind `{{` and blanks. A definition leaves nothing where it stands. */
  #action(isTop: boolean): TemplateNode | undefined {
    const token = this.#tokens.peek();
    const { line, text: keyword } = token;
    if (token.kind !== 'word' || !KEYWORDS.has(keyword)) {
      const pipe = this.#pipelines.read('close');
      if (pipe.commands.length === 0) throw this.#tokens.error('missing value for command');
      return { kind: 'action', pipe, line };
    }
    this.#tokens.next();
    switch (keyword) {
      case 'if':
      case 'with':
      case 'range':
        return this.#scope.within(() => this.#branch(keyword, line));
      case 'template':
        return this.#call(line);
      case 'block':
        return this.#block(line);
      case 'define':
        if (!isTop) throw this.#tokens.error('unexpected {{define}} inside of another action');
        this.#definition();
        return undefined;
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw this.#tokens.error(`{{${keyword}}} outside {{range}}`);
        this.#close(keyword);
        return { kind: keyword, line };
      default:
        throw this.#tokens.error(`unexpected {{${keyword}}}`);
    }
  }

  #close(where: string): void {
    this.#tokens.skipSpace();
    this.#tokens.expect('close', where);
  }

  #branch(kind: 'if' | 'with' | 'range', line: number): TemplateNode {
    const pipe = this.#pipelines.read('close');
    if (pipe.commands.length === 0) throw this.#tokens.error(`missing value for ${kind}`);
    if (pipe.variables.length > 1 && kind !== 'range')
      throw this.#tokens.error(`too many declarations in ${kind}`);
    if (kind === 'range') this.#loops++;
    const { nodes: body, ending } = this.#list();
    if (kind === 'range') this.#loops--;
    if (ending === 'else') return { kind, pipe, body, otherwise: this.#otherwise(kind), line };
    this.#close('end');
    return { kind, pipe, body, otherwise: [], line };
  }

  /** `{{else}}`, and for if and with `{{else if …}}`, which the one `{{end}}` closes too. */
  #otherwise(kind: 'if' | 'with' | 'range'): TemplateNode[] {
    const { kind: tokenKind, text, line } = this.#tokens.peekPastSpace();
    if (tokenKind === 'word' && text === kind && kind !== 'range') {
      this.#tokens.next();
      return [this.#branch(kind, line)];
    }
    this.#close('else');
    const { nodes, ending } = this.#list();
    if (ending !== 'end') throw this.#tokens.error('expected {{end}} after {{else}}');
    this.#close('end');
    return nodes;
  }

  #name(of: string): string {
    this.#tokens.skipSpace();
    const token = this.#tokens.next();
    if (token.kind !== 'string') throw this.#tokens.error(`unexpected ${describe(token)} in ${of} clause`);
    return token.text;
  }

  #call(line: number): TemplateNode {
    const name = this.#name('template');
    const isBare = this.#tokens.peekPastSpace().kind === 'close';
    if (isBare) this.#close('template');
    return { kind: 'template', name, pipe: isBare ? undefined : this.#pipelines.read('close'), line };
  }

  /** Defines a template and calls it. */
  #block(line: number): TemplateNode {
    const name = this.#name('block');
    const pipe = this.#pipelines.read('close');
    this.#define(name, this.#body());
    return { kind: 'template', name, pipe, line };
  }

  #definition(): void {
    const name = this.#name('define');
    this.#close('define');
    this.#define(name, this.#body());
  }

  /** A definition has variables and loops of its own. */
  #body(): TemplateNode[] {
    const loops = this.#loops;
    this.#loops = 0;
    const { nodes, ending } = this.#scope.apart(() => this.#list());
    if (ending !== 'end') throw this.#tokens.error(`unexpected {{${String(ending)}}} in a definition`);
    this.#close('end');
    this.#loops = loops;
    return nodes;
  }

  /** Nothing but blanks does not replace what has been defined. */
  #define(name: string, nodes: readonly TemplateNode[]): void {
    if (isEmpty(nodes) && this.#templates.has(name)) return;
    this.#templates.set(name, { name, nodes, file: this.#tokens.file });
  }
}

export const isEmpty = (nodes: readonly TemplateNode[]): boolean =>
  nodes.every((node) => node.kind === 'text' && node.text.trim() === '');
