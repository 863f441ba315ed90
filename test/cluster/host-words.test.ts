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
  const values = { A: 'one', B_2: '{{ .A }}', EMPTY: '', LIST: '10.0.0.1;10.0.0.2' };

  it.each([
    ['x {{ .A }}{{.B_2}} y', 'x one{{ .A }} y'],
    ['a\n  {{- .A }}\n{{ .A -}}\n  b', 'aone\noneb'],
    ['{{ .A -}} {{- .A }}', 'oneone'],
    ['{{/* said\ntwice */}}a{{ .EMPTY }}b', 'ab'],
    ['{ {.A} } $A', '{ {.A} } $A'],
    ['{{ if .A }}yes{{ else }}no{{ end }} {{ if .Z }}yes{{ else }}no{{ end }}', 'yes no'],
    ['{{ if and (eq .A "one") (not .EMPTY) (ne .B_2 "") }}x{{ else if .A }}y{{ end }}', 'x'],
    ['{{ with .A }}{{ . }} {{ $.B_2 }}{{ end }}', 'one {{ .A }}'],
    ['{{ range $n, $ip := splitList ";" .LIST }}{{ $n }}={{ $ip }} {{ end }}', '0=10.0.0.1 1=10.0.0.2 '],
    ['{{ .Z | default "else" | upper | quote }}', '"ELSE"'],
    ['{{ b64enc .A }} {{ .A | b64enc | b64dec }}', 'b25l one'],
    ['{{ define "x" }}<{{ .A }}>{{ end }}{{ template "x" . }}', '<one>'],
    ['{{ $a := .A }}{{ printf "%s-%03d" $a 7 }}', 'one-007'],
    ['{{ index . "A" }}{{ len .A }}', 'one3'],
    ['{{ "{{" }} .A }}', '{{ .A }}'],
  ])('%j is %j', (text, expected) => {
    expect(renderTemplate('etc/x.tmpl', text, values)).toBe(expected);
  });

  it('is refused for variables that nobody has set, all of them', () => {
    const text = '{{ .Z }}{{ .A }}\n{{ if .Q }}{{ .Q }}{{ end }}{{ $.C }}{{ .Z }}\n{{ index . "N" }}';
    expect(() => renderTemplate('etc/x.tmpl', text, values)).toThrow(
      expect.objectContaining({
        items: ['C (line 2)', 'Z (line 1)', 'Z (line 2)', 'what is written there (line 3)'],
      }),
    );
    expect(() => renderTemplate('x', '{{ .constructor }}', values)).toThrow('variables that nobody has set');
  });

  it.each([
    ['a\n\n{{ if .A }}', 'etc/x.tmpl:3: the text ends before {{end}}'],
    ['a\n{{ nothing .A }}', 'etc/x.tmpl:2: function "nothing" not defined'],
    ['a\n{{ .A.b }}', "etc/x.tmpl:2: can't evaluate field b in type string"],
    ['\n{{ range .A }}{{ end }}', "etc/x.tmpl:2: range can't iterate over one"],
    ['\n{{ define "f" }}\n{{ .A.b }}{{ end }}{{ template "f" . }}', 'etc/x.tmpl:3: '],
    ['\n{{ template "f" }}', 'etc/x.tmpl:2: no template "f"'],
    ['{{ range until 9999999 }}{{ range until 9999999 }}x{{ end }}{{ end }}', 'etc/x.tmpl:1: '],
    ['{{ .A ', 'etc/x.tmpl:1: '],
    ['\n{{ upper .Z }}', 'etc/x.tmpl:2: error calling upper: '],
    ['{{ define "f" }}{{ template "f" . }}{{ end }}{{ template "f" . }}', 'etc/x.tmpl:1: '],
    ['{{ env "HOME" }}', 'etc/x.tmpl:1: function "env" not defined'],
  ])('is refused where it is wrong, by its line: %j', (text, message) => {
    expect(() => renderTemplate('etc/x.tmpl', text, values)).toThrow(
      expect.objectContaining({ code: 'CLUSTER', message: expect.stringContaining(message) as string }),
    );
  });
});
