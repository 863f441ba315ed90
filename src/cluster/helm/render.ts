/** A chart to texts, as `helm template` makes them: one set of templates for the chart and all charts in it. */
import { Budget } from './budget.ts';
import type { Chart } from './chart.ts';
import { ChartError } from './chart-error.ts';
import { coalesceValues } from './chart-values.ts';
import { clusterObjects } from './cluster-objects.ts';
import type { Release } from './release.ts';
import { resolveDependencies } from './dependencies.ts';
import { execute, NO_VALUE, type Execution } from './evaluate.ts';
import { chartFiles } from './chart-files.ts';
import { text } from './functions/arguments.ts';
import { FUNCTIONS, LANGUAGE } from './functions/all.ts';
import type { Template, TemplateSet } from './nodes.ts';
import type { Output } from './output.ts';
import { isEmpty, parseTemplate } from './parse-template.ts';
import { FunctionError, TemplateError } from './template-error.ts';
import { isMap, type TemplateFunction, type Value, type ValueMap } from './value.ts';

export interface RenderedTemplate {
  /** Of the template, below the place of the chart. */
  readonly file: string;
  readonly text: string;
  /** The template's line behind a line of the text. */
  readonly lineOf: (line: number) => number;
}

export interface RenderResult {
  readonly rendered: readonly RenderedTemplate[];
  /** Templates that could not be rendered. */
  readonly failures: readonly ChartError[];
}

/** What `include` may call before somebody is lost in it. */
const INCLUDE_DEPTH = 1000;

/** What cannot be rendered is reported, the rest is rendered all the same. */
export function renderChart(chart: Chart, given: ValueMap, release: Release): RenderResult {
  const resolved = resolveDependencies(chart, given);
  const values = coalesceValues(resolved, given);
  const sources = sourcesOf(resolved, values, { release, path: resolved.name, isRoot: true });
  const failures: ChartError[] = [];
  const templates = parseAll(sources, failures);
  const execution = executionOf(templates);
  const rendered: RenderedTemplate[] = [];
  for (const { name, data, file, isRendered } of sources) {
    if (!isRendered || !templates.has(name)) continue;
    try {
      const output = execute(name, data, execution);
      rendered.push({ file, text: textOf(output), lineOf: (line) => output.templateLine(line) });
    } catch (error) {
      failures.push(failureOf(error, file, sources));
    }
  }
  return { rendered, failures };
}

interface Source {
  /** `web/templates/service.yaml` */
  readonly name: string;
  readonly text: string;
  readonly data: Value;
  /** Below the place of the chart. */
  readonly file: string;
  readonly isRendered: boolean;
}

interface Position {
  readonly release: Release;
  readonly path: string;
  readonly isRoot: boolean;
}

/** Those of inner charts first: what is defined twice, the outermost decides. */
function sourcesOf(chart: Chart, values: ValueMap, { release, path, isRoot }: Position): Source[] {
  const inner = chart.subcharts.flatMap((subchart) => {
    const own = values.get(subchart.name);
    const position = { release, path: `${path}/charts/${subchart.name}`, isRoot: false };
    return sourcesOf(subchart, isMap(own) ? own : new Map(), position);
  });
  const objects = { ...clusterObjects(chart, release, isRoot), Files: chartFiles(chart.files) };
  const isLibrary = chart.metadata.get('type') === 'library';
  const own = chart.templates.map(({ path: template, text: content }): Source => {
    const name = `${path}/${template}`;
    const base = template.slice(template.lastIndexOf('/') + 1);
    return {
      name,
      text: content,
      data: new Map<string, Value>([
        ...Object.entries(objects),
        ['Values', values],
        [
          'Template',
          new Map([
            ['Name', name],
            ['BasePath', `${path}/templates`],
          ]),
        ],
      ]),
      file: `${chart.place}/${template}`,
      isRendered: !base.startsWith('_') && base !== 'NOTES.txt' && !isLibrary,
    };
  });
  return [...inner, ...own];
}

function parseAll(sources: readonly Source[], failures: ChartError[]): TemplateSet {
  const names = new Set([...FUNCTIONS.keys(), ...LANGUAGE, 'include', 'tpl']);
  const templates: TemplateSet = new Map();
  for (const { name, text: content, file } of sources) {
    try {
      for (const template of parseTemplate(content, name, names).values()) define(templates, template);
    } catch (error) {
      failures.push(failureOf(error, file, sources));
    }
  }
  return templates;
}

function define(templates: TemplateSet, template: Template): void {
  if (isEmpty(template.nodes) && templates.has(template.name)) return;
  templates.set(template.name, template);
}

/** `include` and `tpl` run templates of the set that they are part of. */
function executionOf(templates: TemplateSet): Execution {
  const budget = new Budget();
  let depth = 0;
  const nested = (work: () => Output): string => {
    if (++depth > INCLUDE_DEPTH) throw new FunctionError('includes go round in circles');
    try {
      return textOf(work());
    } finally {
      depth--;
    }
  };
  const functions = new Map<string, TemplateFunction>(FUNCTIONS);
  const execution: Execution = { templates, functions, budget };
  functions.set('include', (name, data = null) => nested(() => execute(text(name), data, execution)));
  functions.set('tpl', (template, data = null) => {
    const name = nameOfTemplate(data);
    const own = parseTemplate(text(template), name, new Set([...functions.keys(), ...LANGUAGE]));
    return nested(() => execute(name, data, { ...execution, templates: new Map([...templates, ...own]) }));
  });
  return execution;
}

/** Mistakes in a text are told where it was used. */
function nameOfTemplate(data: Value): string {
  const template = isMap(data) ? data.get('Template') : undefined;
  const name = isMap(template) ? template.get('Name') : undefined;
  return typeof name === 'string' ? name : 'gotpl';
}

const textOf = (output: Output): string => output.text.replaceAll(NO_VALUE, '');

/** In terms of files instead of names of templates. */
function failureOf(error: unknown, file: string, sources: readonly Source[]): ChartError {
  if (error instanceof TemplateError) {
    const where = sources.find(({ name }) => name === error.template)?.file ?? file;
    return new ChartError(error.message, where, error.line);
  }
  if (error instanceof FunctionError) return new ChartError(error.message, file);
  if (error instanceof RangeError) return new ChartError('nested too deep', file);
  throw error;
}
