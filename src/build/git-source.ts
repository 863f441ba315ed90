/** `URL#REF:SUBDIRECTORY`: what is written of a git repository, and the commit its reference means. */
import { ArchBuildError } from '../errors.ts';
import { git, type GitCall } from './git.ts';

export interface GitSource {
  readonly url: string;
  /** A branch, a tag, a full reference or a whole commit; the default branch when there is none. */
  readonly reference: string | undefined;
  /** Below the root of the repository; '' for all of it. */
  readonly directory: string;
}

/** What BuildKit would clone instead of fetching it as a file. */
export const isGitRepository = (word: string): boolean =>
  /^(?:git@|git:\/\/|ssh:\/\/|https?:\/\/[^?#]*\.git(?:$|[?#]))/i.test(word);

/** Throws ADD. */
export function parseGitSource(word: string): GitSource {
  const [, url = '', fragment = ''] = /^([^#]*)#?(.*)$/s.exec(word) ?? [];
  if (/^https?:[^#]*\?/i.test(url)) {
    throw new ArchBuildError('ADD', `${word} has a query`, {
      hint: 'write the branch, tag or commit and the directory as URL#REF:DIRECTORY',
    });
  }
  const colon = fragment.indexOf(':');
  const reference = colon < 0 ? fragment : fragment.slice(0, colon);
  if (reference.startsWith('-') || /[\s~^:?*[\\\0]/.test(reference))
    throw new ArchBuildError('ADD', `${JSON.stringify(reference)} of ${word} is no branch, tag or commit`);
  const directory = colon < 0 ? '' : fragment.slice(colon + 1);
  return { url, reference: reference === '' ? undefined : reference, directory };
}

export interface ResolvedReference {
  readonly commit: string;
  /** What to fetch: a full name on the server, or the commit itself. */
  readonly name: string;
}

const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Asks the server; a whole commit needs no asking. Throws ADD when there is no such reference, NETWORK. */
export async function resolveReference(
  call: GitCall,
  { url, reference }: GitSource,
): Promise<ResolvedReference> {
  if (reference !== undefined && COMMIT.test(reference)) return { commit: reference, name: reference };
  const wanted = reference ?? 'HEAD';
  const listed = await git(call, ['ls-remote', '--', url, wanted, `${wanted}^{}`]);
  const commits = new Map(
    listed.split('\n').flatMap((line) => {
      const [commit = '', name] = line.split('\t');
      return name === undefined ? [] : [[name, commit]];
    }),
  );
  const name = [`refs/tags/${wanted}`, `refs/heads/${wanted}`, wanted].find((each) => commits.has(each));
  // An annotated tag is an object of its own; the commit is what it stands for.
  const commit = name === undefined ? undefined : (commits.get(`${name}^{}`) ?? commits.get(name));
  if (name !== undefined && commit !== undefined) return { commit, name };
  throw new ArchBuildError('ADD', `${url} has no branch or tag ${JSON.stringify(wanted)}`, {
    hint: 'a commit is written with all its 40 digits',
  });
}
