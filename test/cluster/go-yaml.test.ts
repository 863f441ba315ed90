/**
 * YAML as Go programs write it. The texts of the fixture are what libyaml's emitter made of the same values (width 80,
 * double quotes where yaml.v2 would read something else than a string).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { formatGoYaml, type YamlValue } from '../../src/cluster/go-yaml.ts';

interface Case {
  readonly name: string;
  readonly value: YamlValue;
  readonly text: string;
}

const FIXTURE = join(import.meta.dirname, '../../fixtures/clusters/go-yaml.json');
const CASES = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Case[];

it.each(CASES)('$name', ({ value, text }) => {
  expect(formatGoYaml(value)).toBe(text);
});

it('keys are sorted, numbers in them by value, letters last', () => {
  const value = { b: 1, a10: 2, a2: 3, 'a-b': 4, ab: 5, '1': 6 };
  expect(formatGoYaml(value)).toBe('"1": 6\na-b: 4\na2: 3\na10: 2\nab: 5\nb: 1\n');
});

it('fields without a value are left out', () => {
  expect(formatGoYaml({ a: undefined, b: null })).toBe('b: null\n');
});
