/**
 * The build context: a directory, seen through its ignore file. The Kubefile and the ignore file themselves are read
 * from the host, so excluding them hides them from COPY only.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AUTH_LIST } from '../cluster/find/find-images.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { compileIgnore, parseIgnoreFile } from '../kubefile/ignore.ts';
import type { Dialect } from '../kubefile/instruction.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { BuildOptions, BuildSource } from './options.ts';

export interface BuildContext {
  /** Absolute, without symlinks. */
  readonly directory: string;
  /** What COPY and ADD see. */
  readonly tree: MergedTree;
  /** The same without the ignore file: to say why something is missing. */
  readonly unfiltered: MergedTree;
  /** Host path of the ignore file in force. */
  readonly ignoreFile: string | undefined;
  readonly secret: readonly string[];
}

export interface ContextOptions {
  /** Must exist; null for none; otherwise `<Kubefile>.dockerignore`, then the context's own. */
  readonly ignoreFile?: string | null;
  /** Of the build context itself; named ones have no file of their own beside it. */
  readonly kubefilePath?: string;
  /** Names that nobody may copy, whatever the ignore file says: they hold passwords. */
  readonly secret?: readonly string[];
}

export const OWN_IGNORE_FILES = ['.containerignore', '.dockerignore'];
const IGNORE_FILE_LIMIT = 16 << 20;

/** Throws CONTEXT when the directory or its ignore file cannot be used, IGNORE_PATTERN for a bad pattern. */
export function openContext(directory: string, options: ContextOptions): BuildContext {
  const real = realDirectory(directory);
  const ignore = readIgnoreFile(real, options);
  const unfiltered = new MergedTree([real], { plain: true });
  const { secret = [] } = options;
  const ignored = ignore === undefined ? [] : parseIgnoreFile(ignore.text, ignore.path);
  const patterns = [...ignored, ...secret];
  const tree =
    patterns.length === 0
      ? unfiltered
      : new MergedTree([real], { plain: true, filter: compileIgnore(patterns) });
  return { directory: real, tree, unfiltered, ignoreFile: ignore?.path, secret };
}

/**
 * The context that COPY without `--from` reads. A list of images with passwords is for us, not for the image that
 * `COPY . .` makes.
 */
export const openBuildContext = (
  { context, file, ignoreFile, gather }: BuildSource & Pick<BuildOptions, 'gather'>,
  dialect: Dialect,
): BuildContext =>
  openContext(context, {
    ...(ignoreFile === undefined ? {} : { ignoreFile }),
    ...(file.host === undefined ? {} : { kubefilePath: file.host }),
    secret: gather === undefined || dialect === 'dockerfile' ? [] : [AUTH_LIST],
  });

/** The same, opened when it is first asked for: many builds copy nothing. */
export function buildContextOnce(
  source: Parameters<typeof openBuildContext>[0],
  dialect: Dialect,
): () => BuildContext {
  let opened: BuildContext | undefined;
  return () => (opened ??= openBuildContext(source, dialect));
}

function realDirectory(directory: string): string {
  const problem = (reason: string, cause?: unknown): ArchBuildError =>
    new ArchBuildError('CONTEXT', `build context ${directory} ${reason}`, {
      hint: 'the context is the directory that COPY and ADD read from',
      cause,
    });
  let real: string;
  try {
    real = realpathSync(resolve(directory));
  } catch (cause) {
    const code = systemErrorCode(cause);
    throw problem(code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? String(cause)}`, cause);
  }
  if (!statSync(real).isDirectory()) throw problem('is not a directory');
  return real;
}

function readIgnoreFile(
  context: string,
  options: ContextOptions,
): { path: string; text: string } | undefined {
  if (options.ignoreFile === null) return undefined;
  if (options.ignoreFile !== undefined) {
    const text = readText(options.ignoreFile);
    if (text === undefined)
      throw new ArchBuildError('CONTEXT', `ignore file ${options.ignoreFile} does not exist`);
    return { path: options.ignoreFile, text };
  }
  const candidates = [
    ...(options.kubefilePath === undefined ? [] : [`${options.kubefilePath}.dockerignore`]),
    ...OWN_IGNORE_FILES.map((name) => join(context, name)),
  ];
  for (const path of candidates) {
    const text = readText(path);
    if (text !== undefined) return { path, text };
  }
  return undefined;
}

/** Undefined when there is no such file. A fifo or a device is an error, not something to wait for. */
function readText(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isFile()) throw new ArchBuildError('CONTEXT', `ignore file ${path} is not a file`);
  if (stat.size > IGNORE_FILE_LIMIT)
    throw new ArchBuildError('CONTEXT', `ignore file ${path} is larger than 16 MiB`);
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ArchBuildError(
      'CONTEXT',
      `cannot read ignore file ${path}: ${systemErrorCode(cause) ?? String(cause)}`,
      { cause },
    );
  }
}
