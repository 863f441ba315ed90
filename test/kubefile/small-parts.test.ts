import { describe, expect, it } from 'vitest';
import { LineError, splitCommandLine } from '../../src/kubefile/command-line.ts';
import { readDirectives } from '../../src/kubefile/directives.ts';
import { dumpAst } from '../../src/kubefile/dump.ts';
import { mountOption, mountOptions } from '../../src/kubefile/mount-option.ts';
import { readSource } from '../../src/kubefile/source-text.ts';
import { didYouMean } from '../../src/kubefile/suggest.ts';
import { splitPairs, splitQuoted } from '../../src/kubefile/words.ts';

describe('did you mean', () => {
  const KNOWN = ['COPY', 'ADD', 'RUN', 'ENTRYPOINT', 'WORKDIR', 'HEALTHCHECK'];
  it.each([
    ['CPOY', 'COPY'],
    ['copy', 'COPY'],
    ['RUNN', 'RUN'],
    ['UN', 'RUN'],
    ['HEALTH', 'HEALTHCHECK'],
    ['ENTRYPIONT', 'ENTRYPOINT'],
    ['HELTHCHEK', 'HEALTHCHECK'],
  ])('%s: %s', (word, expected) => expect(didYouMean(word, KNOWN)).toBe(`did you mean ${expected}?`));
  it.each(['', 'X', 'TELEPORT', 'FOO', 'x'.repeat(60_000)])('%.10s: nothing', (word) => {
    expect(didYouMean(word, KNOWN)).toBeUndefined();
  });
});

describe('command lines', () => {
  it.each<[string, string, string[], string]>([
    ['RUN a  b', 'RUN', [], 'a  b'],
    ['RUN', 'RUN', [], ''],
    ['  RUN\t\v a ', 'RUN', [], 'a'],
    ['RUN --a --b=c d --e', 'RUN', ['--a', '--b=c'], 'd --e'],
    ['RUN -- --a', 'RUN', [], '--a'],
    ['RUN --a -- --b', 'RUN', ['--a'], '--b'],
    ['RUN --a="b c"\'d e\'f x', 'RUN', ['--a=b cd ef'], 'x'],
    ['RUN --a=b\\ c\\" x', 'RUN', ['--a=b c"'], 'x'],
    ['RUN --a=한국 x', 'RUN', ['--a=한국'], 'x'],
    ['RUN -a --b', 'RUN', [], '-a --b'],
    ['RUN --a\\', 'RUN', ['--a'], ''],
    ['RUN\u00a0x y', 'RUN\u00a0x', [], 'y'],
  ])('%j', (...row) => {
    const [line, keyword, flags, rest] = row;
    const command = splitCommandLine(line);
    expect([command.keyword.text, command.flags.map(({ text }) => text), command.rest.text]).toEqual([
      keyword,
      flags,
      rest,
    ]);
    expect(line.startsWith(keyword, command.keyword.offset)).toBe(true);
    expect(line.startsWith(rest, command.rest.offset)).toBe(true);
    for (const { offset } of command.flags) expect(line.startsWith('--', offset)).toBe(true);
  });

  it('refuse a flag whose quote is open', () => {
    expect(() => splitCommandLine('RUN --a="b c')).toThrow(LineError);
  });
});

describe('names and values', () => {
  const texts = (text: string, escape = '\\'): string[] =>
    splitQuoted({ text, offset: 0 }, escape).map((word) => word.text);
  const pairs = (text: string): unknown => splitPairs({ text, offset: 4 }, { command: 'ENV', escape: '\\' });

  it.each<[string, string[]]>([
    ['a b', ['a', 'b']],
    ['"a b"c \'d "e\'', ['"a b"c', `'d "e'`]],
    ['a\\ b c\\"d e', ['a\\ b', 'c\\"d', 'e']],
    [`'a\\' b`, [`'a\\'`, 'b']],
    ['"a b', ['"a b']],
    ['a\\', ['a']],
    ['a \\', ['a']],
    ['"a\\', ['"a']],
    ['"" x', ['""', 'x']],
    ['\\🚀 x', ['\\🚀', 'x']],
  ])('%j has the words %j', (text, expected) => expect(texts(text)).toEqual(expected));

  it('escape with the character of the file', () => expect(texts('a` b\\ c', '`')).toEqual(['a` b\\', 'c']));

  it('know where they stand and which form it is', () => {
    expect(pairs('a=1  "b c"=d')).toEqual([
      { key: 'a', value: '1', offset: 4, legacy: false },
      { key: '"b c"', value: 'd', offset: 9, legacy: false },
    ]);
    expect(pairs('a  "b"  c=d')).toEqual([{ key: 'a', value: '"b"  c=d', offset: 4, legacy: true }]);
  });

  it.each(['a', '"a"', 'a=1 b'])('%j is refused', (text) => expect(() => pairs(text)).toThrow(LineError));
});

describe('directives', () => {
  const read = (text: string): unknown => readDirectives(readSource(text, 'Kubefile'));
  it.each<[string, object]>([
    ['', { escape: '\\' }],
    ['FROM a', { escape: '\\' }],
    ['# escape=`', { escape: '`' }],
    ['  #ESCAPE \t=  `  ', { escape: '`' }],
    ['#escape=\\', { escape: '\\' }],
    ['# escape=', { escape: '\\' }],
    ['#\n# escape=`', { escape: '\\' }],
    ['\n# escape=`', { escape: '\\' }],
    ['# other=1\n# escape=`', { escape: '\\' }],
    ['FROM a\n# escape=`', { escape: '\\' }],
    ['# syntax=a/b:1 c\n# check=skip=all\n# escape=`', { escape: '`', syntax: 'a/b:1 c', check: 'skip=all' }],
  ])('%j', (text, expected) => expect(read(text)).toEqual(expected));

  it.each([
    ['# escape=x', 10],
    ['# escape=``', 10],
    ['# escape=` # why', 10],
  ])('%j is refused at column %d', (text, column) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        code: 'KUBEFILE_SYNTAX',
        location: { file: 'Kubefile', line: 1, column, sourceLine: text },
      }),
    );
  });
});

describe('mount options', () => {
  it.each<[string, object[]]>([
    [
      'type=bind,from=x,readonly',
      [
        { name: 'type', value: 'bind' },
        { name: 'from', value: 'x' },
        { name: 'readonly', value: undefined },
      ],
    ],
    [
      '"target=/a,b",Type=tmpfs',
      [
        { name: 'target', value: '/a,b' },
        { name: 'type', value: 'tmpfs' },
      ],
    ],
    ['"a=""b"""', [{ name: 'a', value: '"b"' }]],
    [
      'a=b=c,',
      [
        { name: 'a', value: 'b=c' },
        { name: '', value: undefined },
      ],
    ],
  ])('%j', (mount, expected) => expect(mountOptions(mount)).toEqual(expected));

  it('are looked up by name, the last one wins', () => {
    expect(mountOption('from=a,from=b', 'from')).toBe('b');
    expect(mountOption('source=a', 'from')).toBeUndefined();
  });
});

describe('syntax trees', () => {
  it.each([
    ['FROM a AS b', '(from "a" "AS" "b")'],
    ['RUN --x="y z" a  b', '(run ["--x=y z"] "a  b")'],
    ['ENV a b\nENV c=d e=', '(env "a" "b")\n(env "c" "d" "e" "")'],
    ['HEALTHCHECK CMD ["a"]', '(healthcheck "CMD" "a")'],
    ['ONBUILD RUN ["a"]', '(onbuild (run "a"))'],
    ['CMD', '(cmd)'],
    ['CMD ["\\u0007\\u0001é\\u200b\\ud83d\\ude80\\""]', '(cmd "\\a\\x01é\\u200b🚀\\"")'],
    ['WHAT is this', '(what "")'],
  ])('%j', (text, expected) => expect(dumpAst(text)).toBe(expected));
});
