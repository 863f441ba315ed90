/** `--build-context` of the command line, as docker buildx has it. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { contextKey } from '../build/named-contexts.ts';
import type { NamedContext } from '../build/options.ts';
import { ArchBuildError } from '../errors.ts';
import { parseDigest } from '../oci/digest.ts';

/** `NAME=PATH`, `NAME=docker-image://REF` or `NAME=oci-layout://DIRECTORY[:TAG|@DIGEST]`. Throws USAGE. */
export function contextsOf(words: readonly string[]): Map<string, NamedContext> {
  return new Map(words.map(contextOf));
}

function contextOf(word: string): [string, NamedContext] {
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

function sourceOf(word: string, value: string): NamedContext {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(value) ?? [];
  if (/^git@/.test(value) || (scheme !== undefined && !['docker-image', 'oci-layout'].includes(scheme)))
    throw refused(
      word,
      'contexts are directories and images: clone or download it first, and name the directory',
    );
  if (scheme === 'docker-image') return { kind: 'image', reference: contextKey(rest) };
  if (scheme === undefined) return { kind: 'directory', path: directoryOf(word, value) };
  const { directory = '', tag, digest } = LAYOUT.exec(rest)?.groups ?? {};
  return {
    kind: 'layout',
    directory: directoryOf(word, directory),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

function directoryOf(word: string, text: string): string {
  const path = resolve(text);
  if (text !== '' && existsSync(path) && statSync(path).isDirectory()) return path;
  throw refused(word, `there is no directory ${path}`);
}

const refused = (word: string, hint: string): ArchBuildError =>
  new ArchBuildError('USAGE', `--build-context ${word} cannot be used`, { hint });
