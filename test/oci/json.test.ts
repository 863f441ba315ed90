import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatJson, ordered, parseJson } from '../../src/oci/json.ts';

const LIMIT = 8 << 20;
const parse = (text: string | Buffer): unknown => parseJson(Buffer.from(text), 'the thing', LIMIT);

describe('parseJson', () => {
  it.each([
    '{}',
    '[]',
    'null',
    '"\\"{[:,"',
    '{"a":{"a":[{"a":1}]},"b":"\\\\"}',
    '[0,-1,1.5,1e3,9007199254740991]',
    '{"":1}',
  ])('reads %s', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['nothing', '', /not JSON/],
    ['half an object', '{"a":', /not JSON/],
    ['text after the end', '{} {}', /not JSON/],
    ['a comment', '{} // x', /not JSON/],
    ['a byte order mark', '\ufeff{}', /not JSON/],
    ['NaN', '[NaN]', /not JSON/],
    ['an endless array', '['.repeat(1 << 20), /not JSON/],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
    ['an encoded surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not UTF-8/],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /not UTF-8/],
    ['UTF-16', Buffer.from('{}', 'utf16le'), /not JSON/],
    ['a key twice', '{"a":1,"b":2,"a":1}', /the key "a" twice/],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', /twice/],
    ['a key twice, deep inside', '[{"x":[{"a":1,"a":2}]}]', /twice/],
    ['__proto__', '{"__proto__":{}}', /__proto__/],
    ['__proto__, escaped', '{"x":{"__pro\\u0074o__":{}}}', /__proto__/],
    ['deep arrays', '['.repeat(65) + ']'.repeat(65), /nested/],
    ['very deep arrays', '['.repeat(1 << 20) + ']'.repeat(1 << 20), /nested/],
    ['very deep objects', '{"a":'.repeat(1 << 19) + '1' + '}'.repeat(1 << 19), /nested/],
    ['an integer that is rounded', '[9007199254740993]', /number out of range/],
    ['a negative one', '{"a":-9007199254740993}', /number out of range/],
    ['infinity', '[1e999]', /number out of range/],
    ['a large exponent', '[1e300]', /number out of range/],
    ['more bytes than allowed', `"${'a'.repeat(LIMIT)}"`, /more than the 8388608 allowed/],
  ])('refuses %s', (_name, text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'DOCUMENT_INVALID',
        message: expect.stringMatching(message) as string,
      }),
    );
  });

  it.each([
    ['letters', 'a'.repeat(LIMIT - 2)],
    ['escapes', '\\n'.repeat((LIMIT - 2) / 2)],
    ['quotes', '\\"'.repeat((LIMIT - 2) / 2)],
    ['backslashes', '\\\\'.repeat((LIMIT - 2) / 2)],
  ])('reads a string of megabytes of %s in a moment', (_name, inside) => {
    const start = performance.now();
    expect(parse(`"${inside}"`)).toBeTypeOf('string');
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('gives what JSON.parse gives or DOCUMENT_INVALID', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        let value: unknown;
        try {
          value = parse(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DOCUMENT_INVALID' });
          return;
        }
        expect(value).toEqual(JSON.parse(text));
      }),
    );
  });

  it('gives a value or DOCUMENT_INVALID for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          parseJson(bytes, 'x', LIMIT);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DOCUMENT_INVALID' });
        }
      }),
    );
  });
});

describe('ordered', () => {
  it('puts named keys first, sorts the others, leaves out what is undefined', () => {
    const object = ordered({ z: 1, b: undefined, a: 2, x: 3 }, ['x', 'b', 'missing']);
    expect(formatJson(object).toString()).toBe('{"x":3,"a":2,"z":1}');
  });

  it('keeps a key named __proto__ a key', () => {
    const object = ordered(JSON.parse('{"__proto__":1}') as object);
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(formatJson(object).toString()).toBe('{"__proto__":1}');
  });
});
