/** `--build-context` of the command line, as docker buildx has it, and archives. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { contextKey } from '../build/named-contexts.ts';
import { readContextWord } from '../build/context-word.ts';
import type { FetchedWord } from '../build/fetched-context.ts';
import type { NamedContext, NamedContexts } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import { parseDigest } from '../oci/digest.ts';

/** By the names of `NamedContexts`; what is to be fetched is so before the build. */
export type SaidContexts = ReadonlyMap<string, NamedContext | FetchedWord>;

/**
 * `NAME=PATH`, `NAME=URL`, `NAME=REPOSITORY`, `NAME=docker-image://REF` or `NAME=oci-layout://DIRECTORY[:TAG|@DIGEST]`.
 * Throws USAGE.
 */
export function contextsOf(words: readonly string[]): SaidContexts {
  return new Map(words.map(contextOf));
}

/** For those who ask only what takes the place of which image: what has to be fetched is no image. */
export const withoutFetching = (said: SaidContexts): NamedContexts =>
  new Map(
    [...said].map(([name, context]) => [
      name,
      isFetched(context) ? { kind: 'directory' as const, path: wordOf(context) } : context,
    ]),
  );

export const isFetched = (context: NamedContext | FetchedWord): context is FetchedWord =>
  !['directory', 'image', 'layout'].includes(context.kind);

export function wordOf(context: FetchedWord): string {
  if (context.kind === 'stdin') return '-';
  if (context.kind === 'url') return context.url;
  return context.kind === 'repository' ? context.word : context.path;
}

function contextOf(word: string): [string, NamedContext | FetchedWord] {
  const equals = word.indexOf('=');
  const [name, value] = [word.slice(0, Math.max(equals, 0)), word.slice(equals + 1)];
  if (name === '' || value === '') throw refused(word, 'write --build-context NAME=DIRECTORY');
  if (name.toLowerCase() === 'scratch') throw refused(word, 'scratch is no image: nothing takes its place');
  try {
    return [contextKey(name), sourceOf(word, value)];
  } catch (error) {
    if (!(error instanceof ArchBuildError) || error.code === 'USAGE') throw error;
    throw refused(word, error.message);
  }
}

const LAYOUT = /^(?<directory>.*?)(?:@(?<digest>[a-z0-9]+:[0-9a-f]+)|:(?<tag>\w[\w.-]*))?$/s;

function sourceOf(word: string, value: string): NamedContext | FetchedWord {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(value) ?? [];
  if (scheme === 'docker-image') return { kind: 'image', reference: contextKey(rest) };
  if (scheme !== 'oci-layout') return placeOf(word, { value, hasScheme: scheme !== undefined });
  const { directory = '', tag, digest } = LAYOUT.exec(rest)?.groups ?? {};
  return {
    kind: 'layout',
    directory: directoryOf(word, directory),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

/** What `build` takes as its own context, but for stdin, which is that one's or the Kubefile's. */
function placeOf(
  word: string,
  { value, hasScheme }: { readonly value: string; readonly hasScheme: boolean },
): NamedContext | FetchedWord {
  const place = readContextWord(value);
  if (place.kind === 'stdin') throw refused(word, 'stdin is for the build context itself');
  if (place.kind !== 'directory') return place;
  if (hasScheme && !existsSync(place.path))
    throw refused(
      word,
      'contexts are directories, archives, URLs (http, https), git repositories, docker-image:// and oci-layout://',
    );
  return { kind: 'directory', path: directoryOf(word, value) };
}

function directoryOf(word: string, text: string): string {
  const path = resolve(text);
  if (text !== '' && existsSync(path) && statSync(path).isDirectory()) return path;
  throw refused(word, `there is no directory ${path}`);
}

const refused = (word: string, hint: string): ArchBuildError =>
  new ArchBuildError('USAGE', `--build-context ${word} cannot be used`, { hint });
