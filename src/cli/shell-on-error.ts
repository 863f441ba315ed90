/** `--shell-on-error`: a look around in a failed RUN's sandbox, before the build ends as it would have anyway. */
import type { FailedStep } from '../build/options.ts';
import type { Reporter } from '../events.ts';
import { ArchBuildError } from '../errors.ts';
import { onStderr as chalk } from './colours.ts';
import { printError } from './explain.ts';
import { onTerminal } from './on-terminal.ts';
import { canAsk } from './prompt.ts';
import { terminalText } from './terminal-text.ts';

/** Undefined, after a warning, where nobody could type. */
export function shellOnError(report: Reporter): ((step: FailedStep) => Promise<void>) | undefined {
  if (canAsk()) return openShell;
  report({
    type: 'warning',
    text: '--shell-on-error has no effect here: it needs a terminal at stdin and stderr',
  });
  return undefined;
}

async function openShell(step: FailedStep): Promise<void> {
  process.stderr.write(`${introduction(step)}\n`);
  try {
    await onTerminal((streams) => step.enter(streams), { interactive: true, output: process.stderr });
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code === 'INTERRUPTED') throw error;
    process.stderr.write('there is no shell to be had:\n');
    printError(error); // what the build fails with is the step's own error, all the same
  }
}

function introduction({ name: { platform, stage, index, total }, text, error }: FailedStep): string {
  return [
    '',
    `${chalk.red('failed:')} [${platform} ${stage} ${index}/${total}] ${terminalText(text.trim().split('\n', 1)[0] ?? '')}`,
    `        ${terminalText(error.message)}`,
    'This is a shell in the sandbox of that step, with the files as it left them. `exit` ends it and the build, which',
    'fails with the error above; nothing that is done here is kept.',
  ].join('\n');
}
