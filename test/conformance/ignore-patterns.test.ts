/** moby's patternmatcher: its rows of single patterns, of several, of Go's filepath.Match, and of bad patterns. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { goFilepathMatch } from '../../src/kubefile/file-match.ts';
import { compileIgnore } from '../../src/kubefile/ignore.ts';
import { debianPackage } from './debian-data.ts';
import { goFunction, GoName, goTable, goText, type GoValue } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const source = await readFile(
  join(
    await debianPackage('golang-github-moby-patternmatcher-dev', 'bookworm'),
    'usr/share/gocode/src/github.com/moby/patternmatcher/patternmatcher_test.go',
  ),
  'utf8',
);
const bad = expect.objectContaining({ code: 'IGNORE_PATTERN' }) as Error;
const body = goFunction(source, 'TestMatches');

function excludes(
  patterns: GoValue | undefined,
  text: GoValue | undefined,
  pass: GoValue | undefined,
): Vector {
  const list = (Array.isArray(patterns) ? patterns : [patterns]).map(goText);
  return {
    name: `${JSON.stringify(list)} ${goText(text)}`,
    check: () => expect(compileIgnore(list).excludes(goText(text))).toBe(pass),
  };
}

const rowsAt = (marker: RegExp, text = body): GoValue[][] => goTable(text, marker) as GoValue[][];
const singleRows = [
  ...rowsAt(/tests := \[\]matchesTestCase(?=\{)/),
  ...rowsAt(/append\(tests, \[\]matchesTestCase(?=\{)/),
].map(([pattern, text, pass]) => excludes(pattern, text, pass));
const multiRows = rowsAt(/multiPatternTests := \[\]multiPatternTestCase(?=\{)/).map(
  ([patterns, text, pass]) => excludes(patterns, text, pass),
);

/** The rows are Go's own for `filepath.Match`, but for the one that moby changed because it also matches parents. */
const fileRows = rowsAt(/var matchTests = \[\]matchTest(?=\{)/, source).flatMap((row): Vector[] => {
  const [pattern = '', text = '', match, error] = row;
  const name = `${goText(pattern)} on ${goText(text)}`;
  const vector = (what: string, run: () => boolean): Vector => ({
    name: `${what} ${name}`,
    check: () => {
      if (error instanceof GoName) expect(run).toThrow(bad);
      else expect(run()).toBe(match);
    },
  });
  const ignore = vector('ignore', () => compileIgnore([goText(pattern)]).excludes(goText(text)));
  const file = vector('filepath', () => goFilepathMatch(goText(pattern), goText(text)));
  return name === 'a* on ab/c' ? [ignore] : [ignore, file];
});

/** One-line functions: `Matches(text, []string{patterns})`, and what is expected of it. */
const smallRows = Array.from(
  source.matchAll(
    /^func (Test\w+)\([^)]*\) \{\n\t\w+, (?:_|err) :?= (?:Matches\("([^"]*)", |New\()\[\]string(\{[^}]*\})\)\n([^]*?)\n\}/gm,
  ),
  ([, name = '', text, patterns = '', rest = '']): Vector => ({
    name,
    check: () => {
      const run = (): boolean => compileIgnore(goTable(patterns, /^/).map(goText)).excludes(text ?? 'x');
      if (/err == nil/.test(rest)) expect(run).toThrow(bad);
      else expect(run()).toBe(/if !match \{/.test(rest));
    },
  }),
);

testVectors('ignore patterns', [...singleRows, ...multiRows, ...fileRows, ...smallRows], {});
