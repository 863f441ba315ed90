import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseExpose } from '../../src/build/expose.ts';

describe('EXPOSE', () => {
  it.each<[string, string[]]>([
    ['80', ['80/tcp']],
    ['0', ['0/tcp']],
    ['65535', ['65535/tcp']],
    ['443/TCP', ['443/tcp']],
    ['53/udp', ['53/udp']],
    ['9/Sctp', ['9/sctp']],
    ['7000-7002', ['7000/tcp', '7001/tcp', '7002/tcp']],
    ['7000-7000/udp', ['7000/udp']],
    ['8080:80', ['80/tcp']],
    ['127.0.0.1:8080:80/udp', ['80/udp']],
    ['[::1]:8080:80', ['80/tcp']],
    ['8000-8001:80-81', ['80/tcp', '81/tcp']],
    ['080', ['80/tcp']],
  ])('%s is %j', (word, ports) => {
    expect(parseExpose(word)).toEqual(ports);
  });

  it.each([
    'abc',
    '',
    '-1',
    '65536',
    '80/icmp',
    '80/tcp/udp',
    '7002-7000',
    '80-',
    '-80',
    '8 0',
    '80/',
    '1e3',
    '80.5',
    ':',
    '99999999999999999999',
    '0x50',
    '８０',
  ])('refuses %j', (word) => {
    expect(() => parseExpose(word)).toThrow(expect.objectContaining({ code: 'KUBEFILE_SEMANTICS' }));
  });

  it('gives each port of a range once', () => {
    fc.assert(
      fc.property(
        fc.nat(65_535),
        fc.nat(300),
        fc.constantFrom('tcp', 'udp', 'sctp'),
        (first, length, protocol) => {
          const last = Math.min(65_535, first + length);
          const ports = parseExpose(`${first}-${last}/${protocol}`);
          expect(new Set(ports).size).toBe(last - first + 1);
          expect(ports[0]).toBe(`${first}/${protocol}`);
          expect(ports.at(-1)).toBe(`${last}/${protocol}`);
        },
      ),
    );
  });
});
