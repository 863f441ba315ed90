/** Container images that charts name once they are rendered, with the lines of the templates. */
import { loadChart, type Chart } from '../helm/chart.ts';
import { ChartError } from '../helm/chart-error.ts';
import { withDefaults } from '../helm/chart-values.ts';
import type { Release } from '../helm/release.ts';
import { renderChart } from '../helm/render.ts';
import type { Value, ValueMap } from '../helm/value.ts';
import type { FoundCharts } from './charts-among.ts';
import { mergeFindings, type Findings, type Place } from './image-mention.ts';
import { findInYaml } from './yaml-images.ts';

export interface ChartOptions {
  readonly release: Release;
  /** By name of the chart they are for; '' is every chart. Later ones win. */
  readonly values: readonly { readonly chart: string; readonly values: ValueMap }[];
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
