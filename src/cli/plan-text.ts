/** A plan for people. Pure; what it shows comes from files, so no control character gets through. */
import type { BuildPlan, StagePlan } from '../build/plan.ts';
import type { StepPlan } from '../build/plan-stage.ts';
import { DIALECTS } from '../kubefile/dialect.ts';
import { terminalText } from './terminal-text.ts';

/** Ends with a newline. */
export function formatPlan({ file, dialect, platforms }: BuildPlan): string {
  const lines = [
    `${file} as ${DIALECTS[dialect].syntax}`,
    ...platforms.flatMap(({ platform, stages }) => ['', platform, ...stages.flatMap(stageLines)]),
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
