/** Container images that charts name once they are rendered, with the lines of the templates. */
import { loadChart, unpackChart, type Chart, type ChartContents } from '../helm/chart.ts';
import { ChartError } from '../helm/chart-error.ts';
import { withoutIgnored } from '../helm/chart-ignore.ts';
import { withDefaults } from '../helm/chart-values.ts';
import type { Release } from '../helm/cluster-objects.ts';
import { renderChart } from '../helm/render.ts';
import type { Value, ValueMap } from '../helm/value.ts';
import type { ClusterFiles } from './cluster-files.ts';
import { mergeFindings, type Findings, type Place } from './image-mention.ts';
import { findInYaml } from './yaml-images.ts';

export interface ChartOptions {
  readonly release: Release;
  /** By name of the chart they are for; '' is every chart. Later ones win. */
  readonly values: readonly { readonly chart: string; readonly values: ValueMap }[];
}

/** The outermost charts among files: folders and packed ones, with the paths that belong to them. */
export interface FoundCharts {
  readonly charts: readonly { readonly place: string; readonly contents: () => Promise<ChartContents> }[];
  readonly belongs: (path: string) => boolean;
}

export function chartsAmong(paths: readonly string[], files: ClusterFiles): FoundCharts {
  const roots = paths
    .filter((path) => path.endsWith('/Chart.yaml'))
    .map((path) => path.slice(0, -'/Chart.yaml'.length))
    .sort((one, other) => one.length - other.length);
  const outermost: string[] = [];
  for (const root of roots)
    if (!outermost.some((other) => root.startsWith(`${other}/`))) outermost.push(root);
  const belongs = (path: string): boolean => outermost.some((root) => path.startsWith(`${root}/`));
  const packed = paths.filter((path) => path.endsWith('.tgz') && !belongs(path));
  const folders = outermost.sort().map((root) => ({
    place: root,
    contents: () => Promise.resolve(contentsOf(root, paths, files)),
  }));
  const archives = packed.map((path) => ({
    place: path,
    contents: async () => unpackChart(files.read(path), path),
  }));
  return { charts: [...folders, ...archives], belongs };
}

function contentsOf(root: string, paths: readonly string[], files: ClusterFiles): ChartContents {
  const inside = paths.filter((path) => path.startsWith(`${root}/`));
  return withoutIgnored(new Map(inside.map((path) => [path.slice(root.length + 1), files.read(path)])), root);
}

export async function findInCharts({ charts }: FoundCharts, options: ChartOptions): Promise<Findings> {
  const findings: Findings[] = [];
  for (const { place, contents } of charts) {
    try {
      findings.push(findInChart(await loadChart(await contents(), place), options));
    } catch (error) {
      if (!(error instanceof ChartError)) throw error;
      findings.push({ mentions: [], problems: [problemOf(error)] });
    }
  }
  return mergeFindings(findings);
}

function findInChart(chart: Chart, { values, release }: ChartOptions): Findings {
  const given = values
    .filter((each) => each.chart === '' || each.chart === chart.name)
    .reduce<ValueMap>((sum, each) => withDefaults(each.values, sum), new Map<string, Value>());
  const { rendered, failures } = renderChart(chart, given, release);
  const found = rendered.map(({ file, text, lineOf }) => {
    const { mentions, problems } = findInYaml(text, file);
    const atTemplate = (place: Place): Place => ({ file, line: place.line === 0 ? 0 : lineOf(place.line) });
    return {
      mentions: mentions.map((mention) => ({ ...mention, place: atTemplate(mention.place) })),
      problems: problems.map((problem) => ({ ...problem, place: atTemplate(problem.place) })),
    };
  });
  return mergeFindings([...found, { mentions: [], problems: failures.map(problemOf) }]);
}

const problemOf = ({ message, file, line }: ChartError): Findings['problems'][number] => ({
  place: { file, line },
  message,
});
