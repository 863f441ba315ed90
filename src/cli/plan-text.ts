/** A plan for people. Pure; what it shows comes from files, so no control character gets through. */
import type { BuildPlan, StagePlan } from '../build/plan.ts';
import type { StepPlan } from '../build/plan-stage.ts';
import type { CachePlan, GatherPlan, OutputPlan } from '../build/plan-results.ts';
import { formatPlace, type Place } from '../cluster/find/image-mention.ts';
import { DIALECTS } from '../kubefile/dialect.ts';
import { terminalText } from './terminal-text.ts';

/** Ends with a newline. */
export function formatPlan(plan: BuildPlan): string {
  const { file, dialect, platforms } = plan;
  const lines = [
    `${file} as ${DIALECTS[dialect].syntax}`,
    ...platforms.flatMap(({ platform, stages }) => ['', platform, ...stages.flatMap(stageLines)]),
    ...afterwards(plan),
  ];
  return `${lines.map(terminalText).join('\n')}\n`;
}

const FROM: Readonly<Record<StagePlan['base']['from'], string>> = {
  scratch: 'nothing',
  stage: 'an earlier stage',
  context: 'a named build context',
  store: 'in the store',
  registry: 'to be fetched from its registry',
  kit: 'to be taken from the kit',
  nowhere: 'not in the store, and nothing may be fetched',
  'left out': '',
};

function stageLines({ index, name, neededBy, base, steps }: StagePlan): string[] {
  const title = `  stage ${index}${name === undefined ? '' : ` ${name}`}`;
  if (neededBy.length === 0) return [`${title}: left out, nothing needs it`];
  return [
    `${title}: needed by ${neededBy.join(', ')}`,
    `    from     ${base.image} for ${base.platform}: ${FROM[base.from]}`,
    ...steps.flatMap(stepLines),
  ];
}

function stepLines({
  line,
  instruction,
  expanded,
  cache,
  key,
  because,
  mounts = [],
  sandbox = [],
}: StepPlan): string[] {
  const details = [
    ...(expanded === undefined || expanded === instruction ? [] : [`= ${firstLine(expanded)}`]),
    ...(key === undefined ? [] : [`key ${key}`]),
    ...(because === undefined ? [] : [`no key: ${because}`]),
    ...mounts.map((mount) => `--mount=${mount}`),
    ...sandbox.map((operation) => `  ${firstLine(operation)}`),
  ];
  return [
    `    ${cache.padEnd(8)} ${line}: ${firstLine(instruction)}`,
    ...details.map((detail) => `             ${detail}`),
  ];
}

function firstLine(text: string): string {
  const [line = '', ...rest] = text.trim().split('\n');
  return rest.length === 0 ? line : `${line} …`;
}

/** What comes after the last step of all platforms. */
function afterwards({ gather, audit, outputs, tags, caches: { from, to } }: BuildPlan): string[] {
  const allowed =
    audit === undefined || audit.allow.length === 0 ? '' : `, but for ${audit.allow.join(', ')}`;
  const lines = [
    ...(gather === undefined ? [] : gatherLines(gather)),
    ...(audit === undefined
      ? []
      : [`  audit    ${audit.policy} for programs of other machines in the result${allowed}`]),
    ...outputs.map((output) => `  output   ${outputText(output)}`),
    ...tags.map((tag) => `  tag      ${tag}`),
    ...from.map((cache) => `  cache    from ${cache}`),
    ...to.map((cache) => `  cache    ${cacheText(cache)}`),
  ];
  return lines.length === 0 ? [] : ['', 'after the last step', ...lines];
}

function gatherLines(gather: GatherPlan): string[] {
  const { imageLists, authLists, ignoredLists, chartValues, sources, lock, locked, kubeVersion } = gather;
  const where = gather.listsOnly ? 'lists of images only' : 'lists, YAML, charts and applications';
  const values = chartValues.map(({ chart, path }) => (chart === '' ? path : `${chart}=${path}`));
  const details: readonly (readonly [string, readonly string[]])[] = [
    ['list', imageLists],
    ['list with passwords', authLists],
    ['left out', ignoredLists],
    ['chart values', values],
    ['Kubernetes', kubeVersion === undefined ? [] : [kubeVersion]],
    ['source', sources],
    [locked ? 'lock, nothing else' : 'lock', lock === undefined ? [] : [lock]],
  ];
  return [
    `  gather   the container images that the result names: ${where}`,
    ...details.flatMap(([name, words]) => words.map((word) => `             ${name}: ${word}`)),
    `             the context and the lists name ${countText(gather.images.length)}; bases and steps may bring more`,
    ...gather.images.map(({ name, places }) => `               ${name} (${placesText(places)})`),
    ...gather.problems.map(({ message, ...place }) => `               ${formatPlace(place)}: ${message}`),
  ];
}

const placesText = (places: readonly Place[]): string => [...new Set(places.map(formatPlace))].join(', ');

const countText = (count: number): string => (count === 1 ? 'one image' : `${count || 'no'} images`);

function outputText(output: OutputPlan): string {
  const names = 'names' in output && output.names.length > 0 ? ` as ${output.names.join(', ')}` : '';
  if (!('dest' in output))
    return `${output.type}${'directory' in output ? ` ${output.directory}` : ''}${names}`;
  return `${output.type} ${output.dest === '-' ? 'on standard output' : output.dest}${names}`;
}

const cacheText = ({ to, mode }: CachePlan): string =>
  mode === undefined ? `in the image (${to})` : `to ${to}, mode ${mode}`;
