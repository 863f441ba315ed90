/**
 * Charts that people install, out of the sources of openQA: every template renders to objects of Kubernetes, and the
 * images that are found are those the values name.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { expect } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { findInCharts } from '../../src/cluster/find/chart-images.ts';
import { loadChart, type Chart, type ChartContents } from '../../src/cluster/helm/chart.ts';
import { withoutIgnored } from '../../src/cluster/helm/chart-ignore.ts';
import { DEFAULT_RELEASE } from '../../src/cluster/helm/release.ts';
import { renderChart } from '../../src/cluster/helm/render.ts';
import { readValues } from '../../src/cluster/yaml/values.ts';
import { debianSource } from './debian-data.ts';
import { testVectors, type Vector } from './tally.ts';

const folder = join(await debianSource('openqa', 'trixie'), 'orig/container/helm');

/** A chart's folder, with the charts of its `file://` dependencies in it: what `helm dependency build` makes. */
async function assemble(directory: string): Promise<ChartContents> {
  const contents = new Map<string, Buffer>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) contents.set(path.slice(directory.length + 1), await readFile(path));
  }
  for (const { name, repository } of dependenciesOf(contents)) {
    if (!repository.startsWith('file://')) continue;
    const inner = await assemble(resolve(directory, repository.slice('file://'.length)));
    for (const [path, bytes] of inner) contents.set(`charts/${name}/${path}`, bytes);
  }
  return withoutIgnored(contents, basename(directory));
}

interface Dependency {
  readonly name: string;
  readonly repository: string;
}

function dependenciesOf(contents: ChartContents): Dependency[] {
  const [document] = parseAllDocuments(contents.get('Chart.yaml')?.toString('utf8') ?? '');
  return (document?.toJS() as { dependencies?: Dependency[] }).dependencies ?? [];
}

/** `name:tag` of the values of a chart and of all charts in it, as the `yaml` package reads them. */
function imagesOf(chart: Chart, contents: ChartContents, prefix = ''): string[] {
  const [document] = parseAllDocuments(contents.get(`${prefix}values.yaml`)?.toString('utf8') ?? '');
  const { image } = document?.toJS() as { image?: { name: string; tag: string } };
  const below = chart.subcharts.flatMap((each) => imagesOf(each, contents, `${prefix}charts/${each.name}/`));
  return [...(image === undefined ? [] : [`${image.name}:${image.tag}`]), ...below];
}

const sorted = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

async function vectorsOf(directory: string): Promise<Vector[]> {
  const name = basename(directory);
  const contents = await assemble(directory);
  const chart = await loadChart(contents, name);
  const { rendered, failures } = renderChart(chart, readValues('{}') as Map<string, never>, DEFAULT_RELEASE);
  const templates = rendered.map(({ file, text }) => ({
    name: file,
    check: () => {
      for (const document of parseAllDocuments(text)) {
        expect(document.errors).toEqual([]);
        const object = document.toJS() as object | null;
        if (object !== null) expect(object).toMatchObject({ apiVersion: expect.any(String) as string });
      }
    },
  }));
  const charts = {
    charts: [{ place: name, contents: () => Promise.resolve(contents) }],
    belongs: () => true,
  };
  const images = {
    name: `${name}: images`,
    check: async () => {
      expect(failures).toEqual([]);
      const options = { release: DEFAULT_RELEASE, values: [] };
      const { mentions, problems } = await findInCharts(charts, options);
      expect(problems).toEqual([]);
      expect(mentions).not.toEqual([]);
      expect(sorted(mentions.map(({ text }) => text))).toEqual(sorted(imagesOf(chart, contents)));
    },
  };
  const dependencies = dependenciesOf(contents).map((dependency) => ({
    name: `${name}: dependency ${dependency.name}`,
    check: () => expect(chart.subcharts.map((each) => each.name)).toContain(dependency.name),
  }));
  return [...templates, images, ...dependencies];
}

const vectors = await Promise.all(
  ['openqa', 'webui', 'worker'].map(async (name) => vectorsOf(join(folder, 'charts', name))),
);
const ELSEWHERE = 'it is in a repository on the network, not in the sources';
testVectors('charts', vectors.flat(), {
  'openqa: dependency postgresql': ELSEWHERE,
  'webui: dependency postgresql': ELSEWHERE,
});
