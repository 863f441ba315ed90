/** The entry point: argv in, exit status out; signals become one AbortSignal, the second one ends at once. */
import { exitStatusOf, printError } from './cli/explain.ts';
import { run } from './cli/program.ts';

const INTERRUPTED = 130;
const UNFINISHED = 13; // as Node says it of a module

const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort(name);
  });
}
// A reader that has seen enough (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

// Nobody reads our progress any more: the work goes on all the same.
process.stderr.on('error', () => undefined);

// Until there is an answer there is none: also when the program ends because nothing is left to wait for.
process.exitCode = UNFINISHED;
void main();

async function main(): Promise<void> {
  try {
    process.exitCode = await run(process.argv.slice(2), controller.signal);
  } catch (error) {
    const shown = controller.signal.aborted ? undefined : error;
    if (shown === undefined) process.stderr.write('interrupted\n');
    else printError(shown);
    process.exitCode = shown === undefined ? INTERRUPTED : exitStatusOf(shown);
  }
}
