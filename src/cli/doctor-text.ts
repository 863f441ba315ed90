/** The report of doctor for people. Pure: report in, text out. */
import { Chalk, type ChalkInstance } from 'chalk';
import type { FixOutcome } from '../emulation/doctor-fix.ts';
import type { CheckResult, DoctorReport, PlatformAnswer } from '../emulation/doctor.ts';

export interface DoctorTextOptions {
  readonly color: boolean;
}

/** Ends with a newline. Symbols tell the state also without colour. */
export function formatDoctor(report: DoctorReport, { color }: DoctorTextOptions): string {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  const width = Math.max(0, ...report.platforms.map(({ platform }) => platform.length));
  const lines = [
    chalk.bold('Platforms'),
    ...report.platforms.flatMap((answer) => platformLines(answer, width, chalk)),
    '',
    chalk.bold('Checks'),
    ...report.checks.flatMap((check) => checkLines(check, chalk)),
    '',
    SUMMARY[report.state],
  ];
  return `${lines.join('\n')}\n`;
}

const SUMMARY: Readonly<Record<DoctorReport['state'], string>> = {
  ok: 'This host is in order.',
  warn: 'This host can build; see the lines marked ! for what could be better.',
  fail: 'Something is missing; see the lines marked ✗ and their fix.',
};

function platformLines(answer: PlatformAnswer, width: number, chalk: ChalkInstance): string[] {
  const { platform, buildable, rung, asked, reasons, improvements } = answer;
  const missing = asked ? chalk.red('✗') : chalk.dim('·');
  const name = `${buildable ? chalk.green('✓') : missing} ${platform.padEnd(width)}`;
  const better = improvements.map((fix) => `      ${chalk.cyan(buildable ? 'better:' : 'needs:')} ${fix}`);
  if (!buildable) return [`  ${name}  ${reasons.join('; ')}`, ...(asked ? better : [])];
  if (rung === 'native') return [`  ${name}  native`];
  return [
    `  ${name}  ${emulatedWords(answer)}`,
    ...reasons.map((reason) => `      ${chalk.dim(`not ${reason}`)}`),
    ...better,
  ];
}

function emulatedWords({ rung, rungs, emulator, millisecondsPerProgram }: PlatformAnswer): string {
  const step = rungs.find((each) => each.rung === rung)?.millisecondsPerStep;
  return [
    `emulated (${rung ?? ''})`,
    ...(emulator === undefined ? [] : [`qemu ${emulator.version}`]),
    ...(millisecondsPerProgram === undefined
      ? []
      : [`about ${Math.round(millisecondsPerProgram)} ms per program`]),
    ...(step === undefined ? [] : [`${Math.round(step)} ms per step`]),
  ].join(', ');
}

function checkLines({ state, title, found, why, fix }: CheckResult, chalk: ChalkInstance): string[] {
  const marks = { ok: chalk.green('✓'), info: chalk.dim('·'), warn: chalk.yellow('!'), fail: chalk.red('✗') };
  return [
    `  ${marks[state]} ${title}: ${found}`,
    ...(why === undefined ? [] : [`      ${why}`]),
    ...(fix === undefined ? [] : [`      ${chalk.cyan('fix:')} ${fix}`]),
  ];
}

/** What --fix did; stands before the report of afterwards. */
export function formatFixes(fixes: readonly FixOutcome[], { color }: DoctorTextOptions): string {
  const chalk = new Chalk({ level: color ? 1 : 0 });
  const marks = { done: chalk.green('✓'), failed: chalk.red('✗'), 'needs you': chalk.yellow('!') };
  const lines = fixes.flatMap(({ state, what, words }) => [
    `  ${marks[state]} ${state}: ${what}`,
    ...(words === undefined ? [] : words.split('\n').map((line) => `      ${line}`)),
  ]);
  return `${[chalk.bold('Fixes'), ...(lines.length > 0 ? lines : ['  nothing to do']), ''].join('\n')}\n`;
}
