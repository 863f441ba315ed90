/** Templates to text, after the rules of Go's text/template with Helm's `missingkey=zero`. */
import type { Budget } from './budget.ts';
import { counted } from './functions/lists.ts';
import { formatValue } from './format.ts';
import type { BranchNode, Command, Operand, Pipe, Template, TemplateNode, TemplateSet } from './nodes.ts';
import { Output } from './output.ts';
import { FunctionError, TemplateError } from './template-error.ts';
import {
  GoObject,
  isList,
  isMap,
  isTrue,
  sortedEntries,
  typeOf,
  type TemplateFunction,
  type Value,
} from './value.ts';

export interface Execution {
  readonly templates: TemplateSet;
  readonly functions: ReadonlyMap<string, TemplateFunction>;
  readonly budget: Budget;
  /** Told of each action that has no value to write. */
  readonly onNothing?: (pipe: Pipe) => void;
}

/** Throws TemplateError. */
export function execute(name: string, data: Value, execution: Execution): Output {
  const output = new Output();
  const template = execution.templates.get(name);
  if (template === undefined) throw new FunctionError(`no template ${JSON.stringify(name)}`);
  new Evaluator(execution, template, output).run(data);
  return output;
}

interface Variable {
  readonly name: string;
  value: Value;
}

/** How a list of nodes ended. */
type Flow = 'on' | 'break' | 'continue';
/** No value is handed on by a pipe. */
type Handed = Value | undefined;

class Evaluator {
  readonly #execution: Execution;
  readonly #template: Template;
  readonly #output: Output;
  #variables: Variable[] = [];
  #line = 0;

  constructor(execution: Execution, template: Template, output: Output) {
    this.#execution = execution;
    this.#template = template;
    this.#output = output;
  }

  run(data: Value): void {
    this.#variables = [{ name: '$', value: data }];
    try {
      this.#walk(this.#template.nodes, data);
    } catch (error) {
      if (error instanceof RangeError) throw this.#error('nested too deep');
      if (error instanceof FunctionError) throw this.#error(error.message);
      throw error;
    }
  }

  #walk(nodes: readonly TemplateNode[], dot: Value): Flow {
    for (const node of nodes) {
      this.#line = node.line;
      this.#execution.budget.spend();
      const flow = this.#node(node, dot);
      if (flow !== 'on') return flow;
    }
    return 'on';
  }

  #node(node: TemplateNode, dot: Value): Flow {
    switch (node.kind) {
      case 'text':
        this.#write(node.text, node.line);
        return 'on';
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length > 0) return 'on';
        if (value === null) this.#execution.onNothing?.(node.pipe);
        this.#write(value === null ? NO_VALUE : formatValue(value), node.line);
        return 'on';
      }
      case 'if':
      case 'with':
        return this.#scoped(() => {
          const value = this.#pipe(node.pipe, dot);
          if (!isTrue(value)) return this.#walk(node.otherwise, dot);
          return this.#walk(node.body, node.kind === 'with' ? value : dot);
        });
      case 'range':
        return this.#scoped(() => this.#range(node, dot));
      case 'template':
        this.#call(node, dot);
        return 'on';
      default:
        return node.kind;
    }
  }

  #write(text: string, line: number): void {
    this.#execution.budget.spend(text.length);
    this.#output.write(text, line);
  }

  #scoped<Result>(work: () => Result): Result {
    const { length } = this.#variables;
    const result = work();
    this.#variables.length = length;
    return result;
  }

  #range(node: BranchNode, dot: Value): Flow {
    const items = this.#items(this.#commands(node.pipe, dot));
    const { variables, assigns } = node.pipe;
    let isEmpty = true;
    for (const [key, value] of items) {
      isEmpty = false;
      const flow = this.#scoped(() => {
        const [first, second] = variables;
        if (second !== undefined && first !== undefined) {
          this.#set(first, key, assigns);
          this.#set(second, value, assigns);
        } else if (first !== undefined) this.#set(first, value, assigns);
        return this.#walk(node.body, value);
      });
      if (flow === 'break') break;
    }
    return isEmpty ? this.#walk(node.otherwise, dot) : 'on';
  }

  #items(value: Value): Iterable<readonly [Value, Value]> {
    if (value === null) return [];
    if (isList(value)) return value.map((each, index) => [BigInt(index), each] as const);
    if (isMap(value)) return sortedEntries(value);
    if (value instanceof GoObject && value.entries !== undefined) return sortedEntries(value.entries);
    if (typeof value === 'bigint') return counted(0, Number(value), 1).map((each) => [each, each] as const);
    throw this.#error(`range can't iterate over ${formatValue(value)}`);
  }

  #set(name: string, value: Value, assigns: boolean): void {
    if (!assigns) this.#variables.push({ name, value });
    else this.#variable(name).value = value;
  }

  #variable(name: string): Variable {
    const found = this.#variables.findLast((variable) => variable.name === name);
    if (found === undefined) throw this.#error(`undefined variable: ${name}`);
    return found;
  }

  #call({ name, pipe, line }: Extract<TemplateNode, { kind: 'template' }>, dot: Value): void {
    const data = pipe === undefined ? null : this.#pipe(pipe, dot);
    const output = execute(name, data, this.#execution);
    this.#output.write(output.text, line);
  }

  #pipe(pipe: Pipe, dot: Value): Value {
    const value = this.#commands(pipe, dot);
    for (const name of pipe.variables) this.#set(name, value, pipe.assigns);
    return value;
  }

  #commands(pipe: Pipe, dot: Value): Value {
    this.#line = pipe.line;
    let value: Handed;
    for (const command of pipe.commands) value = this.#command(command, dot, value);
    return value ?? null;
  }

  #command(command: Command, dot: Value, handed: Handed): Value {
    const [first, ...rest] = command;
    if (first === undefined) throw this.#error('empty command');
    switch (first.kind) {
      case 'function':
        return this.#function(first.name, { operands: rest, dot, handed });
      case 'field':
        return this.#path(dot, first.path, () => this.#arguments(rest, dot, handed));
      case 'chain':
        return this.#path(this.#operand(first.of, dot), first.path, () => this.#arguments(rest, dot, handed));
      case 'variable':
        if (first.path.length === 0) this.#refuseArguments(rest, handed, `variable ${first.name}`);
        return this.#path(this.#variable(first.name).value, first.path, () =>
          this.#arguments(rest, dot, handed),
        );
      case 'nil':
        throw this.#error('nil is not a command');
      default:
        this.#refuseArguments(rest, handed, 'what is no function');
        return this.#operand(first, dot);
    }
  }

  #refuseArguments(rest: readonly Operand[], handed: Handed, what: string): void {
    if (rest.length > 0 || handed !== undefined) throw this.#error(`can't give argument to ${what}`);
  }

  #arguments(operands: readonly Operand[], dot: Value, handed: Handed): Value[] {
    const values = operands.map((operand) => this.#operand(operand, dot));
    return handed === undefined ? values : [...values, handed];
  }

  #operand(operand: Operand, dot: Value): Value {
    switch (operand.kind) {
      case 'dot':
        return dot;
      case 'nil':
        return null;
      case 'constant':
        return operand.value;
      case 'field':
        return this.#path(dot, operand.path, () => []);
      case 'variable':
        return this.#path(this.#variable(operand.name).value, operand.path, () => []);
      case 'chain':
        return this.#path(this.#operand(operand.of, dot), operand.path, () => []);
      case 'function':
        return this.#function(operand.name, { operands: [], dot, handed: undefined });
      case 'pipe':
        return this.#pipe(operand.pipe, dot);
    }
  }

  /** Arguments are for the last name of the path. */
  #path(start: Value, path: readonly string[], values: () => readonly Value[]): Value {
    if (start === null && this.#variables[0]?.value === null) return null; // a template that was given nothing
    let value = start;
    for (const [index, name] of path.entries())
      value = this.#field(value, name, index === path.length - 1 ? values() : []);
    return value;
  }

  #field(receiver: Value, name: string, values: readonly Value[]): Value {
    if (receiver === null) throw this.#error(`nil pointer evaluating interface {}.${name}`);
    if (receiver instanceof GoObject) {
      const method = receiver.methods.get(name);
      if (method !== undefined) return this.#invoke(name, method, values);
    }
    this.#refuseArguments([], values[0], name);
    if (isMap(receiver)) return receiver.get(name) ?? null;
    if (receiver instanceof GoObject && receiver.has(name)) return receiver.get(name);
    throw this.#error(`can't evaluate field ${name} in type ${typeOf(receiver)}`);
  }

  #function(
    name: string,
    { operands, dot, handed }: { operands: readonly Operand[]; dot: Value; handed: Handed },
  ): Value {
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, { operands, dot, handed });
    const call = this.#execution.functions.get(name);
    if (call === undefined) throw this.#error(`function ${JSON.stringify(name)} not defined`);
    return this.#invoke(name, call, this.#arguments(operands, dot, handed));
  }

  /** What need not be looked at is not evaluated. */
  #shortCircuit(
    name: 'and' | 'or',
    { operands, dot, handed }: { operands: readonly Operand[]; dot: Value; handed: Handed },
  ): Value {
    let value = handed;
    for (const operand of operands) {
      const each = this.#operand(operand, dot);
      if (isTrue(each) === (name === 'or')) return each;
      value = handed ?? each;
    }
    if (value === undefined) throw this.#error(`wrong number of args for ${name}: want at least 1 got 0`);
    return value;
  }

  #invoke(name: string, call: TemplateFunction, values: readonly Value[]): Value {
    const line = this.#line;
    try {
      const result = call(...values);
      this.#execution.budget.spendOn(result);
      this.#line = line;
      return result;
    } catch (error) {
      if (!(error instanceof FunctionError)) throw error;
      this.#line = line;
      throw this.#error(`error calling ${name}: ${error.message}`);
    }
  }

  #error(message: string): TemplateError {
    return new TemplateError(message, { template: this.#template.file, line: this.#line });
  }
}

/** What Go prints for nil; Helm takes it out again. */
export const NO_VALUE = '<no value>';
