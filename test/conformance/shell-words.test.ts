/** BuildKit's shell lexer: its table of expansions, its table of words, and its rows with matches. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { expandWord, expandWords } from '../../src/kubefile/expand.ts';
import { debianSource } from './debian-data.ts';
import { goFunction, goRows, goText } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(await debianSource('docker.io', 'trixie'), 'orig-buildkit/frontend/dockerfile/shell');
const [expansions, words, tests] = await Promise.all(
  ['envVarTest', 'wordsTest', 'lex_test.go'].map((name) => readFile(join(folder, name), 'utf8')),
);
const escape = '\\';

const ENVIRONMENT = new Map([
  ['PWD', '/home'],
  ['SHELL', 'bash'],
  ['KOREAN', '한국어'],
  ['NULL', ''],
]);

/** `A|word|expected`; tag W is for Windows. */
const expansionRows = (expansions ?? '').split('\n').flatMap((line, index): Vector[] => {
  const [tag = '', source = '', expected = ''] = line.split('|').map((part) => part.trim());
  if (line.startsWith('#') || line.trim() === '' || tag === 'W') return [];
  return [
    {
      name: `expansion ${index + 1}: ${source}`,
      check: () => {
        if (expected === 'error') {
          expect(() => expandWord(source, ENVIRONMENT, { escape })).toThrow(
            expect.objectContaining({ code: 'EXPANSION' }),
          );
        } else {
          expect(expandWord(source, ENVIRONMENT, { escape })).toBe(expected);
        }
      },
    },
  ];
});

/** `ENV name=value` lines hold for what follows. Their second mode reads no line: the first one has used up the file. */
function wordRows(): Vector[] {
  const variables = new Map<string, string>();
  return (words ?? '').split('\n').flatMap((line, index): Vector[] => {
    if (line.startsWith('#') || line === '') return [];
    const [, name, value = ''] = /^ENV +([^=]*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      variables.set(name, value);
      return [];
    }
    const scope = new Map(variables);
    const [source = '', expected = ''] = line.split('|');
    const list = expected.replace(/^ +/, '').split(',');
    return [
      {
        name: `words ${index + 1}: ${source.trim()}`,
        check: () => {
          const run = (): string[] => expandWords(source.trim(), scope, { escape });
          if (list.length === 1 && list[0] === 'error') expect(run).toThrow();
          else expect(run()).toEqual(list);
        },
      },
    ];
  });
}

const matchTable = goFunction(tests ?? '', 'TestProcessWithMatches').replaceAll('struct{}', 'bool');
const matchRows = goRows(matchTable, /tc := \[\]struct \{[^}]*\}(?=\{)/).map((row, index): Vector => ({
  name: `matches ${index + 1}: ${goText(row['input'])}`,
  check: () => {
    const used = new Set<string>();
    const scope = new Map(Object.entries((row['envs'] ?? {}) as Record<string, string>));
    const run = (): string =>
      expandWord(goText(row['input']), scope, { escape, onUsed: (name) => used.add(name) });
    if (row['expectedErr'] === true) {
      expect(run).toThrow(expect.objectContaining({ code: 'EXPANSION' }));
      return;
    }
    expect(run()).toBe(row['expected'] ?? '');
    expect([...used].sort()).toEqual(Object.keys(row['matches'] ?? {}).sort());
  },
}));

testVectors('shell words', [...expansionRows, ...wordRows(), ...matchRows], {});
