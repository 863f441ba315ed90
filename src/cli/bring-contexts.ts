/** Named contexts that are archives, at URLs or in repositories, each in a directory for the time of the build. */
import { OWN_IGNORE_FILES } from '../build/context.ts';
import { fetchContext, findInside, type FetchedContext, type FetchedWord } from '../build/fetched-context.ts';
import type { DirectoryContext, NamedContext, NamedContexts } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import { isFetched, wordOf, type SaidContexts } from './build-contexts.ts';
import { fetchOptions, type PlaceFlags } from './build-place.ts';
import type { Globals } from './globals.ts';

export interface BroughtContexts extends AsyncDisposable {
  readonly contexts: NamedContexts;
}

/** The caller disposes it. Throws what `fetchContext` throws, and CONTEXT for a single file. */
export async function bringContexts(
  globals: Globals,
  said: SaidContexts,
  flags: PlaceFlags,
): Promise<BroughtContexts> {
  const fetched: FetchedContext[] = [];
  const remove = async (): Promise<void> => {
    for (const each of fetched.reverse()) await each[Symbol.asyncDispose]();
  };
  const bring = async (word: FetchedWord): Promise<DirectoryContext> => {
    const context = await fetchContext(word, fetchOptions(globals, flags));
    fetched.push(context);
    return directoryOf(context, word);
  };
  try {
    const contexts = new Map<string, NamedContext>();
    for (const [name, context] of said)
      contexts.set(name, isFetched(context) ? await bring(context) : context);
    return { contexts, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Its ignore file is looked for inside of it, whatever its symlinks say. */
function directoryOf({ directory, kubefile }: FetchedContext, word: FetchedWord): DirectoryContext {
  if (kubefile !== undefined)
    throw new ArchBuildError('CONTEXT', `${wordOf(word)} is no tar archive`, {
      hint: 'a named context is a directory; ADD downloads single files',
    });
  return { kind: 'directory', path: directory, ignoreFile: findInside(directory, OWN_IGNORE_FILES) ?? null };
}
