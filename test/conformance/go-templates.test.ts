/** The vectors of Go's own text/template, as far as they are about values that come out of YAML. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Budget } from '../../src/cluster/helm/budget.ts';
import { execute } from '../../src/cluster/helm/evaluate.ts';
import { formatValue } from '../../src/cluster/helm/format.ts';
import { BUILTIN } from '../../src/cluster/helm/functions/builtin.ts';
import { text } from '../../src/cluster/helm/functions/arguments.ts';
import { parseTemplate } from '../../src/cluster/helm/parse-template.ts';
import { FunctionError } from '../../src/cluster/helm/template-error.ts';
import { GoObject, typeOf, type TemplateFunction, type Value } from '../../src/cluster/helm/value.ts';
import { debianPackage } from './debian-data.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(await debianPackage('golang-1.19-src'), 'usr/share/go-1.19/src/text/template');
const source = await readFile(join(folder, 'exec_test.go'), 'utf8');

const map = (entries: Record<string, Value>): Value => new Map(Object.entries(entries));
const ints = (...values: number[]): Value => values.map(BigInt);
const trueFalse: TemplateFunction = (value) => (value === true ? 'true' : '');
const U = (V: string): GoObject =>
  new GoObject('*template.U', { fields: { V }, methods: { TrueFalse: trueFalse } });
const method1: TemplateFunction = (value) => {
  if (typeof value !== 'bigint') throw new FunctionError('an int');
  return value;
};
const stringer = (text: string): GoObject => new GoObject('template.V', { methods: { String: () => text } });

/** The test's own value, without what only Go has: channels, functions, arrays, maps with numbers as keys. */
const tVal: GoObject = new GoObject('*template.T', {
  fields: {
    True: true,
    I: 17n,
    U16: 16n,
    X: 'x',
    S: 'xyz',
    U: U('v'),
    V0: stringer('<6666>'),
    V1: stringer('<7777>'),
    V2: stringer('nilV'),
    W0: stringer('[888]'),
    W1: stringer('[999]'),
    W2: stringer('nilW'),
    SI: ints(3, 4, 5),
    SIEmpty: [],
    SB: [true, false],
    MSI: map({ one: 1n, two: 2n, three: 3n }),
    MSIone: map({ one: 1n }),
    MSIEmpty: map({}),
    MXI: map({ one: 1n }),
    SMSI: [map({ one: 1n, two: 2n }), map({ eleven: 11n, twelve: 12n })],
    Empty0: null,
    Empty1: 3n,
    Empty2: 'empty2',
    Empty3: ints(7, 8),
    Empty4: U('UinEmpty'),
    Str: stringer('foozle'),
    Err: stringer('erroozle'),
    PI: 23n,
    PS: 'a string',
    PSI: ints(21, 22, 23),
    NIL: null,
    FloatZero: 0,
    NonEmptyInterface: new GoObject('*template.T', {
      fields: { X: 'x' },
      methods: { Method0: () => 'M0', Method1: method1 },
    }),
    NonEmptyInterfacePtS: ['a', 'b'],
  },
  methods: {
    Method0: () => 'M0',
    Method1: method1,
    Method2: (one, other) => `Method2: ${formatValue(one ?? null)} ${formatValue(other ?? null)}`,
    Method3: (value) => `Method3: ${formatValue(value ?? null)}`,
    Copy: () => tVal,
    MAdd: (count, values) => (values as readonly bigint[]).map((each) => each + (count as bigint)),
    GetU: () => U('v'),
    MyError: (fails) => {
      if (fails === true) throw new FunctionError('my error');
      return false;
    },
  },
});

const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  add: (...values) => (values as bigint[]).reduce((sum, each) => sum + each, 0n),
  echo: (value) => value ?? null,
  makemap: (...values) =>
    map(
      Object.fromEntries(
        Array.from({ length: values.length / 2 }, (_, index) => [
          text(values[2 * index]),
          values[2 * index + 1] ?? null,
        ]),
      ),
    ),
  mapOfThree: () => map({ three: 3n }),
  oneArg: (value) => `oneArg=${text(value)}`,
  returnInt: () => 7n,
  stringer: (value) => formatValue(value ?? null),
  twoArgs: (one, other) => `twoArgs=${text(one)}${text(other)}`,
  typeOf: (value) => typeOf(value ?? null),
  zeroArgs: () => 'zeroArgs',
  valueString: (value) => `value is ignored${text(value).slice(0, 0)}`,
  vfunc: () => 'vfunc',
  die: () => {
    throw new FunctionError('die!');
  },
};

const DATA: Readonly<Record<string, Value>> = {
  nil: null,
  tVal,
  true: true,
  '"x"': 'x',
  '"hello"': 'hello',
  '[]int{}': [],
  '[]int{-1, -2, -3}': ints(-1, -2, -3),
  'map[string]int{"two": 22}': map({ two: 22n }),
};

/** `{"name", "template", "output", data, ok},`, also over several lines; strings may be joined. */
const ROW = /^\t\{("(?:[^"\\]|\\.)*"),\s*([^\n]*?(?:\n\t\t[^\n]*?)*),\s*(true|false)\},$/gm;
const STRING = String.raw`(?:"(?:[^"\\]|\\.)*"|\x60[^\x60]*\x60)`;
const PARTS = new RegExp(String.raw`^(${STRING}),\s*(${STRING}),\s*(.+)$`, 's');

function vectors(): Vector[] {
  const table = source.slice(source.indexOf('var execTests'), source.indexOf('func zeroArgs'));
  const seen = new Map<string, number>();
  return [...table.matchAll(ROW)].flatMap(([, quoted = '', rest = '', ok]): Vector[] => {
    const [, template, output, data = ''] = PARTS.exec(rest) ?? [];
    if (template === undefined || output === undefined) return [];
    const number = /^-?\d+$/.test(data) ? BigInt(data) : /^\d+\.\d+$/.test(data) ? Number(data) : undefined;
    const value = number ?? DATA[data];
    if (value === undefined) return [];
    const base = literal(quoted);
    const count = (seen.get(base) ?? 0) + 1;
    seen.set(base, count);
    const vector = { template: literal(template), output: literal(output), value, ok: ok === 'true' };
    return [{ name: count === 1 ? base : `${base} (${count})`, check: () => check(vector) }];
  });
}

const literal = (text: string): string =>
  text.startsWith('`')
    ? text.slice(1, -1)
    : (JSON.parse(text.replace(/\\'/g, "'").replace(/\\x/g, '\\u00')) as string);

interface Row {
  readonly template: string;
  readonly output: string;
  readonly value: Value;
  readonly ok: boolean;
}

function check({ template, output, value, ok }: Row): void {
  const functions = new Map<string, TemplateFunction>([
    ...Object.entries(BUILTIN),
    ...Object.entries(FUNCTIONS),
  ]);
  const run = (): string => {
    const names = new Set([...functions.keys(), 'and', 'or']);
    const templates = parseTemplate(template, 'test', names);
    return execute('test', value, { templates, functions, budget: new Budget() }).text;
  };
  if (ok) expect(run()).toBe(output);
  else expect(run).toThrow();
}

const rows = vectors();
testVectors('text/template', rows, {
  ...because('complex numbers are no values of a chart', [
    'ideal complex',
    'if 1.5i',
    'if 0.0i',
    'with 1.5i',
    'with 0.0i',
    'printf complex',
    'printf lots',
    'bug16j',
  ]),
  ...because('functions are no values of a chart', [
    '.NilOKFunc not nil',
    '.NilOKFunc nil',
    '.BinaryFunc',
    '.VariadicFunc0',
    '.VariadicFunc2',
    '.VariadicFuncInt',
    'if .BinaryFunc call',
    'if not .BinaryFunc call',
    '.ErrFunc',
    'pipeline func',
    'nil pipeline',
    'nil call arg',
  ]),
  ...because('YAML has no pointers, arrays, channels, capacities, nor maps of a type', [
    'NIL',
    'method on typed nil interface value',
    'if on typed nil interface value',
    'with on typed nil interface value',
    'html typed nil',
    'map[NO]',
    'map[``]',
    'map MI64S',
    'map MI32S',
    'map MUI64S',
    'map MI8S',
    'map MUI8S',
    'len(s) < indexes < cap(s)',
    'len(s) < indexes < cap(s) (2)',
    'array[:]',
    'array[1:]',
    'array[1:2]',
    'range count',
    'range nil count',
  ]),
});

function because(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]));
}
