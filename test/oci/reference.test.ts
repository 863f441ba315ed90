import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from '../../src/oci/reference.ts';
import { arbitraryReference } from './arbitrary.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('parseReference', () => {
  it.each([
    ['ubuntu', 'docker.io/library/ubuntu', 'ubuntu'],
    ['ubuntu:24.04', 'docker.io/library/ubuntu:24.04', 'ubuntu:24.04'],
    ['a/b', 'docker.io/a/b', 'a/b'],
    ['a/b/c/d', 'docker.io/a/b/c/d', 'a/b/c/d'],
    ['foo.com/bar', 'foo.com/bar', 'foo.com/bar'],
    ['localhost/x', 'localhost/x', 'localhost/x'],
    ['localhost:5000/x:y', 'localhost:5000/x:y', 'localhost:5000/x:y'],
    ['localhost:5000', 'docker.io/library/localhost:5000', 'localhost:5000'],
    ['index.docker.io/x', 'docker.io/library/x', 'x'],
    ['docker.io/a/b', 'docker.io/a/b', 'a/b'],
    ['docker.io/localhost/x', 'docker.io/localhost/x', 'docker.io/localhost/x'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['[::1]/x', '[::1]/x', '[::1]/x'],
    ['[2001:db8::1]:5000/a/b:c', '[2001:db8::1]:5000/a/b:c', '[2001:db8::1]:5000/a/b:c'],
    ['a__b/c-----d/e.f', 'docker.io/a__b/c-----d/e.f', 'a__b/c-----d/e.f'],
    [`ubuntu:v1@${digest}`, `docker.io/library/ubuntu:v1@${digest}`, `ubuntu:v1@${digest}`],
    [
      `h.io/x@sha512:${'b'.repeat(128)}`,
      `h.io/x@sha512:${'b'.repeat(128)}`,
      `h.io/x@sha512:${'b'.repeat(128)}`,
    ],
  ])('reads %s as %s, for people %s', (text, full, familiar) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(familiarReference(reference)).toBe(familiar);
    expect(parseReference(familiar)).toEqual(reference);
  });

  it.each([
    ['', /write/],
    [' ubuntu', /write/],
    ['ubuntu ', /write/],
    ['ubuntu\n', /write/],
    ['--foo', /write/],
    ['-t', /write/],
    ['../x', /host/],
    ['./x', /host/],
    ['a/../b', /write/],
    ['a//b', /write/],
    ['a/', /write/],
    ['/a', /write/],
    ['https://h.io/x', /scheme/],
    ['a/B', /upper-case/],
    ['ubuntu:', /tag/],
    ['ubuntu:.x', /tag/],
    [`ubuntu:${'t'.repeat(129)}`, /tag/],
    ['ubuntu:a:b', /tag/],
    ['ubuntu@', /digest/],
    ['ubuntu@sha256:abc', /digest/],
    [`ubuntu@SHA256:${'a'.repeat(64)}`, /digest/],
    [`ubuntu@${digest}@${digest}`, /digest/],
    [`ubuntu@md5:${'a'.repeat(32)}`, /digest/],
    ['a'.repeat(64), /image id/],
    ['a'.repeat(256), /255/],
    ['a'.repeat(1 << 20), /shorter/],
    ['ünïcode', /write/],
    ['ubuntu\0', /write/],
    ['a___b', /write/],
    ['a.-b', /write/],
    ['[::1/x', /host/],
    ['[::g]/x', /host/],
    ['-h.io/x', /host/],
    ['h..io/x', /host/],
    ['h.io:port/x', /host/],
    ['h.io:/x', /host/],
  ])('refuses %j with a hint', (text, hint) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({
        code: 'REFERENCE_INVALID',
        message: expect.stringContaining(JSON.stringify(text.slice(0, 20)).slice(1, -1)) as string,
        hint: expect.stringMatching(hint) as string,
      }),
    );
  });

  it('reads back what formatReference and familiarReference write', () => {
    fc.assert(
      fc.property(arbitraryReference, (reference) => {
        fc.pre(reference.path.length <= 255);
        expect(parseReference(formatReference(reference))).toEqual(reference);
        expect(parseReference(familiarReference(reference))).toEqual(reference);
      }),
    );
  });

  it('gives a reference that formats and reads back, or REFERENCE_INVALID, for any text', () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-zA-Z0-9.:@/_[\]-]{0,30}$/));
    fc.assert(
      fc.property(text, (input) => {
        try {
          const reference = parseReference(input);
          expect(parseReference(formatReference(reference))).toEqual(reference);
          expect(parseReference(familiarReference(reference))).toEqual(reference);
        } catch (error) {
          expect(error).toMatchObject({ code: 'REFERENCE_INVALID' });
        }
      }),
    );
  });

  it('takes time proportional to the text', () => {
    const start = performance.now();
    for (const text of [
      'a-'.repeat(500),
      '-'.repeat(1000),
      `${'a'.repeat(500)}.${'-'.repeat(500)}/x`,
      'a/'.repeat(500),
    ]) {
      expect(() => parseReference(`${text}!`)).toThrow();
    }
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe('withDefaultTag', () => {
  it.each([
    ['x', 'docker.io/library/x:latest'],
    ['x:v', 'docker.io/library/x:v'],
    [`x@${digest}`, `docker.io/library/x@${digest}`],
  ])('makes %s %s', (text, expected) => {
    expect(formatReference(withDefaultTag(parseReference(text)))).toBe(expected);
  });
});
