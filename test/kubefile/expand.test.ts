import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandText, expandWord, expandWords } from '../../src/kubefile/expand.ts';

const VARIABLES = new Map([
  ['set', 'value'],
  ['empty', ''],
  ['path', '/a/b/c.tar.gz'],
  ['star', 'a*b'],
  ['blanks', ' x  y '],
  ['_1', 'underscore'],
  ['é', 'accent'],
  ['p', '/a'],
]);
const expand = (word: string, escape: '\\' | '`' = '\\'): string => expandWord(word, VARIABLES, { escape });
const refused = expect.objectContaining({ code: 'EXPANSION' }) as Error;

describe('words', () => {
  it.each([
    ['plain', 'plain'],
    ['', ''],
    ['a b  c', 'a b  c'],
    [`'single' "double"`, 'single double'],
    [`x'y'"z"`, 'xyz'],
    [`'$set'`, '$set'],
    [`"$set"`, 'value'],
    [`"'$set'"`, "'value'"],
    [`'"'`, '"'],
    ['\\$set', '$set'],
    ['\\\\$set', '\\value'],
    [`"\\$set \\" \\\\ \\a"`, '$set " \\ \\a'],
    ['a\\ b', 'a b'],
    ['end\\', 'end'],
    ['$set$set', 'valuevalue'],
    ['${set}s', 'values'],
    ['$_1', 'underscore'],
    ['$é', 'accent'],
    ['$unset.', '.'],
    ['$', '$'],
    ['$.', '$.'],
    ['a$', 'a$'],
    ['🚀$set🚀', '🚀value🚀'],
    // positional and special parameters have no value
    ['$1', ''],
    ['$12x', 'x'],
    ['$$', ''],
    ['$@$*$#$?$-$!', ''],
    ['${@:-b}', 'b'],
    ['${1:-b}', 'b'],
  ])('%j is %j', (word, expected) => expect(expand(word)).toBe(expected));

  it.each([
    "'a\\'b'",
    `"`,
    `'`,
    `"\\"`,
    '${',
    '${}',
    '${set',
    '${set:-',
    '${set:-x',
    '${:-x}',
    '${{set}}',
    '${.}',
  ])('%j is refused', (word) => expect(() => expand(word)).toThrow(refused));

  it('know one escape character at a time', () => {
    expect(expand('`$set \\$set', '`')).toBe('$set \\value');
    expect(expand('"`$set \\ ``"', '`')).toBe('$set \\ `');
  });

  it('are cut at blanks that are not quoted, those out of variables too', () => {
    const words = (word: string): string[] => expandWords(word, VARIABLES, { escape: '\\' });
    expect(words(' a  b\tc ')).toEqual(['a', 'b', 'c']);
    expect(words('a\\ b "c d" \'e f\'')).toEqual(['a b', 'c d', 'e f']);
    expect(words('1${blanks}2')).toEqual(['1', 'x', 'y', '2']);
    expect(words('1"${blanks}"2')).toEqual(['1 x  y 2']);
    expect(words('"" $empty \'\'')).toEqual([]);
  });
});

describe('operators', () => {
  it.each([
    ['${set:-w}', 'value'],
    ['${empty:-w}', 'w'],
    ['${unset:-w}', 'w'],
    ['${set-w}', 'value'],
    ['${empty-w}', ''],
    ['${unset-w}', 'w'],
    ['${set:+w}', 'w'],
    ['${empty:+w}', ''],
    ['${unset:+w}', ''],
    ['${set+w}', 'w'],
    ['${empty+w}', 'w'],
    ['${unset+w}', ''],
    ['${set:?w}', 'value'],
    ['${empty?w}', ''],
    ['${unset:-a b}', 'a b'],
    ['${unset:-"a } b"}', 'a } b'],
    ['${unset:-a\\}b}', 'a}b'],
    ['${unset:-${unset:-${set}}}', 'value'],
    // shortest and longest, from both ends
    ['${path#*/}', 'a/b/c.tar.gz'],
    ['${path##*/}', 'c.tar.gz'],
    ['${path%.*}', '/a/b/c.tar'],
    ['${path%%.*}', '/a/b/c'],
    ['${path#$p}', '/b/c.tar.gz'],
    ['${path#x}', '/a/b/c.tar.gz'],
    ['${path%x}', '/a/b/c.tar.gz'],
    ['${path#}', '/a/b/c.tar.gz'],
    ['${path##}', '/a/b/c.tar.gz'],
    ['${path%%}', '/a/b/c.tar.gz'],
    ['${path#?a}', '/b/c.tar.gz'],
    ['${path##*}', ''],
    ['${path#*}', '/a/b/c.tar.gz'],
    ['${path%?}', '/a/b/c.tar.g'],
    ['${star#*\\*}', 'b'],
    ['${star%\\*?}', 'a'],
    ['${unset#x}', ''],
    // the first, and all
    ['${path/\\//_}', '_a/b/c.tar.gz'],
    ['${path//\\//_}', '_a_b_c.tar.gz'],
    ['${path//[abc]/x}', '/a/b/c.tar.gz'],
    ['${path/a*c/x}', '/x.tar.gz'],
    ['${path//?./-}', '/a/b/-ta-gz'],
    ['${path/x/y}', '/a/b/c.tar.gz'],
    ['${path//a/}', '//b/c.tr.gz'],
    ['${path/./$set}', '/a/b/cvaluetar.gz'],
    ['${set/*/x}', 'x'],
    ['${set//*/x}', 'x'],
    ['${empty/*/x}', 'x'],
    ['${unset/*/x}', 'x'],
    ['${star/\\*/+}', 'a+b'],
    ['${path//$p/\\}}', '\\}/b/c.tar.gz'],
  ])('%s is %j', (word, expected) => expect(expand(word)).toBe(expected));

  it.each([
    ['${unset:?say this}', 'unset: say this'],
    ['${unset?$set}', 'unset: value'],
    ['${empty:?no}', 'empty: no'],
    ['${unset?}', 'unset: is not allowed to be unset'],
    ['${empty:?}', 'empty: is not allowed to be empty'],
  ])('%s stops with %j', (word, message) =>
    expect(() => expand(word)).toThrow(expect.objectContaining({ code: 'EXPANSION', message })),
  );

  it.each([
    '${set:=w}',
    '${set=w}',
    '${set:#w}',
    '${set:%w}',
    '${set:w}',
    '${set:',
    '${set^}',
    '${set@Q}',
    '${set/x}',
    '${set//}',
    '${path#\\x}',
    '${set/\\a/b}',
  ])('%s is refused', (word) => expect(() => expand(word)).toThrow(refused));
});

describe('the text of a here-document', () => {
  it.each([
    [`don't say "$set"\n`, `don't say "value"\n`],
    ["'${set}' $set", "'value' value"],
    ['\\$set \\\\$set', '$set \\value'],
    ['a\\n \\" \\', 'an " '],
    ['${unset:-a\\}b} "${unset:-it\'s}"', 'a}b "it\'s"'],
  ])('%j is %j', (text, expected) => expect(expandText(text, VARIABLES)).toBe(expected));

  it.each(['${', '${unset:?no}', '${x!}'])('%j is refused', (text) => {
    expect(() => expandText(text, VARIABLES)).toThrow(refused);
  });
});

describe('which variables a word uses', () => {
  it('is told, defaults that are not needed included', () => {
    const used: string[] = [];
    const undefinedNames: string[] = [];
    expandWord("$set ${unset:-$empty} ${set:-$other} '$quoted' \\$escaped $1", VARIABLES, {
      escape: '\\',
      onUsed: (name) => used.push(name),
      onUndefined: (name) => undefinedNames.push(name),
    });
    expect(used).toEqual(['set', 'empty', 'set']);
    expect(undefinedNames).toEqual(['unset', 'other', '1']);
  });
});

describe('limits', () => {
  const nested = (depth: number): string => '${a:-'.repeat(depth) + 'x' + '}'.repeat(depth);

  it('stop nesting without ending the process', () => {
    expect(expand(nested(200))).toBe('x');
    expect(() => expand(nested(201))).toThrow(refused);
    expect(() => expand(nested(100_000))).toThrow(refused);
  });

  it('stop what grows from step to step', () => {
    let bomb = new Map([['a', 'x'.repeat(100)]]);
    const step = (): void => void (bomb = new Map([['a', expandWord('$a$a$a$a', bomb, { escape: '\\' })]]));
    expect(() => Array.from({ length: 20 }, step)).toThrow(refused);
    const wide = new Map([['v', 'a'.repeat(1_000_000)]]);
    expect(() => expandWord('${v//a/$v}', wide, { escape: '\\' })).toThrow(refused);
  });

  it('keep hostile patterns linear', () => {
    const hostile = new Map([
      ['v', 'a'.repeat(200_000)],
      ['stars', 'a*'.repeat(500) + 'b'],
      ['marks', '?'.repeat(100) + 'b'],
    ]);
    const start = performance.now();
    for (const word of ['${v//$stars/}', '${v%%$stars}', '${v##$stars}', '${v//$marks/}', '${v//a/bb}']) {
      expandWord(word, hostile, { escape: '\\' });
    }
    expect(performance.now() - start).toBeLessThan(5000);
    expect(() => expandWord('${v#$v}', hostile, { escape: '\\' })).toThrow(refused);
  });
});

describe('laws', () => {
  const literal = fc.string({ unit: 'grapheme', maxLength: 20 });

  it('single-quoted text is itself', () => {
    fc.assert(
      fc.property(literal, (text) => {
        const quoted = text.replaceAll("'", `'"'"'`);
        expect(expand(`'${quoted}'`)).toBe(text);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('text with every character escaped is itself', () => {
    fc.assert(
      fc.property(literal, (text) => {
        expect(expand(Array.from(text, (character) => `\\${character}`).join(''))).toBe(text);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('the words of a text are the text without its blanks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z0-9]{1,5}$/), { maxLength: 6 }),
        fc.constantFrom(' ', '\t', '  '),
        (words, blank) => {
          expect(expandWords(words.join(blank), VARIABLES, { escape: '\\' })).toEqual(words);
        },
      ),
      { seed: 3, numRuns: 200 },
    );
  });
});
