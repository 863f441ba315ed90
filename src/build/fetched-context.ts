/**
 * A build context that is no directory: an archive, what comes on stdin or from a URL, a git repository. It is brought
 * into a temporary directory. Whoever made it need not be trusted: nothing of it lands outside of that directory, and
 * nothing that is read from there for the build itself is looked for anywhere else.
 */
import { createWriteStream, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArchBuildError } from '../errors.ts';
import type { Reporter } from '../events.ts';
import { hostPath, ROOT, toBytePath } from '../layer/byte-path.ts';
import { LayerWriter } from '../layer/layer-writer.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { TarEntry } from '../layer/tar-reader.ts';
import { statPath } from '../layer/tree-node.ts';
import { openTemporary } from '../sys/temporary.ts';
import { extractArchive } from './add-archive.ts';
import { isLocalRepository, type ContextWord } from './context-word.ts';
import { checkOut } from './git-checkout.ts';
import { parseGitSource, resolveReference } from './git-source.ts';
import { offlineError } from './offline-error.ts';
import type { BuildOptions } from './options.ts';

export interface FetchedContext extends AsyncDisposable {
  /** Absolute, without symlinks. */
  readonly directory: string;
  /** A Kubefile that came in the place of an archive, and what to call it; the directory is empty then. */
  readonly kubefile: { readonly path: string; readonly text: string } | undefined;
}

export interface FetchOptions {
  readonly stdin: NodeJS.ReadableStream;
  readonly offline: boolean;
  readonly keepGitDir: boolean;
  readonly sshAgents: BuildOptions['sshAgents'];
  readonly insecure: BuildOptions['insecure'];
  readonly report: Reporter;
  readonly signal: AbortSignal;
}

export type FetchedWord = Exclude<ContextWord, { kind: 'directory' }>;

/** The caller disposes it. Throws CONTEXT, NETWORK, OFFLINE, TOOL_MISSING. */
export async function fetchContext(word: FetchedWord, options: FetchOptions): Promise<FetchedContext> {
  refuseOffline(word, options);
  const temporary = openTemporary('arch-build-context');
  try {
    const top = realpathSync(temporary.directory);
    mkdirSync(join(top, 'context'), { mode: 0o755 });
    const fetched = await bring(word, top, options);
    return { ...fetched, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
  } catch (error) {
    await temporary[Symbol.asyncDispose]();
    throw asContextError(error);
  }
}

function refuseOffline(word: FetchedWord, { offline }: FetchOptions): void {
  if (!offline || word.kind === 'stdin' || word.kind === 'archive') return;
  const name = word.kind === 'url' ? word.url : word.word;
  if (isLocalRepository(name)) return;
  throw offlineError(`the build context ${name}`, 'bring it along as a directory or an archive');
}

type Brought = Omit<FetchedContext, typeof Symbol.asyncDispose>;

async function bring(word: FetchedWord, top: string, options: FetchOptions): Promise<Brought> {
  const { signal, report, insecure } = options;
  const directory = join(top, 'context');
  const spool = join(top, 'spool');
  switch (word.kind) {
    case 'repository':
      return { directory: await clone(word.word, directory, options), kubefile: undefined };
    case 'archive':
      return unpackOrRead(directory, { path: word.path, name: word.path, isSpooled: false, signal });
    case 'stdin':
      await pipeline(options.stdin, createWriteStream(spool, { mode: 0o600 }), { signal });
      return unpackOrRead(directory, { path: spool, name: 'stdin', isSpooled: true, signal });
    case 'url': {
      const { downloadFile } = await import('../transfer/download.ts'); // only now: it brings an HTTP client
      await downloadFile(word.url, spool, { insecure, signal, report });
      return unpackOrRead(directory, { path: spool, name: word.url, isSpooled: true, signal });
    }
  }
}

async function clone(word: string, directory: string, options: FetchOptions): Promise<string> {
  const { signal, sshAgents, insecure, keepGitDir, report } = options;
  const source = parseGitSource(word);
  const call = { cwd: directory, signal, sshAgents, insecure, isLocal: isLocalRepository(word) };
  const resolved = await resolveReference(call, source);
  report({ type: 'info', text: `cloning ${source.url} (${resolved.commit}) as build context` });
  await checkOut(call, { url: source.url, ...resolved, keepGitDir });
  const { path, node } = new MergedTree([directory], { plain: true }).resolve(toBytePath(source.directory));
  if (node?.type === 'directory') return hostPath(directory, path).toString('utf8');
  throw new ArchBuildError('CONTEXT', `${source.url} has no directory ${source.directory}`);
}

interface Spooled {
  readonly path: string;
  /** For messages. */
  readonly name: string;
  readonly isSpooled: boolean;
  readonly signal: AbortSignal;
}

const KUBEFILE_LIMIT = 16 << 20;

async function unpackOrRead(directory: string, { path, name, isSpooled, signal }: Spooled): Promise<Brought> {
  const host = Buffer.from(realpathSync(path));
  const stat = statPath(host);
  if (stat === undefined) throw new ArchBuildError('CONTEXT', `${name} is gone`);
  const writer = new LayerWriter(directory, new MergedTree([]));
  const options = { destination: ROOT, name, adapt: asContextEntry, signal };
  if (await extractArchive(writer, { host, stat }, options)) {
    if (isSpooled) rmSync(path);
    return { directory, kubefile: undefined };
  }
  if (stat.size === 0n) throw new ArchBuildError('CONTEXT', `${name} is empty`);
  const content = stat.size > KUBEFILE_LIMIT ? undefined : readFileSync(host);
  if (isSpooled && content?.includes(0) === false)
    return { directory, kubefile: { path: name, text: content.toString('utf8') } };
  throw new ArchBuildError('CONTEXT', `${name} is no directory and no tar archive`, {
    hint: isSpooled
      ? 'send a tar archive, compressed or not, or a Kubefile'
      : 'name a Kubefile with -f, and its directory as build context',
  });
}

const NO_XATTRS: TarEntry['xattrs'] = new Map();

/** COPY gives files of a context to root and drops their attributes; devices of the host are nobody's to hand in. */
function asContextEntry(entry: TarEntry): TarEntry | undefined {
  if (entry.type === 'char' || entry.type === 'block') return undefined;
  return { ...entry, uid: 0, gid: 0, xattrs: NO_XATTRS };
}

/** What ADD says of archives and repositories is about the context here. */
function asContextError(error: unknown): unknown {
  if (!(error instanceof ArchBuildError) || error.code !== 'ADD') return error;
  const hint = error.hint === undefined ? {} : { hint: error.hint };
  return new ArchBuildError('CONTEXT', error.message, { ...hint, cause: error });
}

/** The host path of the first of the files that a fetched context has. Throws as `readInside` does. */
export function findInside(directory: string, names: readonly string[]): string | undefined {
  for (const name of names) {
    const found = readInside(directory, name);
    if (found !== undefined) return found.host;
  }
  return undefined;
}

/**
 * A text file of a fetched context, looked for inside of it whatever its symlinks say; undefined when there is none.
 * Throws CONTEXT for what is no file, or too large.
 */
export function readInside(directory: string, path: string): { host: string; text: string } | undefined {
  const tree = new MergedTree([directory], { plain: true });
  const { path: real, node } = tree.resolve(toBytePath(path));
  if (node === undefined) return undefined;
  try {
    const text = tree.readFile(real, KUBEFILE_LIMIT).toString('utf8');
    return { host: hostPath(directory, real).toString('utf8'), text };
  } catch (cause) {
    if (!(cause instanceof ArchBuildError)) throw cause;
    throw new ArchBuildError('CONTEXT', `${path} of the build context cannot be read: ${cause.message}`, {
      cause,
    });
  }
}
