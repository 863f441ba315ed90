/** The report of doctor for people. Pure: report in, text out. */
import { Chalk, type ChalkInstance } from 'chalk';
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
  const { platform, buildable, rung, proved, asked, emulator, millisecondsPerProgram, reasons } = answer;
  const missing = asked ? chalk.red('✗') : chalk.dim('·');
  const mark = buildable ? chalk.green('✓') : missing;
  if (!buildable) return [`  ${mark} ${platform.padEnd(width)}  ${reasons.join('; ')}`];
  const words = [
    rung === 'native' ? 'native' : `emulated (${rung ?? ''}${proved ? '' : ', not tried'})`,
    ...(emulator === undefined ? [] : [`qemu ${emulator.version}`]),
    ...(millisecondsPerProgram === undefined
      ? []
      : [`about ${Math.round(millisecondsPerProgram)} ms per program`]),
  ];
  const better = reasons.map((reason) => `      ${chalk.dim(`not ${reason}`)}`);
  return [`  ${mark} ${platform.padEnd(width)}  ${words.join(', ')}`, ...better];
}

function checkLines({ state, title, found, why, fix }: CheckResult, chalk: ChalkInstance): string[] {
  const marks = { ok: chalk.green('✓'), info: chalk.dim('·'), warn: chalk.yellow('!'), fail: chalk.red('✗') };
  return [
    `  ${marks[state]} ${title}: ${found}`,
    ...(why === undefined ? [] : [`      ${why}`]),
    ...(fix === undefined ? [] : [`      ${chalk.cyan('fix:')} ${fix}`]),
  ];
}
