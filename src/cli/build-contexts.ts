/** `--build-context` of the command line, as docker buildx has it. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { contextKey } from '../build/named-contexts.ts';
import { readContextWord } from '../build/context-word.ts';
import {
  fetchContext,
  type FetchedContext,
  type FetchedWord,
  type FetchOptions,
} from '../build/fetched-context.ts';
import type { NamedContext, NamedContexts } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import { parseDigest } from '../oci/digest.ts';
import { ignoreFileInside } from './build-place.ts';

/** What the command line says, before anything is fetched. */
export type WrittenContext = NamedContext | { readonly kind: 'fetched'; readonly word: FetchedWord };

export type WrittenContexts = ReadonlyMap<string, WrittenContext>;

export interface OpenContexts extends AsyncDisposable {
  readonly buildContexts: NamedContexts;
}

/** Fetches what is elsewhere. The caller disposes it. Throws what `fetchContext` throws. */
export async function openContexts(written: WrittenContexts, options: FetchOptions): Promise<OpenContexts> {
  const fetched: AsyncDisposable[] = [];
  const close = async (): Promise<void> => {
    for (const context of fetched) await context[Symbol.asyncDispose]();
  };
  const buildContexts = new Map<string, NamedContext>();
  try {
    for (const [name, context] of written) {
      if (context.kind !== 'fetched') {
        buildContexts.set(name, context);
        continue;
      }
      const place = await fetchContext(context.word, options);
      fetched.push(place);
      buildContexts.set(name, directoryIn(place));
    }
    return { buildContexts, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function directoryIn({ directory, kubefile }: FetchedContext): NamedContext {
  if (kubefile === undefined)
    return { kind: 'directory', path: directory, ignoreFile: ignoreFileInside(directory) };
  throw new ArchBuildError(
    'CONTEXT',
    `${kubefile.path} is no archive, so there are no files to copy from it`,
  );
}

/** `NAME=PATH|URL|REPOSITORY`, `NAME=docker-image://REF` or `NAME=oci-layout://DIRECTORY[:TAG|@DIGEST]`. Throws USAGE. */
export function contextsOf(words: readonly string[]): Map<string, WrittenContext> {
  return new Map(words.map(contextOf));
}

function contextOf(word: string): [string, WrittenContext] {
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

function sourceOf(word: string, value: string): WrittenContext {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(value) ?? [];
  if (scheme === 'docker-image') return { kind: 'image', reference: contextKey(rest) };
  if (scheme !== 'oci-layout') return placeOf(word, value);
  const { directory = '', tag, digest } = LAYOUT.exec(rest)?.groups ?? {};
  return {
    kind: 'layout',
    directory: directoryOf(word, directory),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function placeOf(word: string, value: string): WrittenContext {
  const place = readContextWord(value);
  if (place.kind === 'url' || place.kind === 'repository') return { kind: 'fetched', word: place };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value))
    throw refused(word, 'write a directory, a URL, a git repository, docker-image:// or oci-layout://');
  return { kind: 'directory', path: directoryOf(word, value) };
}

function directoryOf(word: string, text: string): string {
  const path = resolve(text);
  if (text !== '' && existsSync(path) && statSync(path).isDirectory()) return path;
  throw refused(word, `there is no directory ${path}`);
}

const refused = (word: string, hint: string): ArchBuildError =>
  new ArchBuildError('USAGE', `--build-context ${word} cannot be used`, { hint });
