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

/** One line. Throws INTERRUPTED for Ctrl-C and Ctrl-D. Only where `canAsk`. */
export async function ask({ text, secret = false }: Question): Promise<string> {
  process.stderr.write(text);
  const wasRaw = process.stdin.isRaw;
  process.stdin.setRawMode(true);
  try {
    return await readLine(secret);
  } finally {
    process.stdin.setRawMode(wasRaw);
    process.stdin.pause();
    process.stderr.write('\n');
  }
}

function readLine(secret: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let line: readonly string[] = [];
    const decoder = new StringDecoder('utf8');
    const stop = (end: () => void): void => {
      process.stdin.off('data', read);
      end();
    };
    const read = (data: Buffer): void => {
      for (const letter of decoder.write(data)) {
        if (ENTER.test(letter)) {
          stop(() => resolve(line.join('')));
          return;
        }
        if (letter === INTERRUPT || letter === END) {
          stop(() => reject(new ArchBuildError('INTERRUPTED', 'no answer was given')));
          return;
        }
        const before = line.length;
        line = typed(line, letter);
        if (!secret)
          process.stderr.write(line.length > before ? letter : '\b \b'.repeat(before - line.length));
      }
    };
    process.stdin.on('data', read).resume();
  });
}

function typed(line: readonly string[], letter: string): readonly string[] {
  if (ERASE.test(letter)) return line.slice(0, -1);
  if (letter === ERASE_LINE) return [];
  return /^[\u0000-\u001f]$/.test(letter) ? line : [...line, letter];
}
