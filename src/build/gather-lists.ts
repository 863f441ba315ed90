/** What the user says about container images, read: lists, and values of charts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChartOptions } from '../cluster/find/chart-images.ts';
import { AUTH_LIST, type FindOptions, type ListFile } from '../cluster/find/find-images.ts';
import { DEFAULT_RELEASE } from '../cluster/helm/release.ts';
import type { ValueMap } from '../cluster/helm/value.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { BuildOptions, GatherOptions } from './options.ts';

/** Throws GATHER naming the file that cannot be used. */
export async function readFindOptions(
  options: Pick<BuildOptions, 'context'>,
  gather: GatherOptions,
): Promise<FindOptions> {
  return {
    imageLists: gather.imageLists.map(readList),
    ignoredLists: gather.ignoredLists.map(readList),
    authLists: authListsOf(options, gather).map(readList),
    listsOnly: gather.listsOnly,
    charts: await chartOptions(gather),
  };
}

async function chartOptions({ chartValues, kubeVersion }: GatherOptions): Promise<ChartOptions> {
  const values = chartValues.map(async ({ chart, path }) => ({ chart, values: await readChartValues(path) }));
  return {
    release: { ...DEFAULT_RELEASE, ...(kubeVersion === undefined ? {} : { kubeVersion }) },
    values: await Promise.all(values),
  };
}

async function readChartValues(path: string): Promise<ValueMap> {
  const { readValues, YamlError } = await import('../cluster/yaml/values.ts');
  try {
    const value = readValues(readList(path).text);
    if (value instanceof Map) return value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new ArchBuildError('GATHER', `${path} is no YAML: ${error.message}`, { cause: error });
  }
  throw new ArchBuildError('GATHER', `${path} is no mapping of values`);
}

/** The context's own counts without being named, as sealer has it. */
function authListsOf(
  { context }: Pick<BuildOptions, 'context'>,
  { authLists }: GatherOptions,
): readonly string[] {
  const own = join(context, AUTH_LIST);
  return existsSync(own) && !authLists.includes(own) ? [...authLists, own] : authLists;
}

function readList(path: string): ListFile {
  try {
    return { path, text: readFileSync(path, 'utf8') };
  } catch (cause) {
    throw new ArchBuildError('GATHER', `cannot read ${path}: ${systemErrorCode(cause) ?? String(cause)}`, {
      cause,
    });
  }
}
