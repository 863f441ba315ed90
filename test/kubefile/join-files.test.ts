/** Several files as one: each is whole by itself. */
import { describe, expect, it } from 'vitest';
import { joinFiles } from '../../src/kubefile/join-files.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';

const join = (first: string, second: string): string =>
  joinFiles([
    { path: 'A', text: first },
    { path: 'B', text: second },
  ]);

describe('several files', () => {
  it.each<[string, string, string, string[]]>([
    ['each with a stage', 'FROM a', 'FROM b\nENV x=1', ['FROM a', 'FROM b', 'ENV x=1']],
    ['the second without', 'FROM a\n', 'ENV x=1\n', ['FROM a', 'ENV x=1']],
    ['a byte order mark in both', '\ufeffFROM a', '\ufeffENV x=1', ['FROM a', 'ENV x=1']],
    [
      'the same escape character in both',
      '# escape=`\nFROM a',
      '# escape=`\nENV x=`\n1',
      ['FROM a', 'ENV x=`\n1'],
    ],
    ['a here-document at the end', 'FROM a\nRUN <<E\nx\nE', 'ENV x=1', ['FROM a', 'RUN <<E', 'ENV x=1']],
    ['a comment at the end', 'FROM a\n# and \\', 'ENV x=1', ['FROM a', 'ENV x=1']],
    ['an empty one', '# nothing', 'FROM a', ['FROM a']],
  ])('are one, %s', (_what, first, second, expected) => {
    const { stages } = parseKubefile(join(first, second), { file: 'A + B', dialect: 'dockerfile' });
    const all = stages.flatMap(({ from, instructions }) => [from, ...instructions]);
    expect(all.map(({ keyword }) => keyword)).toEqual(expected.map((text) => text.split(' ')[0]));
  });

  it.each<[string, string, string, string, number]>([
    ['a directive that is wrong', 'FROM a', '# escape=|\nFROM b', 'B', 1],
    ['a directive that stands twice', 'FROM a', '# escape=`\n# escape=`\nFROM b', 'B', 2],
    ['another escape character', 'FROM a', '# escape=`\nFROM b', 'B', 1],
    ['an escape character of the first alone', '# escape=`\nFROM a', 'FROM b', 'B', 1],
    ['a line that goes on', 'FROM a\nRUN x \\', 'FROM b', 'A', 2],
    ['a line that goes on with nothing', 'FROM a\nRUN x \\\n\n# end\n', 'FROM b', 'A', 2],
    ['a here-document that goes on', 'FROM a\nRUN <<E\nx', 'E\nFROM b', 'A', 2],
  ])('are refused with %s', (_what, first, second, file, line) => {
    expect(() => join(first, second)).toThrow(
      expect.objectContaining({
        code: 'KUBEFILE_SYNTAX',
        location: expect.objectContaining({ file, line }) as unknown,
      }),
    );
  });

  it('may end as one file may: nothing comes behind it', () => {
    expect(join('FROM a', 'RUN x \\')).toBe('FROM a\nRUN x \\');
  });
});
