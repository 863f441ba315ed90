/** Hosts of a command line, and templates of an image. */
import { describe, expect, it } from 'vitest';
import { renderTemplate } from '../../src/cluster/env-template.ts';
import { parseHostPlatforms, parseHosts, refuseTwice } from '../../src/cluster/host-list.ts';

describe('hosts', () => {
  it('are addresses, lists and ranges', () => {
    expect(parseHosts('-m', ['10.0.0.1,10.0.0.2', 'fd00::1', '192.168.0.254-192.168.1.1'])).toEqual([
      ...['10.0.0.1', '10.0.0.2', 'fd00::1'],
      ...['192.168.0.254', '192.168.0.255', '192.168.1.0', '192.168.1.1'],
    ]);
  });

  it.each([
    'master',
    '10.0.0',
    '10.0.0.9-10.0.0.1',
    '10.0.0.1-10.9.0.1',
    '-oProxyCommand=x',
    '1.2.3.4-',
    'fd00::1-fd00::2',
  ])('%s is refused', (word) => {
    expect(() => parseHosts('-m', [word])).toThrow(word);
  });

  it('are there once, and have platforms by address', () => {
    expect(() => refuseTwice(['10.0.0.1', '10.0.0.2', '10.0.0.1'])).toThrow('10.0.0.1 is named twice');
    expect(parseHostPlatforms(['10.0.0.1=linux/arm64'])).toEqual(new Map([['10.0.0.1', 'linux/arm64']]));
    expect(() => parseHostPlatforms(['linux/arm64'])).toThrow('names no host');
  });
});

describe('a template', () => {
  const values = { A: 'one', B_2: '{{ .A }}', EMPTY: '' };

  it.each([
    ['x {{ .A }}{{.B_2}} y', 'x one{{ .A }} y'],
    ['a\n  {{- .A }}\n{{ .A -}}\n  b', 'aone\noneb'],
    ['{{ .A -}} {{- .A }}', 'oneone'],
    ['{{/* said\ntwice */}}a{{ .EMPTY }}b', 'ab'],
    ['{ {.A} } $A', '{ {.A} } $A'],
  ])('%j is %j', (text, expected) => {
    expect(renderTemplate('etc/x.tmpl', text, values)).toBe(expected);
  });

  it('is refused for variables that nobody has set, all of them', () => {
    expect(() => renderTemplate('etc/x.tmpl', '{{ .Z }}{{ .A }}{{ .C }}{{ .Z }}', values)).toThrow(
      expect.objectContaining({ items: ['C', 'Z'] }),
    );
    expect(() => renderTemplate('x', '{{ .constructor }}', values)).toThrow('variables that nobody has set');
  });

  it('is refused for anything but variables, by its line', () => {
    expect(() => renderTemplate('etc/x.tmpl', 'a\n\n{{ if .A }}', values)).toThrow(
      'etc/x.tmpl:3: {{ if .A }}',
    );
  });
});
