/** How `pull` and `push` show what they do: lines, and on a terminal below them what is on its way. */
import type { Reporter } from '../events.ts';
import { reporterFor, type Globals } from './globals.ts';
import { createReporter } from './reporter.ts';
import { TransferProgress } from './transfer-progress.ts';

const USUAL_COLUMNS = 80;

export function transferReporter(globals: Globals): Reporter {
  const { stderr } = process;
  if (!stderr.isTTY || globals.debug) return reporterFor(globals);
  const progress = new TransferProgress(
    (text) => void stderr.write(text),
    () => stderr.columns || USUAL_COLUMNS,
  );
  const lines = createReporter('plain', { debug: false, write: (text) => progress.print(text) });
  return (event) => {
    if (event.type === 'transfer') progress.update(event);
    lines(event);
  };
}
