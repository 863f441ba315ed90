/** Where a build tells what it does: standard error, or the files of `--logfile` and `--rusage-logfile`. */
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import type { BuildFlags } from './flags.ts';
import type { Globals } from './globals.ts';
import { openLogFile, splitName, splitReporter } from './log-files.ts';
import { createReporter } from './reporter.ts';
import { createUsageReporter } from './usage-reporter.ts';

export type ReportFlags = Pick<
  BuildFlags,
  'quiet' | 'progress' | 'logfile' | 'logsplit' | 'logRusage' | 'rusageLogfile'
>;

export interface BuildReport extends Disposable {
  readonly report: Reporter;
}

/** The caller disposes it, at the end of the build. Throws USAGE, and IO for a file that cannot be written. */
export function openBuildReport(
  { debug }: Pick<Globals, 'debug'>,
  flags: ReportFlags,
  platforms: readonly string[],
): BuildReport {
  if (flags.logsplit === true && flags.logfile === undefined) throw needs('--logsplit', '--logfile');
  if (flags.rusageLogfile !== undefined && flags.logRusage !== true)
    throw needs('--rusage-logfile', '--log-rusage');
  const ends: (() => void)[] = [];
  const end = (): void => {
    for (const each of ends.splice(0).reverse()) each();
  };
  const open = (path: string): ((text: string) => void) => {
    const file = openLogFile(path);
    ends.push(() => file[Symbol.dispose]());
    return file.write;
  };
  try {
    const progress = progressReporter(flags, { debug, platforms, open });
    const report = withUsage(progress, flags, { open, atEnd: (work) => void ends.push(work) });
    return { report, [Symbol.dispose]: end };
  } catch (error) {
    end();
    throw error;
  }
}

const needs = (option: string, other: string): ArchBuildError =>
  new ArchBuildError('USAGE', `${option} needs ${other}`);

interface Surroundings {
  readonly debug: boolean;
  readonly platforms: readonly string[];
  readonly open: (path: string) => (text: string) => void;
}

function progressReporter(
  { quiet, progress, logfile, logsplit }: ReportFlags,
  { debug, platforms, open }: Surroundings,
): Reporter {
  const mode = quiet === true ? 'quiet' : progress;
  if (logfile === undefined) return createReporter(mode, { debug });
  const into = (path: string): Reporter => createReporter(mode, { debug, write: open(path) });
  const toFile =
    logsplit === true
      ? splitReporter(new Map(platforms.map((platform) => [platform, into(splitName(logfile, platform))])))
      : into(logfile);
  const warn = createReporter('quiet', { debug }); // whoever waits at a terminal still hears of these
  return (event) => {
    toFile(event);
    warn(event);
  };
}

/** The lines of what was used go where the others do, unless they have a file of their own. */
function withUsage(
  progress: Reporter,
  { logRusage, rusageLogfile }: ReportFlags,
  { open, atEnd }: Pick<Surroundings, 'open'> & { readonly atEnd: (work: () => void) => void },
): Reporter {
  if (logRusage !== true) return progress;
  const lines =
    rusageLogfile === undefined
      ? progress
      : createReporter('plain', { debug: false, write: open(rusageLogfile) });
  const usage = createUsageReporter((event) => (event.type === 'usage' ? lines : progress)(event));
  atEnd(() => usage.end());
  return usage.report;
}
