/** ADD of git repositories: the server is asked for the commit first, which is the cache key; cloned is on a miss. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ArchBuildError } from '../errors.ts';
import { MergedTree } from '../layer/merged-tree.ts';
import type { Downloads, RemoteOptions } from './add-url.ts';
import { literally, selectSources, type SelectedSource } from './copy-sources.ts';
import type { GitCall } from './git.ts';
import { checkOut } from './git-checkout.ts';
import { parseGitSource, resolveReference, type GitSource, type ResolvedReference } from './git-source.ts';
import { offlineError } from './offline-error.ts';
import type { Job } from './options.ts';

/** Throws ADD for a reference that is not there or is not what `--checksum` says, NETWORK, OFFLINE, TOOL_MISSING. */
export async function openRepositories(
  job: Job,
  words: readonly string[],
  options: RemoteOptions,
): Promise<Downloads> {
  if (words.length === 0) return { fingerprint: '', sources: () => Promise.resolve([]) };
  if (options.offline)
    throw offlineError(`ADD ${words.join(' ')}`, 'clone it into the build context and COPY it');
  const { sshAgents, insecure } = options;
  const call = { cwd: job.store.makeDirectory('git'), signal: job.signal, sshAgents, insecure };
  const repositories: (GitSource & ResolvedReference)[] = [];
  for (const word of words) {
    const source = parseGitSource(word);
    const resolved = await resolveReference(call, source);
    requireCommit(word, resolved, options.checksum);
    repositories.push({ ...source, ...resolved });
  }
  const commits = repositories.map(({ commit, directory }) => [commit, directory]);
  return {
    fingerprint: JSON.stringify([commits, options.keepGitDir]),
    sources: async () => {
      const selected: SelectedSource[] = [];
      for (const [index, repository] of repositories.entries()) {
        job.report({ type: 'info', text: `cloning ${repository.url} (${repository.commit})` });
        const cwd = join(call.cwd, String(index));
        mkdirSync(cwd, { mode: 0o755 });
        selected.push(...(await cloneAndSelect({ ...call, cwd }, repository, options)));
      }
      return selected;
    },
  };
}

function requireCommit(word: string, { commit }: ResolvedReference, checksum: string | undefined): void {
  if (checksum === undefined) return;
  if (!/^[0-9a-f]{7,64}$/.test(checksum)) {
    throw new ArchBuildError('ADD', `--checksum=${checksum} is no commit`, {
      hint: 'of a git repository it is the commit, at least 7 of its digits',
    });
  }
  if (commit.startsWith(checksum)) return;
  throw new ArchBuildError('ADD', `${word} is ${commit}, not ${checksum}`, {
    hint: 'the reference moved, or --checksum is wrong',
  });
}

async function cloneAndSelect(
  call: GitCall,
  repository: GitSource & ResolvedReference,
  { keepGitDir, exclude }: RemoteOptions,
): Promise<SelectedSource[]> {
  await checkOut(call, { ...repository, keepGitDir });
  const tree = new MergedTree([call.cwd], { plain: true });
  const { directory } = repository;
  return selectSources(tree, [directory === '' ? '.' : literally(directory)], {
    exclude,
    signal: call.signal,
  });
}
