/** Which files are charts: told by their paths alone, so that a build without any never loads what renders them. */
import type { ChartContents } from '../helm/chart.ts';
import type { ClusterFiles } from './cluster-files.ts';

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
    contents: () => contentsOf(root, paths, files),
  }));
  const archives = packed.map((path) => ({
    place: path,
    contents: async () => (await import('../helm/chart.ts')).unpackChart(files.read(path), path),
  }));
  return { charts: [...folders, ...archives], belongs };
}

async function contentsOf(
  root: string,
  paths: readonly string[],
  files: ClusterFiles,
): Promise<ChartContents> {
  const { withoutIgnored } = await import('../helm/chart-ignore.ts');
  const inside = paths.filter((path) => path.startsWith(`${root}/`));
  return withoutIgnored(new Map(inside.map((path) => [path.slice(root.length + 1), files.read(path)])), root);
}
