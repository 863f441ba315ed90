/** The values a chart and the charts in it are rendered with: defaults, what is above them, and what the user gives. */
import type { Chart } from './chart.ts';
import { copyValue, isMap, type Value, type ValueMap } from './value.ts';

const GLOBAL = 'global';

/** `given` wins over the chart's defaults, a null in it deletes, and every subchart gets a map of its own with `global`. */
export function coalesceValues(chart: Chart, given: ValueMap): Map<string, Value> {
  const values = withDefaults(given, chart.values);
  for (const subchart of chart.subcharts) {
    const known = values.get(subchart.name);
    if (known !== undefined && known !== null && !isMap(known)) continue; // what it is not, Helm warns of
    const own = withGlobals(isMap(known) ? known : new Map(), values);
    values.set(subchart.name, coalesceValues(subchart, own));
  }
  return values;
}

/** Maps are merged, anything else of `values` stands. */
export function withDefaults(values: ValueMap, defaults: ValueMap): Map<string, Value> {
  const merged = new Map<string, Value>();
  for (const [key, value] of values) {
    const fallback = defaults.get(key);
    if (value === null && defaults.has(key)) continue; // deleted
    merged.set(key, isMap(value) && isMap(fallback) ? withDefaults(value, fallback) : copyValue(value));
  }
  for (const [key, value] of defaults) if (!values.has(key)) merged.set(key, copyValue(value));
  return merged;
}

/** What is global above counts below, over what is global there. */
function withGlobals(values: ValueMap, above: ValueMap): Map<string, Value> {
  const own = values.get(GLOBAL);
  const outer = above.get(GLOBAL);
  const globals = withDefaults(isMap(outer) ? outer : new Map(), isMap(own) ? own : new Map());
  return new Map([...values, [GLOBAL, globals]]);
}

/** `a.b.c`; undefined when there is nothing. */
export function valueAt(values: ValueMap, path: string): Value | undefined {
  let found: Value | undefined = values;
  for (const key of path.split('.')) found = isMap(found) ? found.get(key) : undefined;
  return found;
}
