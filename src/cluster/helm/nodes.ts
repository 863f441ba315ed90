/** What a template is after parsing. */
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string; readonly line: number }
  | { readonly kind: 'action'; readonly pipe: Pipe; readonly line: number }
  | BranchNode
  | {
      readonly kind: 'template';
      readonly name: string;
      readonly pipe: Pipe | undefined;
      readonly line: number;
    }
  | { readonly kind: 'break' | 'continue'; readonly line: number };

export interface BranchNode {
  readonly kind: 'if' | 'with' | 'range';
  readonly pipe: Pipe;
  readonly body: readonly TemplateNode[];
  readonly otherwise: readonly TemplateNode[];
  readonly line: number;
}

export interface Pipe {
  /** `$x := `, `$x, $y := `, `$x = `. */
  readonly variables: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly Command[];
  readonly line: number;
}

export type Command = readonly Operand[];

export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'nil' }
  | { readonly kind: 'constant'; readonly value: boolean | string | number | bigint }
  /** `.a.b` */
  | { readonly kind: 'field'; readonly path: readonly string[] }
  /** `$x.a.b` */
  | { readonly kind: 'variable'; readonly name: string; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe }
  /** `(…).a.b` */
  | { readonly kind: 'chain'; readonly of: Operand; readonly path: readonly string[] };

export interface Template {
  readonly name: string;
  readonly nodes: readonly TemplateNode[];
  /** The template text it is defined in. */
  readonly file: string;
}

/** By name: the file itself and what it defines. */
export type TemplateSet = Map<string, Template>;
