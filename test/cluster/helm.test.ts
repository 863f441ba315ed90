/** Charts rendered: values, dependencies, what templates are told, and what is refused with its file and line. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadChart } from '../../src/cluster/helm/chart.ts';
import { DEFAULT_RELEASE } from '../../src/cluster/helm/release.ts';
import { renderChart } from '../../src/cluster/helm/render.ts';
import type { ValueMap } from '../../src/cluster/helm/value.ts';
import { readValues } from '../../src/cluster/yaml/values.ts';
import { layerTar } from '../transfer/memory-content.ts';

type Files = Readonly<Record<string, string | Buffer>>;

interface Outcome {
  readonly texts: Readonly<Record<string, string>>;
  readonly failures: readonly string[];
}

async function render(files: Files, values = ''): Promise<Outcome> {
  const all = { 'Chart.yaml': 'name: web\nversion: 1.2.3\nappVersion: "1.10"\n', ...files };
  const contents = new Map(Object.entries(all).map(([path, content]) => [path, Buffer.from(content)]));
  const chart = await loadChart(contents, 'charts/web');
  const { rendered, failures } = renderChart(chart, given(values), DEFAULT_RELEASE);
  return {
    texts: Object.fromEntries(rendered.map(({ file, text }) => [file.slice('charts/web/'.length), text])),
    failures: failures.map(({ file, line, message }) => `${file}:${line}: ${message}`),
  };
}

const given = (text: string): ValueMap => (readValues(text) ?? new Map()) as ValueMap;

/** One template over some values. */
async function one(template: string, values = ''): Promise<string> {
  const { texts, failures } = await render({ 'templates/a.yaml': template, 'values.yaml': values });
  expect(failures).toEqual([]);
  return texts['templates/a.yaml'] ?? '';
}

describe('a template', () => {
  it.each([
    ['{{ .Values.a | default "x" | quote }}', 'a: ""', '"x"'],
    ['{{ printf "%s:%v" .Values.r (.Values.t | default .Chart.AppVersion) }}', 'r: nginx', 'nginx:1.10'],
    ['{{- range $k, $v := .Values.m }}{{ $k }}={{ $v }};{{ end }}', 'm: {b: 2, a: 1}', 'a=1;b=2;'],
    [
      '{{ toYaml .Values.m | nindent 2 }}',
      'm: {b: [1, "yes"], a: {c: 1.5}}',
      '\n  a:\n    c: 1.5\n  b:\n  - 1\n  - "yes"',
    ],
    ['{{ (fromYaml "a: {b: 7}").a.b }}', '', '7'],
    ['{{ tpl .Values.t . }}', 't: "{{ .Release.Name }}-{{ .Values.u }}"\nu: 3', 'release-name-3'],
    [
      '{{ if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}new{{ else }}old{{ end }}',
      '',
      'new',
    ],
    [
      '{{ .Capabilities.APIVersions.Has "policy/v1" }} {{ .Capabilities.APIVersions.Has "x.io/v1/Y" }}',
      '',
      'true false',
    ],
    [
      '{{ .Values.big }} {{ add .Values.big 1 }} {{ .Values.f }}',
      'big: 1000000\nf: 1.10',
      '1000000 1000001 1.1',
    ],
    [
      '{{ list 1 2 3 | join "-" }} {{ dict "a" 1 | toJson }} {{ ternary "y" "n" true }}',
      '',
      '1-2-3 {"a":1} y',
    ],
    ['{{ "a-b.c" | trunc 3 | trimSuffix "-" }} {{ regexReplaceAll "b(.)" "abc" "<${1}>" }}', '', 'a-b a<c>'],
    ['{{ lookup "v1" "Secret" "a" "b" | len }}{{ .Values.none }}', '', '0'],
    ['{{ include "web.name" (dict "x" 1) }}{{ define "web.name" }}{{ .x }}!{{ end }}', '', '1!'],
    [
      '{{ index .Values "a-b" "c" }} {{ dig "a" "z" "none" .Values }} {{ hasKey .Values "a-b" }}',
      'a-b: {c: 5}\na: {b: 1}',
      '5 none true',
    ],
  ])('%s', async (template, values, expected) => {
    expect(await one(template, values)).toBe(expected);
  });

  it('that fails is told with file and line, and the others are rendered', async () => {
    const { texts, failures } = await render({
      'templates/nil.yaml': 'a: 1\n\nb: {{ .Values.no.such }}\n',
      'templates/syntax.yaml': '{{ if }}\n{{ end }}\n',
      'templates/word.yaml': '\n{{ getRich .Values }}\n',
      'templates/required.yaml': '{{ required "say which" .Values.which }}',
      'templates/_part.tpl': '{{ define "part" }}\n{{ fail "not so" }}{{ end }}',
      'templates/included.yaml': '{{ include "part" . }}',
      'templates/good.yaml': 'good',
      'templates/NOTES.txt': '{{ .Values.no.such }}',
    });
    expect(texts).toEqual({ 'templates/good.yaml': 'good' });
    expect([...failures].sort()).toEqual([
      'charts/web/templates/_part.tpl:2: error calling fail: not so',
      'charts/web/templates/nil.yaml:3: nil pointer evaluating interface {}.such',
      'charts/web/templates/required.yaml:1: error calling required: say which',
      'charts/web/templates/syntax.yaml:1: missing value for if',
      expect.stringContaining('charts/web/templates/word.yaml:2: function "getRich" not defined') as string,
    ]);
  });

  it.each([
    [
      'loops',
      '{{ range until 100000 }}{{ range until 100000 }}x{{ end }}{{ end }}',
      /does not come to an end/,
    ],
    [
      'growth',
      '{{ $s := "xxxxxxxxxxxxxxxx" }}{{ range until 40 }}{{ $s = print $s $s }}{{ end }}',
      /too large/,
    ],
    ['recursion', '{{ define "r" }}{{ include "r" . }}{{ end }}{{ include "r" . }}', /circles|too deep/],
    ['own calls', '{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}', /too deep|an end/],
    [
      'patterns',
      '{{ regexMatch "^(a+)+$" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" }}',
      /takes too long/,
    ],
    ['counts', '{{ repeat 1000000000 "x" }}', /too large/],
  ])('without end ends: %s', async (_, template, message) => {
    const { failures } = await render({ 'templates/a.yaml': template });
    expect(failures).toEqual([expect.stringMatching(message)]);
  });
});

const DEPENDENCIES = `name: web
version: 1.0.0
dependencies:
  - {name: db, version: 1.x, condition: "db.enabled,global.db", alias: store}
  - {name: cache, version: ">=2", tags: [extras]}
  - {name: lib, version: "*"}
`;
const sub = (name: string, version: string, extra = ''): string =>
  `name: ${name}\nversion: ${version}\n${extra}`;

describe('charts in a chart', () => {
  const files = {
    'Chart.yaml': DEPENDENCIES,
    'values.yaml': 'store: {image: {tag: "7"}, gone: null}\nglobal: {registry: r.example.com}\n',
    'templates/a.yaml': '{{ include "lib.image" . }}',
    'charts/db/Chart.yaml': sub('db', '1.4.0'),
    'charts/db/values.yaml': 'image: {repository: db, tag: "6"}\ngone: there\n',
    'charts/db/templates/d.yaml':
      '{{ .Chart.Name }} {{ .Values.global.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ .Values.gone }}',
    'charts/cache/Chart.yaml': sub('cache', '2.0.0'),
    'charts/cache/templates/c.yaml': 'cache',
    'charts/lib/Chart.yaml': sub('lib', '0.1.0', 'type: library\n'),
    'charts/lib/templates/_l.tpl': '{{ define "lib.image" }}of the library{{ end }}',
    'charts/lib/templates/l.yaml': 'never',
  };

  it('get their values from above, under their alias, and a library renders nothing', async () => {
    expect(await render(files)).toEqual({
      texts: {
        'charts/db/templates/d.yaml': 'store r.example.com/db:7',
        'charts/cache/templates/c.yaml': 'cache',
        'templates/a.yaml': 'of the library',
      },
      failures: [],
    });
  });

  it('are left out by condition and by tags', async () => {
    const { texts } = await render(
      files,
      'store: {enabled: true}\ndb: {enabled: false}\ntags: {extras: false}\n',
    );
    expect(Object.keys(texts)).toEqual(['templates/a.yaml']);
  });

  it('may be packed, and hand values up', async () => {
    const packed = gzipSync(
      layerTar({
        'db/Chart.yaml': sub('db', '1.0.0'),
        'db/values.yaml': 'exports: {shared: {color: red, port: 1}}\ninner: {depth: 3}\n',
        'db/templates/d.yaml': 'packed',
      }),
    );
    const { texts } = await render({
      'Chart.yaml': `name: web\nversion: 1.0.0\ndependencies:\n- name: db\n  version: 1.0.0\n  import-values: [shared, {child: inner, parent: outer}]\n`,
      'values.yaml': 'port: 2\n',
      'templates/a.yaml': '{{ .Values.color }} {{ .Values.port }} {{ .Values.outer.depth }}',
      'charts/db-1.0.0.tgz': packed,
    });
    expect(texts).toEqual({
      'charts/db-1.0.0.tgz/templates/d.yaml': 'packed',
      'templates/a.yaml': 'red 2 3',
    });
  });
});
