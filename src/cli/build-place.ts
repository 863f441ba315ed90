/** What `build` and `kit` are about: the directory COPY reads from, and the Kubefile. */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { OWN_IGNORE_FILES } from '../build/context.ts';
import { readContextWord } from '../build/context-word.ts';
import { fetchContext, findInside, readInside, type FetchedContext } from '../build/fetched-context.ts';
import type { BuildSource, KubefileSource } from '../build/options.ts';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { joinFiles } from '../kubefile/join-files.ts';
import { buildArgsOf } from './build-args.ts';
import type { BuildFlags } from './flags.ts';
import { reporterFor, type Globals } from './globals.ts';
import { isPreprocessed, preprocessed } from './preprocess.ts';
import { sshAgentsOf } from './secrets.ts';

const DEFAULT_FILES = ['Kubefile', 'Dockerfile', 'Containerfile'];

export interface BuildPlace extends AsyncDisposable {
  readonly source: BuildSource;
}

export type PlaceFlags = Pick<BuildFlags, 'file' | 'buildArg' | 'buildArgFile'> &
  Partial<
    Pick<BuildFlags, 'ssh' | 'insecure' | 'ignorefile' | 'cppFlag' | 'quiet' | 'progress' | 'plan' | 'check'>
  >;

/** The caller disposes it. Throws USAGE, CONTEXT, KUBEFILE_NOT_FOUND, and what fetching a context throws. */
export async function openPlace(globals: Globals, word: string, flags: PlaceFlags): Promise<BuildPlace> {
  const given = flags.ignorefile === undefined ? {} : { ignoreFile: resolve(flags.ignorefile) };
  const place = readContextWord(word);
  if (place.kind === 'directory') {
    const parts = readParts(flags.file, (file) => readKubefile(place.path, file));
    const options = { ...fetchOptions(globals, flags), context: place.path, flags: flags.cppFlag ?? [] };
    const [first, ...others] = parts;
    const file = joined([
      await preprocessed(first, options),
      ...(await Promise.all(others.map((part) => preprocessed(part, options)))),
    ]);
    const source = { context: place.path, file, ...given };
    return { source, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (place.kind === 'stdin' && flags.file.includes('-'))
    throw new ArchBuildError('USAGE', 'the Kubefile and the build context cannot both come on stdin');
  const fetched = await fetchContext(place, fetchOptions(globals, flags));
  try {
    const parts = readParts(flags.file, (each) => fetchedKubefile(fetched, each));
    refusePreprocessing(parts);
    const file = joined(parts);
    const ignoreFile = ignoreFileOf(fetched, file);
    const source = { context: fetched.directory, contextName: word, file, ignoreFile, ...given };
    return { source, [Symbol.asyncDispose]: () => fetched[Symbol.asyncDispose]() };
  } catch (error) {
    await fetched[Symbol.asyncDispose]();
    throw error;
  }
}

type Parts = readonly [KubefileSource, ...KubefileSource[]];

function readParts(
  [first, ...others]: readonly string[],
  read: (file: string | undefined) => KubefileSource,
): Parts {
  if ([first, ...others].filter((file) => file === '-').length > 1)
    throw new ArchBuildError('USAGE', 'there is one standard input, and -f - twice');
  return [read(first), ...others.map(read)];
}

/** A fetched file may be anybody's, and what it includes is a file of this host. */
function refusePreprocessing(parts: Parts): void {
  const path = parts.map((part) => part.path).find(isPreprocessed);
  if (path !== undefined)
    throw new ArchBuildError('CONTEXT', `${path} would need the C preprocessor, which only local files get`, {
      hint: 'fetch the context first, and build the directory',
    });
}

function joined(parts: Parts): KubefileSource {
  const [first, ...others] = parts;
  if (others.length === 0) return first;
  const { host } = first;
  const path = parts.map((part) => part.path).join(' + ');
  return { path, text: joinFiles(parts), ...(host === undefined ? {} : { host }) };
}

export function fetchOptions(globals: Globals, flags: PlaceFlags): Parameters<typeof fetchContext>[1] {
  const { BUILDKIT_CONTEXT_KEEP_GIT_DIR: keep = '' } = buildArgsOf(flags);
  return {
    stdin: process.stdin,
    offline: globals.offline,
    keepGitDir: /^(?:1|t|true)$/i.test(keep),
    sshAgents: sshAgentsOf(flags.ssh ?? [], process.env),
    insecure: flags.insecure ?? [],
    report: reporterFor(globals, progressOf(flags)),
    signal: globals.signal,
  };
}

const progressOf = ({ quiet, plan, check, progress = 'plain' }: PlaceFlags): BuildFlags['progress'] =>
  [quiet, plan, check].includes(true) ? 'quiet' : progress;

/** A path with a slash in front is one of this host, any other is inside the context. */
function fetchedKubefile({ directory, kubefile }: FetchedContext, file: string | undefined): KubefileSource {
  if (kubefile !== undefined) {
    if (file === undefined) return kubefile;
    throw new ArchBuildError('USAGE', `${kubefile.path} is a Kubefile itself, so -f ${file} has no place`);
  }
  if (file === '-' || (file !== undefined && isAbsolute(file))) return readKubefile(directory, file);
  for (const path of file === undefined ? DEFAULT_FILES : [file]) {
    const found = readInside(directory, path);
    if (found !== undefined) return { path, ...found };
  }
  throw noKubefile('the build context', file);
}

function ignoreFileOf({ directory }: FetchedContext, { host, path }: KubefileSource): string | null {
  const beside = host?.startsWith(`${directory}/`) === true ? [`${path}.dockerignore`] : [];
  return findInside(directory, [...beside, ...OWN_IGNORE_FILES]) ?? null;
}

function readKubefile(context: string, file: string | undefined): KubefileSource {
  if (file === '-') return { path: 'stdin', text: readFileSync(0, 'utf8') };
  const path = file ?? defaultFile(context);
  try {
    refusePipe(path);
    return { path, host: path, text: readBounded(path) };
  } catch (cause) {
    if (cause instanceof ArchBuildError) throw cause;
    throw new ArchBuildError(
      'KUBEFILE_NOT_FOUND',
      `cannot read ${path}: ${systemErrorCode(cause) ?? String(cause)}`,
      {
        hint: `the file is looked up from the working directory; with -f - it is read from stdin`,
        cause,
      },
    );
  }
}

const FILE_LIMIT = 16 * 1024 * 1024;

/** A pipe is read to its end (`-f <(…)`); a device such as /dev/zero has none. */
function readBounded(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(FILE_LIMIT + 1);
    let length = 0;
    for (let count = -1; count !== 0; length += count)
      count = readSync(file, bytes, length, bytes.length - length, null);
    if (length > FILE_LIMIT) throw new ArchBuildError('KUBEFILE_NOT_FOUND', `${path} is larger than 16 MiB`);
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

function defaultFile(context: string): string {
  requireContext(context);
  const name = DEFAULT_FILES.find((candidate) => existsSync(join(context, candidate)));
  if (name !== undefined) return join(context, name);
  throw noKubefile(context, undefined);
}

const noKubefile = (where: string, file: string | undefined): ArchBuildError =>
  new ArchBuildError('KUBEFILE_NOT_FOUND', `${where} has no ${file ?? DEFAULT_FILES.join(', ')}`, {
    hint: 'name the file with -f, and the build context last',
  });

function requireContext(context: string): void {
  if (existsSync(context) && statSync(context).isDirectory()) return;
  const near = basename(context);
  const isWord = dirname(context) === process.cwd() && /^[a-z]+$/.test(near);
  throw new ArchBuildError('CONTEXT', `there is no directory ${context}`, {
    hint: isWord
      ? `the word is taken as a build context; for commands see arch-build --help`
      : 'name the build context last',
  });
}

/** A named pipe without a writer would be waited for, and nothing could interrupt that. `<(…)` of a shell has one. */
function refusePipe(path: string): void {
  if (path.startsWith('/dev/fd/') || statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return;
  throw new ArchBuildError('KUBEFILE_NOT_FOUND', `${path} is a named pipe`, {
    hint: 'hand it on with -f - < PIPE',
  });
}
