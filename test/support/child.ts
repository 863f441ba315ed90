/**
 * Other processes of ours: a few lines of TypeScript, started with `node`, that can be watched and killed.
 *
 * Imports in the text are relative to `src/`. The text is bundled into a file inside the project, so that packages and
 * the helper programs in dist/ are found as ever.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';

const PROJECT = join(import.meta.dirname, '../..');

export interface Program extends Disposable {
  start(args?: readonly string[]): Child;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The next line it prints. Throws with its standard error when it ends before. */
  line(): Promise<string>;
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>;
  /** Closes its standard input and waits for its end; its exit status. */
  end(): Promise<number | null>;
}

/** The caller disposes it after its children. The arguments are `process.argv.slice(2)`. */
export async function buildProgram(text: string): Promise<Program> {
  const file = join(PROJECT, '.cache/children', `${randomBytes(6).toString('hex')}.mjs`);
  await build({
    stdin: { contents: text, resolveDir: join(PROJECT, 'src'), loader: 'ts' },
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
  });
  return {
    start: (args = []) => startChild(file, args),
    [Symbol.dispose]: () => rmSync(file, { force: true }),
  };
}

function startChild(file: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (data: string) => (errors += data));
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    pid: child.pid ?? 0,
    line: async () => {
      const next = await lines.next();
      if (next.done !== true) return next.value;
      throw new Error(`the child ended without a line: ${errors}`);
    },
    kill,
    end: async () => {
      child.stdin.end();
      await ended;
      if (child.exitCode !== 0 && errors !== '') console.error(errors);
      return child.exitCode;
    },
    [Symbol.asyncDispose]: kill,
  };
}
