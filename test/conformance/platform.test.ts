/** The tables of containerd/platforms' own tests, driven through our parser and matcher. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  formatPlatform,
  matchesPlatform,
  normalizePlatform,
  parsePlatform,
  type Platform,
} from '../../src/oci/platform.ts';
import { servingPlatforms } from '../../src/oci/platform-choice.ts';
import { debianPackage } from './debian-data.ts';
import { goFunction, goRows, goText, type GoValue } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(
  await debianPackage('golang-github-containerd-platforms-dev', 'trixie'),
  'usr/share/gocode/src/github.com/containerd/platforms',
);
const [parseTests, compareTests] = await Promise.all(
  ['platforms_test.go', 'compare_test.go'].map((name) => readFile(join(folder, name), 'utf8')),
);

/** What their tests take from the machine they run on. */
const HOST: Platform = { os: 'linux', architecture: 'amd64' };
const names = { defaultOS: HOST.os, defaultArch: HOST.architecture, defaultVariant: '' };
const TABLE = /range \[\]struct \{[^}]*\}(?=\{)/;

type Row = Readonly<Record<string, GoValue>>;
const rowsOf = (source: string | undefined, name: string): Row[] =>
  goRows(goFunction(source!, name), TABLE, { names });

/** Go's struct: what is not named is empty. */
function platformOf(value: GoValue | undefined): Platform {
  const { OS, Architecture, Variant, OSVersion } = value as Readonly<Record<string, string>>;
  return {
    os: OS ?? '',
    architecture: Architecture ?? '',
    ...(Variant === undefined || Variant === '' ? {} : { variant: Variant }),
    ...(OSVersion === undefined || OSVersion === '' ? {} : { 'os.version': OSVersion }),
  };
}

const inputOf = (row: Row): string => goText(row['input']);
const refuses = (text: string): void =>
  expect(() => parsePlatform(text, HOST)).toThrow(expect.objectContaining({ code: 'PLATFORM_INVALID' }));

const vectors: Vector[] = [
  ...rowsOf(parseTests, 'TestParseSelector').flatMap((row): Vector[] => {
    const input = inputOf(row);
    const parse = (): Platform => parsePlatform(input, HOST);
    // Rows about wildcards are skipped by their own tests: wildcards are refused, by them and by us.
    if (row['skip'] === true) return [{ name: `parse ${input}`, check: () => refuses(input) }];
    const matches = Array.isArray(row['matches']) ? row['matches'] : [];
    return [
      { name: `parse ${input}`, check: () => expect(parse()).toEqual(platformOf(row['expected'])) },
      {
        name: `parse ${input}, normalised`,
        check: () => expect(parse()).toEqual(normalizePlatform(platformOf(row['expected']))),
      },
      { name: `format ${input}`, check: () => expect(formatPlatform(parse())).toBe(row['formatted']) },
      {
        name: `parse the format of ${input}`,
        check: () => expect(parsePlatform(goText(row['formatted']), HOST)).toEqual(parse()),
      },
      ...[row['expected'], ...matches].map(platformOf).map((have) => ({
        name: `${input} matches ${JSON.stringify(Object.values(have))}`,
        check: () => expect(matchesPlatform(parse(), have)).toBe(true),
      })),
    ];
  }),
  ...rowsOf(parseTests, 'TestParseSelectorInvalid').map((row) => ({
    name: `refuse ${JSON.stringify(inputOf(row))}`,
    check: () => refuses(inputOf(row)),
  })),
  ...rowsOf(compareTests, 'TestOnly').flatMap((row) =>
    Object.entries(row['matches'] as Readonly<Record<string, string[]>>).flatMap(([expected, haves]) =>
      haves.map((have) => ({
        name: `${goText(row['platform'])} ${expected === 'true' ? 'is served' : 'is not served'} by ${have}`,
        check: () => {
          const serving = servingPlatforms(parsePlatform(goText(row['platform'])));
          expect(serving.some((each) => matchesPlatform(each, parsePlatform(have)))).toBe(
            expected === 'true',
          );
        },
      })),
    ),
  ),
  ...rowsOf(compareTests, 'TestOnlyStrict').flatMap((row) =>
    Object.entries(row['matches'] as Readonly<Record<string, string[]>>).flatMap(([expected, haves]) =>
      haves.map((have) => ({
        name: `${goText(row['platform'])} ${expected === 'true' ? 'matches' : 'does not match'} ${have}`,
        check: () =>
          expect(matchesPlatform(parsePlatform(goText(row['platform'])), parsePlatform(have))).toBe(
            expected === 'true',
          ),
      })),
    ),
  ),
];

const NORMALISED_AT_ONCE = 'ours normalises when it parses, theirs when it compares: see the next vector';
testVectors('containerd/platforms', vectors, {
  'parse linux/arm64/v8': NORMALISED_AT_ONCE,
  'parse linux/arm': NORMALISED_AT_ONCE,
  'parse arm': NORMALISED_AT_ONCE,
  'parse armhf': NORMALISED_AT_ONCE,
  'format linux/arm64/v8': NORMALISED_AT_ONCE,
  'format linux/arm': NORMALISED_AT_ONCE,
  'format arm': NORMALISED_AT_ONCE,
  'format armhf': NORMALISED_AT_ONCE,
  'windows(10.0.17763)/amd64 matches windows/amd64': 'an os version that is asked for must be there',
});
