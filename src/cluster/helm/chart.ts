/** Charts as values: what is in Chart.yaml, the templates, the default values, and the charts inside. */
import { decompress } from '../../layer/decompress.ts';
import { readTar } from '../../layer/tar-reader.ts';
import { once } from '../../transfer/once.ts';
import { readValues, YamlError } from '../yaml/values.ts';
import { ChartError } from './chart-error.ts';
import { isList, isMap, type Value, type ValueMap } from './value.ts';

export interface Chart {
  readonly name: string;
  readonly metadata: ValueMap;
  readonly values: ValueMap;
  /** Path in the chart (`templates/web.yaml`) and text. */
  readonly templates: readonly ChartFile[];
  /** Everything that is neither template nor values nor another chart. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly subcharts: readonly Chart[];
  readonly requirements: readonly Requirement[];
  /** Where it was found, for messages. */
  readonly place: string;
}

export interface ChartFile {
  readonly path: string;
  readonly text: string;
}

/** An entry of `dependencies`. */
export interface Requirement {
  readonly name: string;
  readonly version: string;
  readonly alias: string;
  /** Paths in the values, of which the first that says something decides. */
  readonly condition: string;
  readonly tags: readonly string[];
  readonly importValues: readonly Value[];
}

/** Paths in the chart, without its own folder. */
export type ChartContents = ReadonlyMap<string, Buffer>;

const CHART_FILES_LIMIT = 20_000;
const CHART_BYTES_LIMIT = 256 << 20;
const DEPTH_LIMIT = 10;

/** Throws ChartError for what is no chart. */
export async function loadChart(contents: ChartContents, place: string, depth = 0): Promise<Chart> {
  if (depth > DEPTH_LIMIT) throw new ChartError('charts in charts in charts without end', place);
  const metadata = readMap(contents, 'Chart.yaml', place);
  const name = metadata.get('name');
  if (typeof name !== 'string' || !/^[\w.-]+$/.test(name))
    throw new ChartError('Chart.yaml has no name', `${place}/Chart.yaml`);
  const own = [...contents].filter(([path]) => !path.startsWith('charts/'));
  const templates = own
    .filter(([path]) => path.startsWith('templates/'))
    .map(([path, bytes]) => ({ path, text: bytes.toString('utf8').replace(/^\ufeff/, '') }));
  const isApart = (path: string): boolean =>
    path.startsWith('templates/') || APART.has(path) || path.startsWith('crds/');
  return {
    name,
    metadata,
    values: contents.has('values.yaml') ? readMap(contents, 'values.yaml', place) : new Map(),
    templates,
    files: new Map(own.filter(([path]) => !isApart(path))),
    subcharts: await loadSubcharts(contents, place, depth),
    requirements: requirementsOf(metadata, contents, place),
    place,
  };
}

const APART: ReadonlySet<string> = new Set([
  'Chart.yaml',
  'Chart.lock',
  'values.yaml',
  'values.schema.json',
  'requirements.yaml',
  'requirements.lock',
]);

function readMap(contents: ChartContents, path: string, place: string): ValueMap {
  const bytes = contents.get(path);
  if (bytes === undefined) throw new ChartError(`${path} is missing`, place);
  try {
    const value = readValues(bytes.toString('utf8'));
    if (value === null) return new Map();
    if (isMap(value)) return value;
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    throw new ChartError(`no YAML: ${error.message}`, `${place}/${path}`, error.line);
  }
  throw new ChartError('it is no mapping', `${place}/${path}`);
}

/** Folders and packed charts in `charts/`; names that begin with `_` or `.` do not count. */
async function loadSubcharts(contents: ChartContents, place: string, depth: number): Promise<Chart[]> {
  const groups = new Map<string, Map<string, Buffer>>();
  for (const [path, bytes] of contents) {
    const [folder, name = '', ...rest] = path.split('/');
    if (folder !== 'charts' || /^[_.]/.test(name) || name === '') continue;
    const group = groups.get(name) ?? new Map<string, Buffer>();
    groups.set(name, group.set(rest.join('/'), bytes));
  }
  const charts: Chart[] = [];
  for (const [name, group] of [...groups].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const inside = `${place}/charts/${name}`;
    const packed = group.get('');
    if (packed !== undefined && /\.tgz$|\.tar\.gz$/.test(name))
      charts.push(await loadChart(await unpackChart(packed, inside), inside, depth + 1));
    else if (group.has('Chart.yaml')) charts.push(await loadChart(group, inside, depth + 1));
  }
  return charts;
}

/** A packed chart: one folder with everything in it. Throws ChartError. */
export async function unpackChart(bytes: Buffer, place: string): Promise<ChartContents> {
  const contents = new Map<string, Buffer>();
  try {
    const { data } = await decompress(once(bytes));
    let bytesLeft = CHART_BYTES_LIMIT;
    let filesLeft = CHART_FILES_LIMIT;
    for await (const entry of readTar(data)) {
      const path = Buffer.from(entry.path, 'latin1').toString('utf8').replace(/^\.\//, '');
      const inside = path.slice(path.indexOf('/') + 1);
      if (entry.type !== 'file' || !path.includes('/') || inside.split('/').includes('..')) continue;
      bytesLeft -= entry.size;
      filesLeft -= 1;
      if (bytesLeft < 0 || filesLeft < 0) throw new ChartError('the packed chart is too large', place);
      const chunks: Buffer[] = [];
      for await (const chunk of entry.body()) chunks.push(Buffer.from(chunk));
      contents.set(inside, Buffer.concat(chunks));
    }
  } catch (error) {
    throw new ChartError(error instanceof Error ? error.message : String(error), place);
  }
  return contents;
}

/** Of Chart.yaml, or of the requirements.yaml of old charts. */
function requirementsOf(metadata: ValueMap, contents: ChartContents, place: string): Requirement[] {
  const old = contents.has('requirements.yaml')
    ? readMap(contents, 'requirements.yaml', place).get('dependencies')
    : undefined;
  const listed = metadata.get('dependencies') ?? old;
  if (!isList(listed)) return [];
  return listed.filter(isMap).map((entry) => {
    const text = (key: string): string => {
      const value = entry.get(key);
      return typeof value === 'string' ? value : '';
    };
    const many = (key: string): readonly Value[] => {
      const value = entry.get(key);
      return isList(value) ? value : [];
    };
    return {
      name: text('name'),
      version: text('version'),
      alias: text('alias'),
      condition: text('condition'),
      tags: many('tags').filter((tag) => typeof tag === 'string'),
      importValues: many('import-values'),
    };
  });
}
