/** The body of a COPY here-document. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandText } from '../../src/kubefile/expand.ts';

const scope = {
  get: (name: string) =>
    new Map([
      ['a', 'A'],
      ['q', '"x y"'],
    ]).get(name),
};

describe('the body of a here-document', () => {
  it.each([
    ['plain\ntext\n', 'plain\ntext\n'],
    ['$a ${a} ${b:-d}\n', 'A A d\n'],
    ['\\$a \\${a}\n', '$a ${a}\n'],
    ['\\\\$a', '\\A'],
    ['"$a" \'$a\'', '"A" \'A\''],
    ['it\'s "half', 'it\'s "half'],
    ['$q', '"x y"'],
    ['a\\nb \\" \\\' \\t', 'anb " \' t'],
    ['end\\', 'end'],
    ['a\\\nb\\\\\nc', 'a\nb\\\nc'],
    ['`$a', '`A'],
    ['$nothing.', '.'],
    ['100$', '100$'],
    ['', ''],
    ['  two  blanks \t', '  two  blanks \t'],
  ])('%j becomes %j', (body, expected) => {
    expect(expandText(body, scope)).toBe(expected);
  });

  it('leaves text without a dollar and without a backslash as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const plain = text.replace(/[$\\]/g, '');
        expect(expandText(plain, scope)).toBe(plain);
      }),
    );
  });
});
