import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileIgnore, parseIgnoreFile } from '../../src/kubefile/ignore.ts';
import { compilePathPattern } from '../../src/kubefile/path-pattern.ts';

const refused = (more: object = {}): Error =>
  expect.objectContaining({ code: 'IGNORE_PATTERN', ...more }) as Error;
const excludes = (patterns: string[], path: string): boolean => compileIgnore(patterns).excludes(path);

describe('ignore files', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['\n\n# comment\n  \n', []],
    ['a\nb/\n/c\n./d\n../e\nf//g/../h\n', ['a', 'b', 'c', 'd', '../e', 'f/h']],
    ['  a b  \r\n\tc\r\n', ['a b', 'c']],
    ['!a\n! b\n!/c\n  !d\n', ['!a', '!b', '!c', '!d']],
    [' # indented is a name\n', ['# indented is a name']],
    ['\ufeff# mark\na', ['a']],
    ['/\n.', ['/', '.']],
    ['\\#a', ['\\#a']],
  ])('%j has %j', (text, patterns) => expect(parseIgnoreFile(text)).toEqual(patterns));

  it('name the line of a bad pattern', () => {
    expect(() => parseIgnoreFile('a\n  x[\n', '.dockerignore')).toThrow(
      refused({ location: { file: '.dockerignore', line: 2, column: 3, sourceLine: '  x[' } }),
    );
    expect(() => parseIgnoreFile('!\n', '.dockerignore')).toThrow(
      refused({ message: 'a lone "!" takes nothing back' }),
    );
  });

  it.each(['[', 'a[', '[^', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', 'a\\', '!', ' ! ', '![', 'a/[/b'])(
    'refuse %j',
    (pattern) => {
      expect(() => compileIgnore([pattern])).toThrow(refused());
    },
  );
});

describe('rules', () => {
  it.each<[string[], string, boolean]>([
    [[], 'a', false],
    [['a'], 'a', true],
    [['a'], 'b', false],
    [['a'], 'a/b/c', true],
    [['a'], 'b/a', false],
    [['a/'], 'a', true],
    [['/a'], '/a', true],
    [['*'], '.', false],
    [['**'], 'a/b', true],
    [['*'], 'a/b', true],
    [['*/b'], 'a/b', true],
    [['*/b'], 'b', false],
    [['a', '!a/b'], 'a/b', false],
    [['a', '!a/b'], 'a/c', true],
    [['a', '!a/b'], 'a/b/c', false],
    [['!a/b', 'a'], 'a/b', true],
    [['a', '!a', 'a'], 'a/x', true],
    [['**', '!**/*.md', 'secret.md'], 'docs/x.md', false],
    [['**', '!**/*.md', 'secret.md'], 'secret.md', true],
    [['a*', '!ab'], 'ab/c', false],
    [['*.log', '!keep.log'], 'keep.log', false],
    [['**/x'], 'x', true],
    [['**/x'], 'a/b/x/y', true],
    [['**x'], 'ax', true],
    [['**x*'], 'ax', false],
    [['a/**'], 'a', false],
    [['a/**'], 'a/b', true],
    [['a/**/b'], 'a/b', true],
    [['a/**/b'], 'a/x/y/b', true],
    [['a/**/b'], 'ab', false],
    [['a**b'], 'a/x/b', true],
    [['a**b'], 'axb', false],
    [['?'], '/', false],
    [['[^a]'], 'b', true],
    [['\\*'], '*', true],
    [['\\*'], 'x', false],
    [['🚀?'], '🚀🖖', true],
    [['a+(b)|c$^'], 'a+(b)|c$^', true],
  ])('%j on %j: %j', (patterns, path, expected) => expect(excludes(patterns, path)).toBe(expected));

  it('do not remember paths across matchers, but directories within one', () => {
    const matcher = compileIgnore(['a', '!a/b']);
    expect(['a/b/c', 'a/b/d', 'a/c/d', 'a'].map(matcher.excludes)).toEqual([false, false, true, true]);
  });
});

describe('folders that need not be read', () => {
  it.each<[string[], string, boolean]>([
    [[], 'a', true],
    [['a'], 'b', true],
    [['a'], 'a', false],
    [['a', '!b'], 'a', false],
    [['a', '!a/b'], 'a', true],
    [['a', '!a/b/c'], 'a/b', true],
    [['a', '!a/b/c'], 'a/x', false],
    [['a', '!**/c'], 'a', true],
    [['a', '!*/c'], 'a', true],
    [['a', '!*/c'], 'a/b', false],
    [['a', '!a*'], 'a', true],
    [['*', '!a/[bc]/*.md'], 'a', true],
    [['*', '!a/[bc]/*.md'], 'a/b', true],
    [['*', '!a/[bc]/*.md'], 'a/d', false],
    [['*', '!a/[bc]/*.md'], 'd', false],
  ])('%j: may %s have something: %j', (patterns, directory, expected) => {
    expect(compileIgnore(patterns).mayContainIncluded(directory)).toBe(expected);
  });

  it('are never wrong about a path', () => {
    const component = fc.constantFrom('a', 'b', 'ab', '*', '**', 'a*', '?', '[ab]');
    const pattern = fc
      .tuple(fc.constantFrom('', '!'), fc.array(component, { minLength: 1, maxLength: 3 }))
      .map(([mark, parts]) => mark + parts.join('/'));
    const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'c'), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, parts) => {
        const matcher = compileIgnore(patterns);
        if (matcher.excludes(parts.join('/'))) return;
        for (let length = 1; length < parts.length; length++) {
          expect(matcher.mayContainIncluded(parts.slice(0, length).join('/'))).toBe(true);
        }
      }),
      { seed: 21, numRuns: 3000 },
    );
  });
});

describe('patterns', () => {
  /** moby's own translation, which backtracks. */
  function oracle(pattern: string): RegExp {
    if (/^\*\*[^*?[]*$/.test(pattern)) {
      const rest = pattern.slice(2);
      if (!rest.startsWith('/')) return new RegExp(`^[^]*${rest}$`, 'u');
    }
    const source = pattern.replace(/\*\*\/?|\*|\?/g, (token, at: number) => {
      if (token === '*') return '[^/]*';
      if (token === '?') return '[^/]';
      return at + token.length === pattern.length ? '[^]*' : '(?:[^]*/)?';
    });
    return new RegExp(`^${source}$`, 'u');
  }

  it('match what a regular expression would', () => {
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '/', '*', '**', '**/', '?', '[ab]', '[^a]'), {
        minLength: 1,
        maxLength: 7,
      })
      .map((parts) => parts.join(''))
      .filter((text) => !/\/\/|^\/|\/$|\*{3,}/.test(text));
    const path = fc.stringMatching(/^[abc](?:[abc/]{0,6}[abc])?$/).filter((text) => !text.includes('//'));
    fc.assert(
      fc.property(pattern, path, (text, name) => {
        expect(compilePathPattern(text)?.matches(name)).toBe(oracle(text).test(name));
      }),
      { seed: 22, numRuns: 5000 },
    );
  });

  it('take linear time when they are hostile', () => {
    const start = performance.now();
    const matcher = compileIgnore([
      '*a'.repeat(200) + 'b',
      '**/a'.repeat(200) + 'c',
      '**a*'.repeat(100) + 'd',
      '*'.repeat(50_000),
    ]);
    matcher.excludes('a/'.repeat(100) + 'a'.repeat(1000));
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('are fast on a large context', () => {
    const patterns = [
      '**/node_modules',
      '*.log',
      '**/*.tmp',
      '!keep.log',
      'docs/**',
      'src/**/test',
      '**/.git',
      'a?b',
      'x[0-9]*',
      '**/**/z',
    ];
    const matcher = compileIgnore([
      ...patterns,
      ...Array.from({ length: 20 }, (_, index) => `dir${index}/**/*.o`),
    ]);
    const start = performance.now();
    for (let index = 0; index < 20_000; index++)
      matcher.excludes(`dir${index % 50}/sub${index % 100}/deep/file${index}.txt`);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
