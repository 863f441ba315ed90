/** Which charts inside a chart are rendered, under which names, and what they hand up to its values. */
import type { Chart, Requirement } from './chart.ts';
import { coalesceValues, valueAt, withDefaults } from './chart-values.ts';
import { satisfies } from './functions/versions.ts';
import { FunctionError } from './template-error.ts';
import { isMap, type Value, type ValueMap } from './value.ts';

/** The chart with the subcharts that are on, each under its alias, and with imported values as defaults. */
export function resolveDependencies(chart: Chart, given: ValueMap): Chart {
  return importValues(enableSubcharts(chart, given, ''));
}

/** A chart that no entry is about is always on. */
function enableSubcharts(chart: Chart, given: ValueMap, prefix: string): Chart {
  const { requirements, subcharts } = chart;
  const unlisted = subcharts.filter(({ name }) => !requirements.some((entry) => entry.name === name));
  const listed = requirements.flatMap((entry) => {
    const found = subcharts.find((each) => isMeant(entry, each));
    if (found === undefined) return [];
    const name = entry.alias === '' ? found.name : entry.alias;
    return [{ entry, chart: { ...found, name } }];
  });
  const all = { ...chart, subcharts: [...unlisted, ...listed.map((each) => each.chart)] };
  const values = coalesceValues(all, given);
  const enabled = [
    ...unlisted,
    ...listed.filter(({ entry }) => isEnabled(entry, values)).map((each) => each.chart),
  ];
  return {
    ...chart,
    subcharts: enabled.map((each) => {
      const own = values.get(each.name);
      return enableSubcharts(each, isMap(own) ? own : new Map(), `${prefix}${each.name}.`);
    }),
  };
}

function isMeant({ name, version }: Requirement, chart: Chart): boolean {
  if (chart.name !== name) return false;
  const actual = chart.metadata.get('version');
  if (version === '' || typeof actual !== 'string') return true;
  try {
    return satisfies(version, actual);
  } catch (error) {
    if (error instanceof FunctionError) return version === actual;
    throw error;
  }
}

/** Conditions go before tags; what says nothing is on. */
function isEnabled({ condition, tags }: Requirement, values: ValueMap): boolean {
  for (const path of condition.split(',').map((each) => each.trim())) {
    const value = path === '' ? undefined : valueAt(values, path);
    if (typeof value === 'boolean') return value;
  }
  const said = tags
    .map((tag) => valueAt(values, `tags.${tag}`))
    .filter((value) => typeof value === 'boolean');
  return said.length === 0 || said.includes(true);
}

/** From the innermost chart up: what a chart imports are defaults of its own, below those it has. */
function importValues(chart: Chart): Chart {
  const subcharts = chart.subcharts.map(importValues);
  const inner = { ...chart, subcharts };
  const imports = chart.requirements.flatMap((entry) =>
    entry.importValues.map((what) => ({ name: entry.alias === '' ? entry.name : entry.alias, what })),
  );
  if (imports.length === 0) return inner;
  const values = coalesceValues(inner, new Map());
  const imported = imports.reduce<ValueMap>(
    (sum, each) => withDefaults(importedBy(values, each), sum),
    new Map<string, Value>(),
  );
  return { ...inner, values: withDefaults(chart.values, imported) };
}

/** `- exported` takes `exports.exported`; `{child, parent}` takes one path to another. */
function importedBy(
  values: ValueMap,
  { name, what }: { readonly name: string; readonly what: Value },
): ValueMap {
  if (typeof what === 'string') {
    const exported = valueAt(values, `${name}.exports.${what}`);
    return isMap(exported) ? exported : new Map();
  }
  if (!isMap(what)) return new Map();
  const [child, parent] = [what.get('child'), what.get('parent')];
  const found = typeof child === 'string' ? valueAt(values, `${name}.${child}`) : undefined;
  if (!isMap(found) || typeof parent !== 'string') return new Map();
  if (parent === '.') return found;
  return parent.split('.').reduceRight<ValueMap>((inside, key) => new Map([[key, inside]]), found);
}
