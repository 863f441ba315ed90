/** Questions on the terminal. They and their answers never touch stdout, which is for the answer of the command. */
import { StringDecoder } from 'node:string_decoder';
import { ArchBuildError } from '../errors.ts';

export interface Question {
  readonly text: string;
  /** What is typed is not shown. */
  readonly secret?: boolean;
}

const ENTER = /^[\r\n]$/;
const ERASE = /^[\u0008\u007f]$/;
const ERASE_LINE = '\u0015';
const [INTERRUPT, END] = ['\u0003', '\u0004'];

export const canAsk = (): boolean => process.stdin.isTTY && process.stderr.isTTY;

/** One line. Throws INTERRUPTED for Ctrl-C and Ctrl-D, and when the signal aborts. Only where `canAsk`. */
export async function ask({ text, secret = false }: Question, signal: AbortSignal): Promise<string> {
  const wasRaw = process.stdin.isRaw;
  process.stdin.setRawMode(true); // before the question: what is typed from then on is not shown by the terminal
  process.stderr.write(text);
  try {
    return await readLine(secret, signal);
  } finally {
    process.stdin.setRawMode(wasRaw);
    process.stdin.pause();
    process.stderr.write('\n');
  }
}

function readLine(secret: boolean, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let line: readonly string[] = [];
    const decoder = new StringDecoder('utf8');
    const stop = (end: () => void): void => {
      process.stdin.off('data', read);
      signal.removeEventListener('abort', giveUp);
      end();
    };
    const giveUp = (): void => stop(() => reject(new ArchBuildError('INTERRUPTED', 'no answer was given')));
    const read = (data: Buffer): void => {
      for (const letter of decoder.write(data)) {
        if (ENTER.test(letter)) {
          stop(() => resolve(line.join('')));
          return;
        }
        if (letter === INTERRUPT || letter === END) {
          giveUp();
          return;
        }
        const before = line.length;
        line = typed(line, letter);
        if (!secret)
          process.stderr.write(line.length > before ? letter : '\b \b'.repeat(before - line.length));
      }
    };
    signal.addEventListener('abort', giveUp);
    if (signal.aborted) giveUp();
    else process.stdin.on('data', read).resume();
  });
}

function typed(line: readonly string[], letter: string): readonly string[] {
  if (ERASE.test(letter)) return line.slice(0, -1);
  if (letter === ERASE_LINE) return [];
  return /^[\u0000-\u001f]$/.test(letter) ? line : [...line, letter];
}
