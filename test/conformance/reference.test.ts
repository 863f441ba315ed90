/** The tables of distribution/reference's own tests, driven through our parser. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
  type Reference,
} from '../../src/oci/reference.ts';
import { debianPackage } from './debian-data.ts';
import { goFunction, goRows, goTable, goText, type GoValue } from './go-literal.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(
  await debianPackage('golang-github-distribution-reference-dev', 'trixie'),
  'usr/share/gocode/src/github.com/distribution/reference',
);
const [parseTests, normalizeTests, regexpTests] = await Promise.all(
  ['reference_test.go', 'normalize_test.go', 'regexp_test.go'].map((name) =>
    readFile(join(folder, name), 'utf8'),
  ),
);

type Row = Readonly<Record<string, GoValue>>;
const TABLE = /tests := \[\](?:struct \{[^}]*\}|\w+)(?=\{)/;
const rowsOf = (source: string | undefined, name: string): Row[] => goRows(goFunction(source!, name), TABLE);
const textOf = (row: Row, key: string): string => goText(row[key] ?? '');

/** What an unnormalised repository name is with Docker Hub's defaults: our parser knows no other kind. */
function normalized(repository: string): string {
  const [first = '', ...rest] = repository.split('/');
  const hub = /^(?:index\.)?docker\.io$/.test(first) && rest.length > 0;
  const name = hub ? rest.join('/') : repository;
  const isHost = !hub && rest.length > 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  if (isHost) return repository;
  return `docker.io/${name.includes('/') ? '' : 'library/'}${name}`;
}

const nameOf = ({ domain, path }: Reference): string => `${domain}/${path}`;
const refuses = (text: string): void =>
  expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'REFERENCE_INVALID' }));

function parses(row: Row, repository: string): void {
  const reference = parseReference(textOf(row, 'input'));
  expect(nameOf(reference)).toBe(normalized(repository));
  expect(reference.tag ?? '').toBe(textOf(row, 'tag'));
  expect(reference.digest ?? '').toBe(textOf(row, 'digest'));
}

const label = (name: string, text: string): string => `${name} ${JSON.stringify(text.slice(0, 100))}`;

const parseRows: Vector[] = [
  ...rowsOf(parseTests, 'TestReferenceParse').map((row) => ({
    name: label('parse', textOf(row, 'input')),
    check: () =>
      row['err'] === undefined ? parses(row, textOf(row, 'repository')) : refuses(textOf(row, 'input')),
  })),
  ...rowsOf(parseTests, 'TestWithNameFailure').map((row) => ({
    name: label('no name', textOf(row, 'input')),
    check: () => {
      // A name alone: what has a tag or digest is a reference, but not a name.
      const text = textOf(row, 'input');
      if (text.includes(':tag')) expect(parseReference(text).tag).toBe('tag');
      else refuses(text);
    },
  })),
  ...rowsOf(parseTests, 'TestSplitHostname').map((row) => ({
    name: label('split', textOf(row, 'input')),
    check: () =>
      parses(row, [textOf(row, 'domain'), textOf(row, 'name')].filter((part) => part !== '').join('/')),
  })),
  ...rowsOf(parseTests, 'TestSerialization').map((row) => ({
    name: label('serialization', textOf(row, 'description')),
    check: () =>
      row['err'] === undefined ? parses(row, textOf(row, 'name')) : refuses(textOf(row, 'input')),
  })),
  ...['TestWithTag', 'TestWithDigest'].flatMap((name) =>
    rowsOf(parseTests, name).map((row) => ({
      name: label(name, textOf(row, 'combined')),
      check: () => {
        const [tag, digest] = [textOf(row, 'tag'), textOf(row, 'digest')];
        const combined = formatReference({
          ...parseReference(textOf(row, 'name')),
          ...(tag === '' ? {} : { tag }),
          ...(digest === '' ? {} : { digest: digest as Digest }),
        });
        expect(combined).toBe(formatReference(parseReference(textOf(row, 'combined'))));
        expect(combined.endsWith(textOf(row, 'combined'))).toBe(true);
      },
    })),
  ),
  ...rowsOf(parseTests, 'TestParseNamed').map((row) => ({
    name: label('canonical', textOf(row, 'input')),
    check: () => {
      const text = textOf(row, 'input');
      if (row['err'] === undefined) {
        expect(nameOf(parseReference(text))).toBe(`${textOf(row, 'domain')}/${textOf(row, 'name')}`);
        expect(formatReference(parseReference(text))).toBe(text);
      } else {
        let canonical = false;
        try {
          canonical = formatReference(parseReference(text)) === text;
        } catch {
          // refused altogether
        }
        expect(canonical).toBe(false);
      }
    },
  })),
];

const listOf = (functionName: string, variable: string): string[] =>
  goTable(goFunction(normalizeTests!, functionName), new RegExp(`${variable} := \\[\\]string(?=\\{)`)).map(
    String,
  );

const normalizeRows: Vector[] = [
  ...[
    ...listOf('TestValidateReferenceName', 'validRepoNames'),
    ...listOf('TestValidateRemoteName', 'validRepositoryNames'),
  ].map((text) => ({
    name: label('valid', text),
    check: () => expect(parseReference(text).path).not.toBe(''),
  })),
  ...[
    ...listOf('TestValidateReferenceName', 'invalidRepoNames'),
    ...listOf('TestValidateRemoteName', 'invalidRepositoryNames'),
  ].map((text) => ({ name: label('invalid', text), check: () => refuses(text) })),
  ...rowsOf(normalizeTests, 'TestParseRepositoryInfo').flatMap((row) =>
    ['FamiliarName', 'FullName', 'AmbiguousName']
      .map((key) => textOf(row, key))
      .filter((text) => text !== '')
      .map((text) => ({
        name: label(`of ${textOf(row, 'FullName')}`, text),
        check: () => {
          const reference = parseReference(text);
          expect(familiarReference(reference)).toBe(textOf(row, 'FamiliarName'));
          expect(formatReference(reference)).toBe(textOf(row, 'FullName'));
          expect([reference.domain, reference.path]).toEqual([
            textOf(row, 'Domain'),
            textOf(row, 'RemoteName'),
          ]);
        },
      })),
  ),
  ...rowsOf(normalizeTests, 'TestParseAnyReference').map((row) => ({
    name: label('any', textOf(row, 'Reference')),
    check: () =>
      expect(formatReference(parseReference(textOf(row, 'Reference')))).toBe(textOf(row, 'Equivalent')),
  })),
  ...rowsOf(normalizeTests, 'TestNormalizedSplitHostname').map((row) => ({
    name: label('normalized', textOf(row, 'input')),
    check: () =>
      expect(parseReference(textOf(row, 'input'))).toEqual({
        domain: textOf(row, 'domain'),
        path: textOf(row, 'name'),
      }),
  })),
  ...rowsOf(normalizeTests, 'TestParseDockerRef').map((row) => ({
    name: label('default tag', textOf(row, 'name')),
    check: () =>
      expect(formatReference(withDefaultTag(parseReference(textOf(row, 'input'))))).toBe(
        textOf(row, 'expected'),
      ),
  })),
];

const subsOf = (row: Row): string[] => (Array.isArray(row['subs']) ? row['subs'].map(goText) : []);

const regexpRows: Vector[] = [
  ...rowsOf(regexpTests, 'TestDomainRegexp').map((row) => ({
    name: label('domain', textOf(row, 'input')),
    check: () => {
      const text = textOf(row, 'input');
      if (row['match'] === true) expect(nameOf(parseReference(`${text}/x`))).toBe(normalized(`${text}/x`));
      else refuses(`${text}/x`);
    },
  })),
  ...rowsOf(regexpTests, 'TestFullNameRegexp').map((row) => ({
    name: label('name', textOf(row, 'input')),
    check: () => {
      const text = textOf(row, 'input');
      const repository = subsOf(row)
        .filter((part) => part !== '')
        .join('/');
      if (row['match'] !== true) refuses(text);
      else if (repository === '') expect(nameOf(parseReference(text))).toBe(normalized(text));
      else expect(nameOf(parseReference(text))).toBe(normalized(repository));
    },
  })),
  ...rowsOf(regexpTests, 'TestReferenceRegexp').map((row) => ({
    name: label('reference', textOf(row, 'input')),
    check: () => {
      const [repository = '', tag = '', digest = ''] = subsOf(row);
      if (row['match'] === true) parses({ input: textOf(row, 'input'), tag, digest }, repository);
      else refuses(textOf(row, 'input'));
    },
  })),
  ...rowsOf(regexpTests, 'TestIdentifierRegexp').map((row) => ({
    name: label('identifier', textOf(row, 'input')),
    check: () => {
      // What looks like an image id is refused as a name; the others are names, or wrong for another reason.
      if (row['match'] === true) refuses(textOf(row, 'input'));
      else if (/^[a-z0-9]+$/.test(textOf(row, 'input'))) parses(row, textOf(row, 'input'));
    },
  })),
];

const SHORT_DIGEST = 'sha256:1234567890098765432112345667890098765';
const IMAGE_ID = 'dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c';

testVectors('distribution/reference', [...parseRows, ...normalizeRows, ...regexpRows], {
  ...Object.fromEntries(
    [
      ['TestWithTag', 'test.com:8000/foo:TAG5'],
      ['TestWithDigest', 'test.com/foo'],
      ['TestWithDigest', 'foo'],
      ['TestWithDigest', 'test.com:8000/foo'],
      ['TestWithDigest', 'test.com:8000/foo:latest'],
    ].map(([name = '', text = '']) => [
      label(name, `${text}@${SHORT_DIGEST}`),
      'a digest of 37 digits, which their own Parse refuses as well',
    ]),
  ),
  [label('any', IMAGE_ID)]: 'an image id is looked up in the store, it is not a reference',
  [label('any', `sha256:${IMAGE_ID}`)]: 'a digest is looked up in the store, it is not a reference',
  [label('default tag', 'both tag and digest')]:
    'the tag is kept for messages and annotations; the digest decides',
  [label('name', 'a/'.repeat(128) + 'a')]:
    'their pattern alone has no limit, their Parse has the same one as ours',
  [label('name', 'foo_bar.com:8080')]: 'a name and a tag: the row is about a pattern for names alone',
});
