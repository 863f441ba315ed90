/** A program of a sandbox on a terminal of its own, and ours as a pipe to it. */
import type { Outcome, SandboxOptions } from '../sys/sandbox.ts';
import type { PseudoTerminal } from '../sys/pty.ts';

export interface TerminalOptions {
  /** Ours is raw, so that Ctrl-C is the program's, until the last of its output is shown. */
  readonly interactive: boolean;
  /** What the program writes is shown here, and its terminal has this one's size. */
  readonly output: NodeJS.WriteStream;
}

/** Throws TOOL_MISSING where node-pty is not installed. */
export async function onTerminal(
  start: (streams: Pick<SandboxOptions, 'stdin' | 'terminal'>) => Promise<Outcome>,
  { interactive, output }: TerminalOptions,
): Promise<Outcome> {
  const size = (): { columns: number; rows: number } =>
    output.isTTY ? { columns: output.columns, rows: output.rows } : { columns: 80, rows: 24 };
  const { openPseudoTerminal, openRawMode } = await import('../sys/pty.ts');
  using _raw = interactive ? openRawMode(process.stdin) : undefined;
  await using terminal = openPseudoTerminal(size(), (data) => void output.write(data));
  using _input = interactive ? forwardInput(terminal) : undefined;
  const onResize = (): void => terminal.resize(size().columns, size().rows);
  output.on('resize', onResize);
  try {
    return await start({ stdin: terminal.slave, terminal: terminal.slave });
  } finally {
    output.off('resize', onResize);
  }
}

function forwardInput(terminal: PseudoTerminal): Disposable {
  const { stdin } = process;
  const onData = (data: Buffer): void => terminal.write(data);
  const onEnd = (): void => terminal.end();
  stdin.on('data', onData).on('end', onEnd);
  return {
    [Symbol.dispose]: () => {
      stdin.off('data', onData).off('end', onEnd).pause();
    },
  };
}
