/** A program of the host as a stream filter: bytes in, bytes out, gone when the consumer stops. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { ArchBuildError, systemErrorCode } from '../errors.ts';

export interface FilterProgram {
  readonly program: string;
  readonly args: readonly string[];
  readonly debianPackage: string;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * What the program writes. Throws TOOL_MISSING when it is not installed, what the input throws, and what `complain`
 * makes of its words when it failed: a status other than 0, or anything on stderr.
 */
export async function* filterThrough(
  filter: FilterProgram,
  input: AsyncIterable<Uint8Array>,
  complain: (reason: string) => Error,
): AsyncGenerator<Buffer> {
  const child = await start(filter);
  const ended = once(child, 'close') as Promise<[status: number | null, signal: string | null]>;
  ended.catch(() => undefined); // a consumer that stops does not wait for it
  const words = collect(child.stderr);
  const feeding = feed(child.stdin, input);
  feeding.catch(() => child.kill('SIGKILL'));
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const [status, signal] = await ended;
    if (signal === 'SIGKILL') await feeding; // was it us, because the input broke?
    if (status !== 0 || words.text !== '') {
      throw complain(
        lastLine(words.text) ?? (signal === null ? `status ${status ?? 0}` : `ended by ${signal}`),
      );
    }
    await feeding;
  } finally {
    child.kill('SIGKILL');
    child.stdin.destroy();
  }
}

async function start({ program, args, debianPackage }: FilterProgram): Promise<Child> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' }, // no variables that change what a compressor does
    cwd: '/',
  });
  try {
    await once(child, 'spawn');
    return child;
  } catch (cause) {
    if (systemErrorCode(cause) !== 'ENOENT') throw cause;
    throw new ArchBuildError('TOOL_MISSING', `the program ${program} is not installed`, {
      hint: `install the package ${debianPackage}`,
      cause,
    });
  }
}

const MAX_WORDS = 4096;

function collect(stderr: Readable): { readonly text: string } {
  const words = { text: '' };
  stderr.setEncoding('utf8').on('data', (data: string) => {
    if (words.text.length < MAX_WORDS) words.text += data;
  });
  return words;
}

const lastLine = (text: string): string | undefined => {
  const line = text.trim().split('\n').at(-1);
  return line === '' ? undefined : line;
};

/** A program that ends early says why by its status: the broken pipe is no error of its own. */
async function feed(stdin: Writable, input: AsyncIterable<Uint8Array>): Promise<void> {
  let proceed = (): void => undefined;
  const isGone = (): boolean => stdin.destroyed;
  stdin.on('error', () => undefined);
  stdin.on('drain', () => proceed());
  stdin.on('close', () => proceed());
  for await (const chunk of input) {
    if (isGone()) return;
    if (stdin.write(chunk) || isGone()) continue;
    await new Promise<void>((resolve) => (proceed = resolve));
  }
  stdin.end();
}
