/** `.helmignore`, by Helm's rules. */
import { describe, expect, it } from 'vitest';
import { ChartError } from '../../src/cluster/helm/chart-error.ts';
import { withoutIgnored } from '../../src/cluster/helm/chart-ignore.ts';

const PATHS = [
  'Chart.yaml',
  'values.yaml',
  'templates/web.yaml',
  'templates/.web.yaml.swp',
  'templates/tests/job.yaml',
  'ci/values.yaml',
  'ci/deep/notes.txt',
  'notes.txt',
  'charts/db/Chart.yaml',
  'charts/db/ci/values.yaml',
];

/** What is left out of these paths, besides the file itself and the hidden template, which always is. */
function ignored(text: string, paths: readonly string[] = PATHS): string[] {
  const contents = new Map([['.helmignore', text], ...paths.map((path) => [path, path] as const)] as [
    string,
    string,
  ][]);
  const left = withoutIgnored(
    new Map([...contents].map(([path, content]) => [path, Buffer.from(content)])),
    'charts/web',
  );
  return paths.filter((path) => !left.has(path) && path !== 'templates/.web.yaml.swp');
}

describe('.helmignore', () => {
  it('leaves hidden templates out even when there is none', () => {
    const contents = new Map(PATHS.map((path) => [path, Buffer.from(path)]));
    const left = withoutIgnored(contents, 'charts/web');
    expect(PATHS.filter((path) => !left.has(path))).toEqual(['templates/.web.yaml.swp']);
  });

  it.each([
    ['# a comment\n\n  \n', []],
    ['notes.txt', ['ci/deep/notes.txt', 'notes.txt']],
    ['/notes.txt\r\n', ['notes.txt']],
    ['\ufeffnotes.tx?', ['ci/deep/notes.txt', 'notes.txt']],
    ['ci', ['ci/values.yaml', 'ci/deep/notes.txt', 'charts/db/ci/values.yaml']],
    ['/ci/', ['ci/values.yaml', 'ci/deep/notes.txt']],
    ['values.yaml/', []],
    ['ci/*.yaml', ['ci/values.yaml']],
    ['ci/deep', ['ci/deep/notes.txt']],
    ['templates/[s-u]*s', ['templates/tests/job.yaml']],
  ])('%j leaves out %j', (text, expected) => {
    expect(ignored(text)).toEqual(expected);
  });

  it('leaves out what a pattern with ! does not match, as Helm does', () => {
    expect(ignored('!*.yaml', ['Chart.yaml', 'notes.txt', 'ci/values.yaml'])).toEqual([
      'notes.txt',
      'ci/values.yaml', // its folder is not called so
    ]);
    expect(ignored('!Chart.yaml/', ['Chart.yaml'])).toEqual(['Chart.yaml']);
  });

  it.each(['**/x', 'a[', '!b\\'])('says where %j is no pattern', (pattern) => {
    expect(() => ignored(`# first\n${pattern}\n`)).toThrow(ChartError);
    expect(() => ignored(`# first\n${pattern}\n`)).toThrow(
      expect.objectContaining({ file: 'charts/web/.helmignore', line: 2 }),
    );
  });
});
