/**
 * Functions against what Go's text/template with sprig made of the same templates: fixtures/oracle/sprig.json was
 * recorded with Debian's Go 1.19 and sprig 3.2.3 over the data below.
 */
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { Budget } from '../../src/cluster/helm/budget.ts';
import { execute } from '../../src/cluster/helm/evaluate.ts';
import { FUNCTIONS, LANGUAGE } from '../../src/cluster/helm/functions/all.ts';
import { parseTemplate } from '../../src/cluster/helm/parse-template.ts';
import { readValues } from '../../src/cluster/yaml/values.ts';
import { testVectors } from './tally.ts';

interface Row {
  readonly template: string;
  readonly output?: string;
}

const DATA = readValues('{"n":3,"big":1000000,"f":1.5,"s":"x","l":[1,"b"],"m":{"b":1,"a":[true]}}');
const names = new Set([...FUNCTIONS.keys(), ...LANGUAGE]);
const file = new URL('../../fixtures/oracle/sprig.json', import.meta.url);
const rows = JSON.parse(await readFile(file, 'utf8')) as Row[];

function run(template: string): string {
  const templates = parseTemplate(template, 'test', names);
  return execute('test', DATA, { templates, functions: FUNCTIONS, budget: new Budget() }).text;
}

testVectors(
  'sprig',
  rows.map(({ template, output }) => ({
    name: template,
    check: () => {
      if (output === undefined) expect(() => run(template)).toThrow();
      else expect(run(template)).toBe(output);
    },
  })),
  {
    '{{ .big }}': 'the recording read its data as JSON floats; Helm and we keep integers as they are written',
  },
);
