/** What the user says about container images, read: lists, and values of charts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AUTH_LIST } from '../cluster/find/auth-list.ts';
import type { ChartOptions } from '../cluster/find/chart-images.ts';
import type { FindOptions, ListFile } from '../cluster/find/find-images.ts';
import { DEFAULT_RELEASE } from '../cluster/helm/cluster-objects.ts';
import type { ValueMap } from '../cluster/helm/value.ts';
import { readValues, YamlError } from '../cluster/yaml/values.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { BuildOptions, GatherOptions } from './options.ts';

/** Throws GATHER naming the file that cannot be used. */
export function readFindOptions(options: Pick<BuildOptions, 'context'>, gather: GatherOptions): FindOptions {
  return {
    imageLists: gather.imageLists.map(readList),
    ignoredLists: gather.ignoredLists.map(readList),
    authLists: authListsOf(options, gather).map(readList),
    listsOnly: gather.listsOnly,
    charts: chartOptions(gather),
  };
}

function chartOptions({ chartValues, kubeVersion }: GatherOptions): ChartOptions {
  return {
    release: { ...DEFAULT_RELEASE, ...(kubeVersion === undefined ? {} : { kubeVersion }) },
    values: chartValues.map(({ chart, path }) => ({ chart, values: readChartValues(path) })),
  };
}

function readChartValues(path: string): ValueMap {
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
