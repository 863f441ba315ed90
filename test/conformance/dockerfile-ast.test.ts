/** BuildKit's parser corpus: each file's syntax tree, the files that have none, JSON forms, here-documents, lines. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { LineError } from '../../src/kubefile/command-line.ts';
import { dumpAst } from '../../src/kubefile/dump.ts';
import { parseJsonForm } from '../../src/kubefile/json-form.ts';
import { positionAt, readLogicalLines } from '../../src/kubefile/logical-lines.ts';
import { readSource } from '../../src/kubefile/source-text.ts';
import { debianSource } from './debian-data.ts';
import { goTable, goText, type GoValue } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const corpus = join(await debianSource('docker.io', 'trixie'), 'orig-buildkit/frontend/dockerfile/parser');
const read = (...parts: string[]): Promise<string> => readFile(join(corpus, ...parts), 'utf8');

const trees = await Promise.all(
  (await readdir(join(corpus, 'testfiles'))).map(async (name): Promise<Vector> => {
    const text = await read('testfiles', name, 'Dockerfile');
    const expected = await read('testfiles', name, 'result');
    return { name, check: () => expect(dumpAst(text)).toBe(expected.replace(/\n$/, '')) };
  }),
);

const broken = await Promise.all(
  (await readdir(join(corpus, 'testfiles-negative'))).map(async (name): Promise<Vector> => {
    const text = await read('testfiles-negative', name, 'Dockerfile');
    return { name: `refuses ${name}`, check: () => expect(() => dumpAst(text)).toThrow() };
  }),
);

const [jsonTests, heredocTests, lineTests, lineFile] = await Promise.all([
  read('json_test.go'),
  read('parser_heredoc_test.go'),
  read('parser_test.go'),
  read('testfile-line', 'Dockerfile'),
]);

const json = (text: string): string[] | undefined => parseJsonForm({ text, offset: 0 });
const jsonRows = [
  ...Array.from(jsonTests.matchAll(/^\t`([^`]+)`: +(\{.*\}),$/gm), ([, text = '', strings = '']): Vector => ({
    name: `JSON ${text}`,
    check: () => expect(json(text)).toEqual(JSON.parse(strings.replace(/^\{(.*)\}$/, '[$1]'))),
  })),
  ...goTable(jsonTests, /var invalidJSONArraysOfStrings = \[\]string(?=\{)/).map((text): Vector => ({
    name: `JSON refuses ${goText(text)}`,
    check: () => expect(() => json(goText(text))).toThrow(LineError),
  })),
];

const heredocText = /bytes\.NewBufferString\(`([^`]*)`/.exec(heredocTests)?.[1] ?? '';
const heredocLines = [...readLogicalLines(readSource(heredocText, 'Dockerfile'), '\\')].slice(1);
const heredocRows = goTable(heredocTests, /tests := \[\]\[\]Heredoc(?=\{)/).map((row, index): Vector => {
  const expected = ((row ?? []) as Record<string, GoValue>[]).map(
    ({ Name, Content, Expand = false, Chomp = false, FileDescriptor = 0 }) => ({
      name: Name,
      // Theirs is chomped by whoever uses it.
      body: Chomp === true ? goText(Content).replace(/^\t+/gm, '') : Content,
      expand: Expand,
      chomp: Chomp,
      fileDescriptor: FileDescriptor,
    }),
  );
  return {
    name: `here-document ${index + 1}: ${heredocLines[index]?.text ?? ''}`,
    check: () => expect(heredocLines[index]?.heredocs).toEqual(expected),
  };
});

const spans = goTable(lineTests, /expected := \[\]\[\]int(?=\{)/);
const lineRow: Vector = {
  name: 'first and last line of each instruction',
  check: () => {
    const lines = [...readLogicalLines(readSource(lineFile, 'Dockerfile'), '\\')];
    expect(lines.map((line) => [positionAt(line, 0).line, line.end.line])).toEqual(spans);
  },
};

testVectors('Dockerfile syntax trees', [...trees, ...broken], {});
testVectors('Dockerfile JSON, here-documents, lines', [...jsonRows, ...heredocRows, lineRow], {});
