/** Build contexts of tests, and the builds of them, through the command line. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CallOptions, Cli, Outcome } from '../support/cli.ts';

export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface ProjectOptions extends CallOptions {
  /** Besides the Kubefile. */
  readonly files?: Files;
  /** Further words of the command line, in front of the context. */
  readonly args?: readonly string[];
  /** Folder of the context within the test's scratch directory. */
  readonly folder?: string;
  /** Default: --emulate aarch64. */
  readonly platforms?: readonly string[];
}

const EMULATED = ['--emulate', 'aarch64'];

/** Writes the context, builds it as `tag`; whatever the status. Nothing is pulled. */
export async function tryBuild(
  cli: Cli,
  tag: string,
  { kubefile, files = {}, ...options }: { kubefile: string } & ProjectOptions,
): Promise<Outcome> {
  const { folder = 'context', args = [], platforms = EMULATED, ...call } = options;
  const context = cli.scratch.path(folder);
  await writeFiles(context, { Kubefile: kubefile, ...files });
  return cli.call(['build', ...platforms, '--pull', 'never', '-t', tag, ...args, context], call);
}

/** The same for builds that have to succeed; the digest, and what was shown on standard error. */
export async function build(
  cli: Cli,
  tag: string,
  project: { kubefile: string } & ProjectOptions,
): Promise<{ readonly digest: string; readonly log: string }> {
  const { status, stdout, stderr } = await tryBuild(cli, tag, project);
  if (status !== 0 || !/^sha256:[0-9a-f]{64}\n$/.test(stdout)) {
    throw new Error(`the build ended with ${String(status)}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
  }
  return { digest: stdout.trim(), log: stderr };
}

export async function writeFiles(directory: string, files: Files): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

/** The progress lines of steps that came from the cache, without their prefix and the name of another store's cache. */
export function cachedSteps(log: string): string[] {
  return log
    .split('\n')
    .flatMap((line) => /^\[\S+ \S+ \d+\/\d+\] cached (.*?)(?: \(\S+:\w+\))?$/.exec(line)?.[1] ?? []);
}

/** Of a build or of anything else that is refused: never a stack trace, never our own bug. */
export const STACK_TRACE = /^ {4}at |this is a bug/m;
